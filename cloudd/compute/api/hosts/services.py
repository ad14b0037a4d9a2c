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
from cloudd.core.http.types import Bool, Enum, List, Text

RULE = "os_compute_api:os-services:{}"
OLD_LAST = "2.52"
HOST = r"^[a-zA-Z0-9._-]+$"
REASON = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
WHICH = (Field("host", Text(1, 255, pattern=HOST), required=True), Field("binary", Text(1, 255), required=True))
OLD = Shape(None, *WHICH)
OLD_REASON = Shape(None, *WHICH, Field("disabled_reason", Text(1, 255, pattern=REASON), required=True))
OLD_DOWN = Shape(None, *WHICH, Field("forced_down", Bool(text=True), required=True))
CHANGE = Shape(None, Field("status", Enum("enabled", "disabled")), Field("disabled_reason", Text(1, 255, pattern=REASON)),
               Field("forced_down", Bool(text=True)))
FILTERS = Shape(None, Field("host", List(Text(0, 255))), Field("binary", List(Text(0, 255))), extra=STRICT)
resource = API.resource("/os-services")


def view(request: Request, row: Service, zones: dict[str, str]) -> dict[str, Any]:
    shown = {"id": row.uuid if request.has(UUID_OF_SERVICES) else row.id, "binary": row.binary, "host": row.host,
             "zone": services.zone(row, zones), "status": "disabled" if row.disabled else "enabled",
             "state": "up" if services.is_up(row) else "down", "disabled_reason": row.disabled_reason,
             "updated_at": clock.iso_naive(services.seen_at(row, request.context.now()))}
    if request.has(FORCED_DOWN):
        shown["forced_down"] = row.forced_down
    return shown


@resource.get("", policy=RULE.format("list"), query=FILTERS)
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List the parts of compute."""
    zones = await services.zones(tx)
    rows = await services.listed(tx, request.query.get("host"), request.query.get("binary"))
    return {"services": [view(request, row, zones) for row in rows]}


async def turned(request: Request, tx: AsyncSession, body: dict[str, Any], enabled: bool) -> dict[str, Any]:
    row = await services.named(tx, body["host"], body["binary"])
    await services.update(request.context, tx, row, enabled=enabled, reason=body.get("disabled_reason"))
    return {"service": {"host": row.host, "binary": row.binary, "status": "enabled" if enabled else "disabled"}}


@resource.put("/enable", until=OLD_LAST, use="create", body=OLD, policy=RULE.format("update"))
async def enable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take new servers."""
    return await turned(request, tx, body, True)


@resource.put("/disable", until=OLD_LAST, use="create", body=OLD, policy=RULE.format("update"))
async def disable(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take no new servers."""
    return await turned(request, tx, body, False)


@resource.put("/disable-log-reason", until=OLD_LAST, use="create", body=OLD_REASON, policy=RULE.format("update"))
async def disable_reason(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let a service take no new servers, and say why."""
    shown = await turned(request, tx, body, False)
    return {"service": {**shown["service"], "disabled_reason": body["disabled_reason"]}}


@resource.put("/force-down", since=FORCED_DOWN, until=OLD_LAST, use="create", body=OLD_DOWN, policy=RULE.format("update"))
async def force_down(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Say that a service is down whatever it tells."""
    row = await services.named(tx, body["host"], body["binary"])
    await services.update(request.context, tx, row, forced_down=body["forced_down"])
    return {"service": {"host": row.host, "binary": row.binary, "forced_down": row.forced_down}}


@resource.put("/{service_id}", since=UUID_OF_SERVICES, use="create", body=CHANGE, policy=RULE.format("update"))
async def update(request: Request, tx: AsyncSession, service_id: str, body: dict[str, Any]) -> dict[str, Any]:
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
    return {"service": view(request, row, await services.zones(tx))}


@resource.delete("/{service_id}", policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, service_id: str) -> None:
    """Forget a service that is no more."""
    await services.delete(tx, await services.find(tx, service_id, by_uuid=request.has(UUID_OF_SERVICES)))
