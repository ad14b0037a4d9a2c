"""Deleting volumes, and forgetting those that shall stay in the back end."""

from sqlalchemy import delete as delete_rows
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Attachment, ImageMetadata, Snapshot, Transfer, Volume, VolumeMetadata
from cloudd.block.snapshots.delete import delete as delete_snapshot
from cloudd.block.snapshots.find import of_volume
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

JOB, UNMANAGE_JOB = "block.volume.delete", "block.volume.unmanage"


async def delete(context: Context, tx: AsyncSession, volume: Volume, *, force: bool = False, cascade: bool = False) -> None:
    """Order the end of a volume; `cascade`: with its snapshots, `force`: whatever is being done to it. Asked twice, the first order
    stands."""
    if volume.status == states.DELETING and any(row.kind == JOB for row in await jobs.unfinished(tx, volume.id)):
        return
    snapshots = await of_volume(tx, volume.id)
    _require_free(volume, snapshots, context, cascade=cascade, force=force)
    if force:
        await jobs.cancel(tx, volume.id)
        states.settle(volume, states.AVAILABLE)
        await tx.flush()
    await states.VOLUME.enter(tx, volume, "delete")
    volume.updated_at = context.now()
    for snapshot in snapshots:
        if snapshot.status != states.DELETING:
            await delete_snapshot(context, tx, snapshot, force=force)
    await tell(tx, context, volume, "delete.start")
    if volume.host is None and not snapshots and not await jobs.unfinished(tx, volume.id):     # no pool took it: there is nothing to do
        await tell(tx, context, volume, "delete.end")
        await forget(tx, volume)
    else:
        await jobs.ask(tx, context, JOB, locks=[volume.id], volume=volume.id)


async def unmanage(context: Context, tx: AsyncSession, volume: Volume) -> None:
    """Forget a volume; its data stays in the back end."""
    if volume.encryption_key_id is not None:
        raise BadRequest("Unmanaging encrypted volumes is not supported.")
    _require_free(volume, await of_volume(tx, volume.id), context, cascade=False, force=False)
    await states.VOLUME.enter(tx, volume, "unmanage")
    volume.updated_at = context.now()
    await jobs.ask(tx, context, UNMANAGE_JOB, locks=[volume.id], volume=volume.id)


def _require_free(volume: Volume, snapshots: list[Snapshot], context: Context, *, cascade: bool, force: bool) -> None:
    if volume.attach_status == states.ATTACHED or volume.migration_status not in states.AT_REST or volume.group_id:
        raise _refused(volume, f"it is {volume.attach_status}")
    if snapshots and not cascade:
        raise _refused(volume, f"it has {len(snapshots)} snapshots: delete them first, or it with cascade")
    for snapshot in snapshots:
        if snapshot.group_snapshot_id:
            raise _refused(volume, f"its snapshot {snapshot.id} is part of a group snapshot")
        if not force and snapshot.status not in (states.AVAILABLE, states.ERROR, states.ERROR_DELETING, states.DELETING):
            raise _refused(volume, f"its snapshot {snapshot.id} is {snapshot.status}")
        if not context.is_admin and snapshot.project_id != context.project_id:
            raise _refused(volume, f"its snapshot {snapshot.id} is another project's")


def _refused(volume: Volume, reason: str) -> BadRequest:
    return BadRequest("Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing "
                      "and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated "
                      f"from snapshots after volume transfer. Volume {volume.id} is {volume.status}, and {reason}.", type="InvalidVolume")


async def forget(tx: AsyncSession, volume: Volume) -> None:
    """Remove the rows of a volume."""
    for model in (VolumeMetadata, ImageMetadata, Attachment, Transfer):
        await tx.execute(delete_rows(model).where(model.volume_id == volume.id))
    await tx.delete(volume)
    await tx.flush()
