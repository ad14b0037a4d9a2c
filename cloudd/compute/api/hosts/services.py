"""The parts of compute over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.hosts import services
from cloudd.compute.models import Service
from cloudd.compute.versions import FORCED_DOWN, STRICT, UUID_OF_SERVICES
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Bool, Enum, Int, List, Text, Uuid

RULE = "os_compute_api:os-services:{}"
OLD_LAST = "2.52"
HOST = r"^[a-zA-Z0-9._-]+$"
REASON = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
WHICH = (Field("host", Text(1, 255, pattern=HOST), required=True), Field("binary", Text(1, 255), required=True))
OLD = Shape(None, *WHICH)
OLD_REASON = Shape(None, *WHICH, Field("disabled_reason", Text(1, 255, pattern=REASON), required=True))
OLD_DOWN = Shape(None, *WHICH, Field("forced_down", Bool(text=True), required=True))
STATUS = Enum("enabled", "disabled")
CHANGE = Shape(None, Field("status", STATUS), Field("disabled_reason", Text(1, 255, pattern=REASON)),
               Field("forced_down", Bool(text=True)))
FILTERS = Shape(None, Field("host", List(Text(0, 255))), Field("binary", List(Text(0, 255))), extra=STRICT)


def status(row: Service, request: Request) -> str:
    return "disabled" if row.disabled else "enabled"


SERVICE = Shape("service",
    Field("id", Int(), until=OLD_LAST), Field("id", Uuid(), of="uuid", since=UUID_OF_SERVICES),
    Field("binary", Text()), Field("host", Text()),
    Field("zone", Text(), of=lambda row, request: services.zone(row, request.params["zones"])),
    Field("status", STATUS, of=status),
    Field("state", Enum("up", "down"), of=lambda row, request: "up" if services.is_up(row) else "down"),
    Field("disabled_reason", Text(null=True)),
    Field("updated_at", Text(null=True), of=lambda row, request: clock.iso_naive(services.seen_at(row, request.context.now()))),
    Field("forced_down", Bool(), since=FORCED_DOWN),
)
NAMED = (Field("host", Text()), Field("binary", Text()))
TURNED = Shape("service", *NAMED, Field("status", STATUS, of=status))
TURNED_OFF = Shape("service", *TURNED.fields, Field("disabled_reason", Text()))
DOWN = Shape("service", *NAMED, Field("forced_down", Bool()))
resource = API.resource("/os-services")


@resource.get("", policy=RULE.format("list"), query=FILTERS, reply=SERVICE)
async def index(request: Request, tx: AsyncSession) -> list[Service]:
    """List the parts of compute."""
    request.params["zones"] = await services.zones(tx)
    return await services.listed(tx, request.query.get("host"), request.query.get("binary"))


async def turned(request: Request, tx: AsyncSession, body: dict[str, Any], enabled: bool) -> Service:
    row = await services.named(tx, body["host"], body["binary"])
    await services.update(request.context, tx, row, enabled=enabled, reason=body.get("disabled_reason"))
    return row


@resource.put("/enable", until=OLD_LAST, use="create", body=OLD, policy=RULE.format("update"), reply=TURNED)
async def enable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Service:
    """Let a service take new servers."""
    return await turned(request, tx, body, True)


@resource.put("/disable", until=OLD_LAST, use="create", body=OLD, policy=RULE.format("update"), reply=TURNED)
async def disable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Service:
    """Let a service take no new servers."""
    return await turned(request, tx, body, False)


@resource.put("/disable-log-reason", until=OLD_LAST, use="create", body=OLD_REASON, policy=RULE.format("update"), reply=TURNED_OFF)
async def disable_reason(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Service:
    """Let a service take no new servers, and say why."""
    return await turned(request, tx, body, False)


@resource.put("/force-down", since=FORCED_DOWN, until=OLD_LAST, use="create", body=OLD_DOWN, policy=RULE.format("update"),
              reply=DOWN)
async def force_down(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Service:
    """Say that a service is down whatever it tells."""
    row = await services.named(tx, body["host"], body["binary"])
    await services.update(request.context, tx, row, forced_down=body["forced_down"])
    return row


@resource.put("/{service_id}", since=UUID_OF_SERVICES, use="create", body=CHANGE, policy=RULE.format("update"), reply=SERVICE)
async def update(request: Request, tx: AsyncSession, service_id: str, body: dict[str, Any]) -> Service:
    """Enable, disable or force down a service."""
    row = await services.find(tx, service_id, by_uuid=True)
    status, reason = body.get("status"), body.get("disabled_reason")
    if reason and status != "disabled":
        raise BadRequest("Specifying disabled_reason requires that status is 'disabled'." if status is None else
                         "Specifying disabled_reason is not allowed when status is 'enabled'.")
    if status is None and "forced_down" not in body:
        raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    await services.update(request.context, tx, row, enabled=None if status is None else status == "enabled", reason=reason,
                          forced_down=body.get("forced_down"))
    request.params["zones"] = await services.zones(tx)
    return row


@resource.delete("/{service_id}", policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, service_id: str) -> None:
    """Forget a service that is no more."""
    await services.delete(tx, await services.find(tx, service_id, by_uuid=request.has(UUID_OF_SERVICES)))
