"""How much of what a project's servers used in a period, for `os-simple-tenant-usage`. Deleted servers count as well."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server
from cloudd.core.errors import BadRequest

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Used:
    """One server's use in the period."""

    server: Server
    started_at: datetime
    ended_at: datetime | None
    hours: float
    uptime: int

    @property
    def local_gb(self) -> int:
        return self.server.root_gb + self.server.ephemeral_gb

    @property
    def state(self) -> str:
        if self.server.deleted_at is not None:
            return "terminated"
        return "active" if self.server.vm_state == states.ACTIVE else self.server.vm_state


@dataclass(frozen=True, slots=True)
class Totals:
    hours: float
    vcpus: float
    memory_mb: float
    local_gb: float


async def used(tx: AsyncSession, start: datetime, stop: datetime, now: datetime, *, project_id: str | None = None,
               limit: int | None = None, marker: str | None = None) -> list[Used]:
    """Every server that ran in the period, by project and id. Raises BadRequest for a marker that is no server's."""
    query = select(Server).where(Server.launched_at.is_not(None), Server.launched_at < stop,
                                 or_(Server.terminated_at.is_(None), Server.terminated_at >= start))
    if project_id is not None:
        query = query.where(Server.project_id == project_id)
    if marker is not None:
        last = await tx.get(Server, marker)
        if last is None or project_id not in (None, last.project_id):
            raise BadRequest(f"marker [{marker}] not found", type="MarkerNotFound")
        query = query.where(or_(Server.project_id > last.project_id,
                                (Server.project_id == last.project_id) & (Server.id > last.id)))
    query = query.order_by(Server.project_id, Server.id)
    rows = (await tx.execute(query if limit is None else query.limit(limit))).scalars()
    return [_one(row, start, stop, now) for row in rows]


def _one(server: Server, start: datetime, stop: datetime, now: datetime) -> Used:
    began, ended = server.launched_at or server.created_at, server.terminated_at
    seconds = (min(ended or now, stop) - max(began, start)).total_seconds()
    uptime = int(((ended or now) - began).total_seconds())
    return Used(server, began, ended, max(seconds, 0.0) / HOUR, max(uptime, 0))


def totals(found: Iterable[Used]) -> Totals:
    rows = list(found)
    return Totals(sum(one.hours for one in rows), sum(one.hours * one.server.vcpus for one in rows),
                  sum(one.hours * one.server.memory_mb for one in rows), sum(one.hours * one.local_gb for one in rows))
