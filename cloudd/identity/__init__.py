"""Identity: who somebody is and what he may do. Other modules ask it for the names behind ids; they react to its events
(`identity.project.deleted`, `identity.user.deleted`)."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.identity.models import Project, User


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
