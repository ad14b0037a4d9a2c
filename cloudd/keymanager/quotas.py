"""Quotas: how many secrets, and consumers of them, a project may have. What Barbican counts besides is not here, so never full."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.core import clock, events
from cloudd.core.context import Context
from cloudd.core.errors import NotFound
from cloudd.core.quotas import Quotas
from cloudd.core.tables import QuotaRow
from cloudd.keymanager.audit import QuotasChanged
from cloudd.keymanager.models import Secret, SecretConsumer

SERVICE = "keymanager"
COUNTED = ("secrets", "consumers")
RESOURCES = ("secrets", "orders", "containers", "consumers", "cas")
UNLIMITED = -1


async def _count(tx: AsyncSession, project_id: str) -> Mapping[str, int]:
    living = or_(Secret.expiration.is_(None), Secret.expiration > clock.now())
    secrets = select(func.count(Secret.id)).where(Secret.project_id == project_id, living)
    consumers = select(func.count(SecretConsumer.id)).where(SecretConsumer.project_id == project_id, SecretConsumer.held.is_(False))
    return {"secrets": (await tx.execute(secrets)).scalar_one(), "consumers": (await tx.execute(consumers)).scalar_one()}


def of(settings: Any) -> Quotas:
    defaults = dict.fromkeys(RESOURCES, UNLIMITED) | {name: getattr(settings.quota, name) for name in COUNTED}
    return Quotas(SERVICE, defaults, _count)


async def own(tx: AsyncSession, project_ids: list[str]) -> dict[str, dict[str, int | None]]:
    """What was set for projects, by project; None where the default goes. Projects for which nothing was set are left out."""
    query = select(QuotaRow).where(QuotaRow.service == SERVICE, QuotaRow.project_id.in_(project_ids))
    found: dict[str, dict[str, int | None]] = {}
    for row in (await tx.execute(query)).scalars():
        found.setdefault(row.project_id, dict.fromkeys(RESOURCES))[row.resource] = row.hard_limit
    return found


async def configured(tx: AsyncSession, offset: int, limit: int) -> tuple[list[tuple[str, dict[str, int | None]]], int]:
    """A page of the projects for which something was set, and how many there are."""
    projects = select(QuotaRow.project_id).where(QuotaRow.service == SERVICE).distinct()
    total = (await tx.execute(select(func.count()).select_from(projects.subquery()))).scalar_one()
    page = list((await tx.execute(projects.order_by(QuotaRow.project_id).offset(offset).limit(limit))).scalars())
    found = await own(tx, page)
    return [(project_id, found[project_id]) for project_id in page], total


async def change(settings: Any, tx: AsyncSession, context: Context, project_id: str, limits: Mapping[str, int]) -> None:
    """Set a project's quotas; what is not named goes back to the default. Raises NotFound."""
    if await identity.project(tx, project_id) is None:
        raise NotFound(f"Project {project_id} could not be found.", type="ProjectNotFound")
    quotas = of(settings)
    await quotas.reset(tx, project_id)
    await quotas.set(tx, project_id, limits)
    await events.emit(tx, context, QuotasChanged(project_id, dict(limits)), project_id=project_id)


async def reset(settings: Any, tx: AsyncSession, context: Context, project_id: str) -> None:
    """Raises NotFound where nothing was set."""
    if not await own(tx, [project_id]):
        raise NotFound(f"Project quotas not found: none were set for project {project_id}.", type="ProjectQuotasNotFound")
    await of(settings).reset(tx, project_id)
    await events.emit(tx, context, QuotasChanged(project_id, {}), project_id=project_id)
