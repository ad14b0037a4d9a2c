"""Statuses set by hand. What a job is doing meanwhile is asked to stop first: its end would set another."""

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Attachment, Volume
from cloudd.block.volumes.find import attachments_of
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

STATUSES = ("creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "in-use",
            "detaching", "maintenance", "restoring-backup", "error_restoring", "reserved", "awaiting-transfer", "backing-up",
            "error_backing-up", "error_extending", "downloading", "uploading", "retyping", "extending")
ATTACH_STATUSES = ("attached", "attaching", "detached", "reserved", "error_attaching", "error_detaching", "deleted")
MIGRATION_STATUSES = ("migrating", "error", "success", "completing", "none", "starting")
NEVER = ("deleting", "error_deleting", "detaching")


async def reset(context: Context, tx: AsyncSession, volume: Volume, *, status: str | None = None, attach_status: str | None = None,
                migration_status: str | None = None) -> None:
    """Set what is given. Raises BadRequest for statuses that only their work may bring."""
    if status in NEVER:
        raise BadRequest(f"Cannot reset-state to {status}")
    if status == states.IN_USE and not await attachments_of(tx, [volume.id]):
        raise BadRequest("Cannot reset-state to in-use because volume does not have any attachments.")
    await tell(tx, context, volume, "reset_status.start")
    if status:
        await jobs.cancel(tx, volume.id)
        states.settle(volume, status, fault=None, wanted_size=None)
    if migration_status:
        volume.migration_status = None if migration_status == "none" else migration_status
    if attach_status:
        volume.attach_status = attach_status
    if attach_status == states.DETACHED:
        await tx.execute(delete(Attachment).where(Attachment.volume_id == volume.id))
        volume.attached_mode = None
    volume.updated_at = context.now()
    await tx.flush()
    await tell(tx, context, volume, "reset_status.end")
