"""Trying again, every now and then, what the dataplane refused for good: a host's trouble may pass by itself."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import internal
from cloudd.core.parts import Parts
from cloudd.network import changes
from cloudd.network.models import Network, Port, Router

SECONDS = 60
UNAPPLIED_GROUPS: set[str] = set()                            # they have no status that would say so


async def repair(parts: Parts) -> None:
    """Ask again for everything that is in ERROR."""
    async with parts.database.read() as tx:
        ill = await ill_subjects(tx)
    if ill:
        async with parts.database.write() as tx:
            await ask_again(tx, ill)


async def ill_subjects(tx: AsyncSession) -> list[tuple[str, str]]:
    """(kind of job, subject) of all that is in ERROR."""
    found = [(changes.APPLY_GROUP, group_id) for group_id in sorted(UNAPPLIED_GROUPS)]
    for model, kind in ((Network, changes.APPLY_NETWORK), (Router, changes.APPLY_ROUTER), (Port, changes.APPLY_PORT)):
        found += [(kind, subject) for subject in (await tx.execute(select(model.id).where(model.status == "ERROR"))).scalars()]
    return found


async def ask_again(tx: AsyncSession, ill: list[tuple[str, str]]) -> None:
    UNAPPLIED_GROUPS.clear()
    for kind, subject in ill:
        await changes.ask(tx, internal(), kind, subject)
