"""The service catalog as tokens show it: rows read once and kept until they change, addresses made for each request."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from cloudd.core.database import Database
from cloudd.identity import endpoint_filters
from cloudd.identity.models import Endpoint, Region, Service
from cloudd.identity.models.extensions import EndpointGroup, ProjectEndpoint, ProjectEndpointGroup, ServiceProvider

WATCHED = (Service, Endpoint, Region, EndpointGroup, ProjectEndpoint, ProjectEndpointGroup, ServiceProvider)
REMEMBERED = 256


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


@dataclass(frozen=True, slots=True)
class Known:
    """What the tables say: the services, the endpoints that a project is restricted to, other clouds, all enabled."""

    entries: tuple[Entry, ...]
    chosen: dict[str, set[str]]
    providers: list[dict[str, Any]]


class Catalog:
    """`parts.service(Catalog)`: what tokens show of this cloud and others. What it returns is kept, and not to be changed."""

    def __init__(self, database: Database):
        self.database = database
        self._known: Known | None = None
        self._views: OrderedDict[tuple[str, str | None, str | None], list[dict[str, Any]]] = OrderedDict()
        self._era = 0
        database.watch(WATCHED, self.forget)

    def forget(self) -> None:
        self._era += 1
        self._known = None
        self._views.clear()

    async def view(self, base: str, project_id: str | None, user_id: str | None) -> list[dict[str, Any]]:
        """The `catalog` of a token, on `base` (scheme and host of the request)."""
        asked = base, project_id, user_id
        found = self._views.get(asked)
        if found is None:
            known = await self._read()
            found = _made(known, *asked)
            if known is self._known:
                self._views[asked] = found
                if len(self._views) > REMEMBERED:
                    self._views.popitem(last=False)
        return found

    async def service_providers(self) -> list[dict[str, Any]]:
        """The clouds that users of this one may go on to."""
        return (await self._read()).providers

    async def _read(self) -> Known:
        if self._known is not None:
            return self._known
        era = self._era
        async with self.database.read() as tx:
            services = (await tx.execute(select(Service).where(Service.enabled).order_by(Service.type))).scalars().all()
            query = select(Endpoint).where(Endpoint.enabled).order_by(Endpoint.interface, Endpoint.id)
            endpoints = (await tx.execute(query)).scalars().all()
            chosen = await endpoint_filters.by_project(tx, endpoints)
            others = (await tx.execute(select(ServiceProvider).where(ServiceProvider.enabled).order_by(ServiceProvider.id))).scalars()
            providers = [{"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url} for row in others]
        known = Known(tuple(Entry(row.id, row.type, row.name or "", tuple(
            (point.id, point.interface, point.region_id, point.url) for point in endpoints if point.service_id == row.id))
            for row in services), chosen, providers)
        if era == self._era:
            self._known = known
        return known


def _made(known: Known, base: str, project_id: str | None, user_id: str | None) -> list[dict[str, Any]]:
    chosen = known.chosen.get(project_id or "")
    return [{"id": entry.id, "type": entry.type, "name": entry.name,
             "endpoints": [{"id": key, "interface": interface, "region": region, "region_id": region, "url": filled}
                           for key, interface, region, url in entry.endpoints if chosen is None or key in chosen
                           if (filled := fill(expand(url, base), project_id, user_id)) is not None]}
            for entry in known.entries]
