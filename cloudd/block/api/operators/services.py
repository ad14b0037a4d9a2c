"""The parts of block storage over HTTP."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import pools
from cloudd.block.api import API
from cloudd.block.backends import Backends
from cloudd.block.models import BlockService
from cloudd.block.operators import services
from cloudd.block.versions import BACKEND_STATE, CLUSTERS, REPLICATION_CLUSTER
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.lists import Filters
from cloudd.core.http.shapes import UNSET
from cloudd.core.http.types import NOTHING, NULL, Bool, Enum, Text

UPDATE = "volume_extension:services:update"
HOST = Text(1, 255, null=True, pattern=r"^[a-zA-Z0-9-._#@:/+\[\]]*$")
NAME = Text(0, 255, null=True)
WHICH = (Field("binary", Text(1, 255)), Field("service", Text(1, 255)), Field("host", HOST), Field("cluster", NAME))
TURN = Shape(None, *WHICH)
TURN_WITH_REASON = Shape(None, *WHICH, Field("disabled_reason", Text(1, 255, pattern=r"\S", strip=True)))
PLACE = Shape(None, Field("cluster", NAME), Field("host", HOST))
FAILOVER = Shape(None, *PLACE.fields, Field("backend_id", NAME))
STATUS = Enum("enabled", "disabled")
STATES = "states"
"""Where a request keeps whether the back ends answer, by HOST@BACKEND."""


def of_volume(value: Callable[[BlockService, Request], Any]) -> Callable[[BlockService, Request], Any]:
    """A member that only the services of back ends have."""
    return lambda row, request: value(row, request) if row.binary == services.VOLUME else UNSET


def state(row: BlockService, request: Request) -> str:
    return "up" if services.is_up(row, request.service(Backends).by_name) else "down"


def seen_at(row: BlockService, request: Request) -> str | None:
    return clock.iso_naive(services.seen_at(row, request.service(Backends).by_name, request.context.now()))


SERVICE = Shape("service",
    Field("binary", Text()), Field("host", Text()), Field("zone", Text()),
    Field("status", STATUS, of=lambda row, request: "disabled" if row.disabled else "enabled"),
    Field("state", Enum("up", "down"), of=state), Field("updated_at", Text(), of=seen_at),
    Field("backend_state", Enum("up", "down"), of=of_volume(lambda row, request: request.params[STATES].get(row.host, "down")),
          sometimes=True, since=BACKEND_STATE),
    Field("cluster", NULL, of=lambda row, request: None, since=CLUSTERS),
    Field("disabled_reason", Text(null=True)),
    Field("replication_status", Text(), of=of_volume(lambda row, request: "disabled"), sometimes=True),
    Field("active_backend_id", NULL, of=of_volume(lambda row, request: None), sometimes=True),
    Field("frozen", Bool(), of=of_volume(lambda row, request: row.frozen), sometimes=True))
TURNED = (Field("host", Text()), Field("service", Text()), Field("binary", Text()), Field("status", STATUS), Field("disabled", Bool()))
ENABLED = Shape(None, *TURNED, Field("disabled_reason", Text(null=True)))
DISABLED = Shape(None, *TURNED)
resource = API.resource("/os-services")


@resource.get("", policy="volume_extension:services:index", reply=SERVICE, live=True, listing=Filters(("host", "binary")))
async def index(request: Request) -> list[BlockService]:
    """List the parts of block storage."""
    async with request.parts.database.read() as tx:
        rows = await services.listed(tx, request.query.get("host"), request.query.get("binary"))
    if request.has(BACKEND_STATE):
        there = await pools.survey(request.service(Backends))
        request.params[STATES] = {services.host_of(one.name): "down" if one.down else "up" for one in there}
    return rows


async def turned(request: Request, tx: AsyncSession, body: dict[str, Any], *, enabled: bool) -> dict[str, Any]:
    """Enable or disable the service that a body names. Raises BadRequest, NotFound."""
    binary = body.get("binary") or body.get("service")
    if not binary:
        raise BadRequest("Invalid input: 'binary' is a required property")
    if not body.get("host"):
        raise BadRequest("Invalid input received: Host field is missing.")
    row = await services.named(tx, body["host"], binary)
    await services.turn(request.context, tx, row, enabled=enabled, reason=body.get("disabled_reason"))
    return {"host": row.host, "service": body.get("service", ""), "binary": body.get("binary", ""),
            "status": "enabled" if enabled else "disabled", "disabled": not enabled}


@resource.put("/enable", policy=UPDATE, use="create", body=TURN, answer=ENABLED)
async def enable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take new volumes."""
    return {**await turned(request, tx, body, enabled=True), "disabled_reason": None}


@resource.put("/disable", policy=UPDATE, use="create", body=TURN, answer=DISABLED)
async def disable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take no new volumes."""
    return await turned(request, tx, body, enabled=False)


@resource.put("/disable-log-reason", policy=UPDATE, use="create", body=TURN_WITH_REASON, answer=ENABLED)
async def disable_with_reason(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take no new volumes, and say why."""
    return {**await turned(request, tx, body, enabled=False), "disabled_reason": body.get("disabled_reason")}


async def back_ends(request: Request, tx: AsyncSession, body: dict[str, Any]) -> list[BlockService]:
    """Clusters count from a version on. Raises BadRequest."""
    return await services.back_ends(tx, body.get("host"), body.get("cluster") if request.has(REPLICATION_CLUSTER) else None)


@resource.put("/freeze", policy="volume:freeze_host", use="create", body=PLACE, answer=NOTHING)
async def freeze(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Reply:
    """Make no new volumes on a back end."""
    request.require(UPDATE)
    await services.freeze(request.context, tx, await back_ends(request, tx, body), frozen=True)
    return Reply()


@resource.put("/thaw", policy="volume:thaw_host", use="create", body=PLACE, answer=NOTHING)
async def thaw(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Reply:
    """Make new volumes on a back end again."""
    request.require(UPDATE)
    await services.freeze(request.context, tx, await back_ends(request, tx, body), frozen=False)
    return Reply()


@resource.put("/failover", policy="volume:failover_host", use="create", body=FAILOVER, status=202)
@resource.put("/failover_host", policy="volume:failover_host", use="create", body=FAILOVER, status=202)
async def failover(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Reply:
    """Go over to the back end that another replicates to."""
    request.require(UPDATE)
    services.fail_over(await back_ends(request, tx, body))
    return Reply()
