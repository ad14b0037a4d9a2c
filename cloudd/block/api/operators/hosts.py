"""Hosts over HTTP: the services that are enabled, and what lies on each back end."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.backends import Backends
from cloudd.block.operators import hosts, services
from cloudd.core import clock
from cloudd.core.http import Request
from cloudd.core.http.lists import Filters
from cloudd.core.http.types import Enum, List, Record, Text

HOSTS = Record({"hosts": List(Record({"host_name": Text(), "service": Text(), "zone": Text(), "last-update": Text(),
                                      "service-status": Enum("available", "unavailable"), "service-state": Enum("enabled")}))})
RESOURCES = Record({"host": List(Record({"resource": Record({"host": Text(), "project": Text(),
                                                             **dict.fromkeys(hosts.COUNTS, Text())})}))})
resource = API.resource("/os-hosts", policy="volume_extension:hosts")


@resource.get("", answer=HOSTS, listing=Filters(("zone",)))
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List the services that are enabled."""
    zone, there = request.query.get("zone"), request.service(Backends).by_name
    return {"hosts": [
        {"host_name": row.host, "service": row.binary, "zone": row.zone, "service-state": "enabled",
         "service-status": "available" if services.is_up(row, there) else "unavailable",
         "last-update": clock.iso_naive(services.seen_at(row, there, request.context.now()))}
        for row in await services.listed(tx) if not row.disabled and zone in (None, "", row.zone)]}


@resource.get("/{host}", answer=RESOURCES)
async def show(tx: AsyncSession, host: str) -> dict[str, Any]:
    """Show what lies on a back end, by project."""
    await hosts.require(tx, host)
    return {"host": [{"resource": {"host": host, "project": project, **{name: str(number) for name, number in counts.items()}}}
                     for project, counts in (await hosts.usage(tx, host)).items()]}
