"""Finding snapshots."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Snapshot, SnapshotMetadata, texts_of
from cloudd.core.context import Context
from cloudd.core.errors import NotFound


def visible(context: Context) -> Select[Any]:
    """The snapshots that a caller may find by their ids."""
    query = select(Snapshot)
    return query if context.is_admin else query.where(Snapshot.project_id == context.project_id)


async def find(tx: AsyncSession, context: Context, snapshot_id: str) -> Snapshot:
    """Raises NotFound, also for another project's."""
    snapshot = (await tx.execute(visible(context).where(Snapshot.id == snapshot_id))).scalar()
    if snapshot is None:
        raise NotFound(f"Snapshot {snapshot_id} could not be found.", type="SnapshotNotFound")
    return snapshot


async def of_volume(tx: AsyncSession, volume_id: str) -> list[Snapshot]:
    """A volume's snapshots, the newest first."""
    query = select(Snapshot).where(Snapshot.volume_id == volume_id).order_by(Snapshot.created_at.desc(), Snapshot.id.desc())
    return list((await tx.execute(query)).scalars())


async def metadata_of(tx: AsyncSession, snapshot_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    return await texts_of(tx, SnapshotMetadata, SnapshotMetadata.snapshot_id, snapshot_ids)
