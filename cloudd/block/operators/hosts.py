"""What lies on each back end, by project."""

from collections import defaultdict

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import BlockService, Snapshot, Volume
from cloudd.block.operators import services
from cloudd.core.errors import NotFound

TOTAL = "(total)"
COUNTS = ("volume_count", "total_volume_gb", "snapshot_count", "total_snapshot_gb")


async def require(tx: AsyncSession, host: str) -> None:
    """Raise NotFound for what is no back end that takes volumes."""
    query = select(BlockService).where(BlockService.host == host, BlockService.binary == services.VOLUME, ~BlockService.disabled)
    if (await tx.execute(query)).scalar() is None:
        raise NotFound(f"Host {host} could not be found: it names a back end, as HOST@BACKEND, that is enabled.", type="HostNotFound")


async def usage(tx: AsyncSession, host: str) -> dict[str, dict[str, int]]:
    """How much lies on a back end: in all, and of each project."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    found[TOTAL]
    on_it = or_(Volume.host == host, Volume.host.startswith(f"{host}#", autoescape=True))
    volumes = select(Volume.project_id, func.count(), func.coalesce(func.sum(Volume.size), 0)).where(on_it)
    snapshots = (select(Snapshot.project_id, func.count(), func.coalesce(func.sum(Snapshot.volume_size), 0))
                 .join(Volume, Volume.id == Snapshot.volume_id).where(on_it))
    for query, names in ((volumes.group_by(Volume.project_id), COUNTS[:2]), (snapshots.group_by(Snapshot.project_id), COUNTS[2:])):
        for project_id, count, size in await tx.execute(query):
            for name, number in zip(names, (count, int(size)), strict=True):
                found[project_id][name] += number
                found[TOTAL][name] += number
    return dict(found)
