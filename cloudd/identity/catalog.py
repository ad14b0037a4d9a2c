"""The service catalog as tokens show it: rows read once and kept until they change, addresses made for each request."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from cloudd.core.database import Database
from cloudd.identity import endpoint_filters
from cloudd.identity.models import Endpoint, Region, Service
from cloudd.identity.models.extensions import EndpointGroup, ProjectEndpoint, ProjectEndpointGroup

WATCHED = (Service, Endpoint, Region, EndpointGroup, ProjectEndpoint, ProjectEndpointGroup)


def expand(url: str, base: str) -> str:
    """An endpoint's address: one of cloudd's own (it begins with a slash) stands on the host that the caller used."""
    return base + url if url.startswith("/") else url


def fill(url: str, project_id: str | None, user_id: str | None) -> str | None:
    """Put the caller's ids into an address; None when it wants an id that he has not got."""
    for opening, closing in (("$(", ")s"), ("%(", ")s")):
        for name, value in (("project_id", project_id), ("tenant_id", project_id), ("user_id", user_id)):
            hole = f"{opening}{name}{closing}"
            if hole in url:
                if value is None:
                    return None
                url = url.replace(hole, value)
    return url


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    type: str
    name: str
    endpoints: tuple[tuple[str, str, str | None, str], ...]


class Catalog:
    """`parts.service(Catalog)`: the enabled services and their enabled endpoints."""

    def __init__(self, database: Database):
        self.database = database
        self._entries: list[Entry] | None = None
        self._chosen: dict[str, set[str]] = {}
        database.watch(WATCHED, self.forget)

    def forget(self) -> None:
        self._entries = None

    async def view(self, base: str, project_id: str | None, user_id: str | None) -> list[dict[str, Any]]:
        """The `catalog` of a token, on `base` (scheme and host of the request)."""
        entries, chosen = await self._read(), self._chosen.get(project_id or "")
        return [{"id": entry.id, "type": entry.type, "name": entry.name,
                 "endpoints": [{"id": key, "interface": interface, "region": region, "region_id": region, "url": filled}
                               for key, interface, region, url in entry.endpoints if chosen is None or key in chosen
                               if (filled := fill(expand(url, base), project_id, user_id)) is not None]}
                for entry in entries]

    async def _read(self) -> list[Entry]:
        if self._entries is None:
            async with self.database.read() as tx:
                services = (await tx.execute(select(Service).where(Service.enabled).order_by(Service.type))).scalars().all()
                query = select(Endpoint).where(Endpoint.enabled).order_by(Endpoint.interface, Endpoint.id)
                endpoints = (await tx.execute(query)).scalars().all()
                self._chosen = await endpoint_filters.by_project(tx, endpoints)
            self._entries = [Entry(row.id, row.type, row.name or "", tuple(
                (point.id, point.interface, point.region_id, point.url) for point in endpoints if point.service_id == row.id))
                for row in services]
        return self._entries
