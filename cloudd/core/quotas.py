"""Limits per project: defaults from the settings, a project's own from the table, usage counted by the module that owns it."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.database import keeping
from cloudd.core.errors import OverQuota
from cloudd.core.tables import QuotaRow

DEFAULT_CLASS = "default"
CLASS_NAME_MAX = 30
Count = Callable[[AsyncSession, str], Awaitable[Mapping[str, int]]]


@dataclass
class Quotas:
    """The quotas of one service. `count(tx, project_id)` gives what is used of every countable resource; -1 is no limit."""

    service: str
    defaults: dict[str, int]
    count: Count
    shown: dict[str, str] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Whether there is a limit of this name."""
        return name in self.defaults

    async def usual(self, tx: AsyncSession) -> dict[str, int]:
        """The limits of a project that has none of its own."""
        return self.defaults

    async def limits(self, tx: AsyncSession, project_id: str, user_id: str = "") -> dict[str, int]:
        """Every limit of a project (or of a user in it, where the user has one of his own)."""
        return {**await self.usual(tx), **await self.own(tx, project_id, user_id)}

    async def own(self, tx: AsyncSession, project_id: str, user_id: str = "") -> dict[str, int]:
        """Those that differ from the defaults."""
        kept, key = keeping(tx, QuotaRow), (self.service, project_id, user_id)
        if kept is None or key not in kept:
            query = select(QuotaRow).where(QuotaRow.project_id == project_id, QuotaRow.service == self.service,
                                           QuotaRow.user_id.in_({"", user_id})).order_by(QuotaRow.user_id)
            found = {row.resource: row.hard_limit for row in (await tx.execute(query)).scalars()}
            if kept is not None:
                kept[key] = found
        else:
            found = kept[key]
        return {name: limit for name, limit in found.items() if self.knows(name)}

    async def of_projects(self, tx: AsyncSession) -> dict[str, dict[str, int]]:
        """Every limit of each project that has one of its own."""
        query = select(QuotaRow.project_id, QuotaRow.resource, QuotaRow.hard_limit).where(
            QuotaRow.service == self.service, QuotaRow.user_id == "").order_by(QuotaRow.project_id)
        usual, found = await self.usual(tx), dict[str, dict[str, int]]()
        for project_id, resource, limit in await tx.execute(query):
            found.setdefault(project_id, dict(usual)).update({resource: limit} if self.knows(resource) else {})
        return found

    async def used(self, tx: AsyncSession, project_id: str, names: Collection[str]) -> Mapping[str, int]:
        """What is used of these resources at least: for a service that can count some for less than all."""
        return await self.count(tx, project_id)

    async def set(self, tx: AsyncSession, project_id: str, limits: Mapping[str, int], user_id: str = "") -> None:
        for name, limit in limits.items():
            await tx.merge(QuotaRow(project_id=project_id, service=self.service, resource=name, user_id=user_id,
                                    hard_limit=limit))
        await tx.flush()

    async def reset(self, tx: AsyncSession, project_id: str, user_id: str = "") -> None:
        """Back to the defaults; without a user, the users' own limits go as well."""
        query = delete(QuotaRow).where(QuotaRow.project_id == project_id, QuotaRow.service == self.service)
        await tx.execute(query.where(QuotaRow.user_id == user_id) if user_id else query)

    async def require(self, tx: AsyncSession, project_id: str, **deltas: int) -> None:
        """Raise OverQuota if any of `deltas` more would pass its limit; the message has asked, used and limit."""
        wanted = {name: delta for name, delta in deltas.items() if delta > 0}
        if not wanted:
            return
        limits = await self.limits(tx, project_id)
        finite = {name: delta for name, delta in wanted.items() if limits.get(name, -1) >= 0}
        if not finite:
            return
        used = await self.used(tx, project_id, finite)
        over = [name for name, delta in finite.items() if used.get(name, 0) + delta > limits[name]]
        if over:
            asked = ", ".join(f"{finite[name]}" for name in over)
            have = ", ".join(f"{used.get(name, 0)}" for name in over)
            most = ", ".join(f"{limits[name]}" for name in over)
            names = ", ".join(over)
            raise OverQuota(f"Quota exceeded for {names}: Requested {asked}, but already used {have} of {most} {names}",
                            type="OverQuota", over=over)


class ClassQuotas(Quotas):
    """Quotas with classes: below a project's own limits lie those of the class `default`."""

    async def class_limits(self, tx: AsyncSession, quota_class: str = DEFAULT_CLASS) -> dict[str, int]:
        """The limits of a class: from the settings, changed by `os-quota-class-sets/CLASS`."""
        return {**self.defaults, **await self.own(tx, class_key(quota_class))}

    async def usual(self, tx: AsyncSession) -> dict[str, int]:
        return await self.class_limits(tx)


def class_key(quota_class: str) -> str:
    """Where a class's limits are kept, among the projects'; a long name, which nobody ever lists, by its digest."""
    name = quota_class if len(quota_class) <= CLASS_NAME_MAX else hashlib.sha256(quota_class.encode()).hexdigest()[:CLASS_NAME_MAX]
    return f"class:{name}"
