"""Availability zones over HTTP."""

from collections import defaultdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.hosts import services
from cloudd.compute.models import Service
from cloudd.core import clock
from cloudd.core.http import Request
from cloudd.core.http.types import NULL, Bool, List, Map, Record, Text

STATE = Record({"available": Bool()})
ZONES = Record({"availabilityZoneInfo": List(Record({"zoneName": Text(), "zoneState": STATE, "hosts": NULL}))})
SERVICE = Record({"available": Bool(), "active": Bool(), "updated_at": Text(null=True)})
DETAILED = Record({"availabilityZoneInfo": List(Record({"zoneName": Text(), "zoneState": STATE, "hosts": Map(Map(SERVICE))}))})
resource = API.resource("/os-availability-zone")


async def zones(tx: AsyncSession) -> dict[str, list[Service]]:
    """The services of each zone."""
    by_host, found = await services.zones(tx), defaultdict(list)
    for row in await services.listed(tx):
        found[services.zone(row, by_host)].append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0] != services.INTERNAL, item[0])))


def available(rows: list[Service]) -> bool:
    return any(not row.disabled and services.is_up(row) for row in rows)


@resource.get("", policy="os_compute_api:os-availability-zone:list", answer=ZONES)
async def index(tx: AsyncSession) -> dict[str, Any]:
    """List the zones that servers may be put into."""
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": available(rows)}, "hosts": None}
                                     for name, rows in (await zones(tx)).items() if name != services.INTERNAL]}


@resource.get("/detail", policy="os_compute_api:os-availability-zone:detail", answer=DETAILED)
async def detail(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List all zones with their hosts and services."""
    shown = []
    for name, rows in (await zones(tx)).items():
        hosts: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in rows:
            hosts[row.host][row.binary] = {
                "available": services.is_up(row), "active": not row.disabled,
                "updated_at": clock.iso_naive(services.seen_at(row, request.context.now()))}
        shown.append({"zoneName": name, "zoneState": {"available": available(rows)}, "hosts": dict(hosts)})
    return {"availabilityZoneInfo": shown}
