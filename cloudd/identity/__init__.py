"""Identity: who somebody is and what he may do. Other modules ask it for the names behind ids; they react to its events
(`identity.project.deleted`, `identity.user.deleted`)."""

from collections.abc import Iterable

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.parts import Parts
from cloudd.identity.catalog import Catalog
from cloudd.identity.models import Limit, Project, RegisteredLimit, Service, User


async def project(tx: AsyncSession, project_id: str) -> Project | None:
    """A project (id, name, domain_id, enabled), or None."""
    return await tx.get(Project, project_id)


async def projects_named(tx: AsyncSession, ids: Iterable[str]) -> dict[str, str]:
    """The names of projects by id, in one query; those that are gone are left out."""
    rows = await tx.execute(select(Project.id, Project.name).where(Project.id.in_(set(ids))))
    return {key: name for key, name in rows}


async def user(tx: AsyncSession, user_id: str) -> User | None:
    """A user (id, name, domain_id, enabled), or None."""
    return await tx.get(User, user_id)


async def service_limits(tx: AsyncSession, project_id: str, service_type: str, region: str) -> dict[str, int]:
    """The unified limits of a project for a service, by resource: its own or the registered ones; -1 is none. Resources without a
    registered limit are left out."""
    services = select(Service.id).where(Service.type == service_type)
    found: dict[str, int] = {}
    for model, value, more in ((RegisteredLimit, RegisteredLimit.default_limit, ()), (Limit, Limit.resource_limit,
                                                                                      (Limit.project_id == project_id,))):
        query = select(model.resource_name, value).where(model.service_id.in_(services), or_(
            model.region_id.is_(None), model.region_id == region), *more).order_by(model.region_id.is_not(None))
        found |= {name: limit for name, limit in await tx.execute(query) if model is RegisteredLimit or name in found}
    return found


async def endpoint(parts: Parts, context: Context, service_type: str, region: str, interface: str, base: str) -> str | None:
    """Where a service of a region is reached, as the caller's catalog says on `base`; None when it is in none."""
    for entry in await parts.service(Catalog).view(base, context.project_id, context.user_id):
        for one in entry["endpoints"] if entry["type"] == service_type else ():
            if one["interface"] == interface and (one["region"] or "").lower() == region.lower():
                return str(one["url"])
    return None
