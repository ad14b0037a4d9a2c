"""What is only written down of a snapshot, and statuses set by hand."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Snapshot, SnapshotMetadata
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound

NEXT = {states.CREATING: (states.CREATING, states.AVAILABLE, states.ERROR), states.DELETING: (states.DELETING, states.ERROR_DELETING)}
"""What may be told of a snapshot that is on its way."""


async def update(context: Context, tx: AsyncSession, snapshot: Snapshot, **values: Any) -> None:
    await tell(tx, context, snapshot, "update.start")
    for name, value in values.items():
        setattr(snapshot, name, value)
    snapshot.updated_at = context.now()
    await tx.flush()
    await tell(tx, context, snapshot, "update.end")


async def set_metadata(context: Context, tx: AsyncSession, snapshot: Snapshot, metadata: Mapping[str, str], *, only: bool = False) -> None:
    """Set metadata of a snapshot; `only` these stay."""
    if only:
        await tx.execute(delete(SnapshotMetadata).where(SnapshotMetadata.snapshot_id == snapshot.id))
    for key, value in metadata.items():
        await tx.merge(SnapshotMetadata(snapshot_id=snapshot.id, key=key, value=value))
    await update(context, tx, snapshot)


async def drop_metadata(context: Context, tx: AsyncSession, snapshot: Snapshot, key: str) -> None:
    row = await tx.get(SnapshotMetadata, (snapshot.id, key))
    if row is None:
        raise NotFound(f"Metadata item was not found: snapshot {snapshot.id} has no metadata with key {key}.",
                       type="SnapshotMetadataNotFound")
    await tx.delete(row)
    await update(context, tx, snapshot)


async def reset(context: Context, tx: AsyncSession, snapshot: Snapshot, status: str) -> None:
    """Set the status by hand; what a job is doing is asked to stop."""
    await tell(tx, context, snapshot, "reset_status.start")
    await jobs.cancel(tx, snapshot.id)
    states.settle_snapshot(snapshot, status, updated_at=context.now())
    await tell(tx, context, snapshot, "reset_status.end")


async def tell_status(context: Context, tx: AsyncSession, snapshot: Snapshot, status: str, progress: str | None) -> None:
    """A service says how it goes on with a snapshot. Raises BadRequest for what cannot come next."""
    if snapshot.status not in NEXT:
        raise BadRequest(f"Snapshot status {snapshot.status} not allowed for update_snapshot_status")
    if status not in NEXT[snapshot.status]:
        raise BadRequest(f"Provided snapshot status {status[:50]} not allowed for snapshot with status {snapshot.status}.")
    states.settle_snapshot(snapshot, status, updated_at=context.now())
    if progress is not None:
        snapshot.progress = progress
