"""Deleting snapshots, and forgetting those that shall stay in the back end."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Snapshot, SnapshotMetadata
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

JOB, UNMANAGE_JOB = "block.snapshot.delete", "block.snapshot.unmanage"


async def delete(context: Context, tx: AsyncSession, snapshot: Snapshot, *, force: bool = False) -> None:
    """Order the end of a snapshot, whatever stands on it; `force`: whatever is being done to it. Asked twice, the first order stands."""
    _require_single(snapshot)
    if snapshot.status == states.DELETING and any(row.kind == JOB for row in await jobs.unfinished(tx, snapshot.id)):
        return
    if force:
        await jobs.cancel(tx, snapshot.id)
        states.settle_snapshot(snapshot, states.AVAILABLE)
        await tx.flush()
    await states.SNAPSHOT.enter(tx, snapshot, "delete")
    snapshot.updated_at = context.now()
    await tell(tx, context, snapshot, "delete.start")
    await jobs.ask(tx, context, JOB, locks=[snapshot.id, snapshot.volume_id], resource=snapshot.id, snapshot=snapshot.id)


async def unmanage(context: Context, tx: AsyncSession, snapshot: Snapshot) -> None:
    """Forget a snapshot; its data stays in the back end."""
    _require_single(snapshot)
    await states.SNAPSHOT.enter(tx, snapshot, "unmanage")
    await jobs.ask(tx, context, UNMANAGE_JOB, locks=[snapshot.id, snapshot.volume_id], resource=snapshot.id, snapshot=snapshot.id)


def _require_single(snapshot: Snapshot) -> None:
    if snapshot.group_snapshot_id:
        raise BadRequest(f"Invalid snapshot: Snapshot {snapshot.id} must not be part of a group.", type="InvalidSnapshot")


async def forget(tx: AsyncSession, snapshot: Snapshot) -> None:
    """Remove the rows of a snapshot."""
    await tx.execute(SnapshotMetadata.__table__.delete().where(SnapshotMetadata.snapshot_id == snapshot.id))
    await tx.delete(snapshot)
    await tx.flush()
