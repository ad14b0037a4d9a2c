"""Asking for a snapshot."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import quotas, states
from cloudd.block.events import tell
from cloudd.block.models import Snapshot, SnapshotMetadata, Volume
from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

JOB = "block.snapshot.create"


async def create(context: Context, tx: AsyncSession, volume: Volume, *, name: str | None = None, description: str | None = None,
                 metadata: Mapping[str, str] | None = None, in_use: bool = False) -> Snapshot:
    """Write down the snapshot and have it taken; of a volume in use only where that is said."""
    snapshot = await write_down(context, tx, volume, name=name, description=description, metadata=metadata, in_use=in_use)
    await tell(tx, context, snapshot, "create.start")
    await jobs.ask(tx, context, JOB, locks=[snapshot.id, volume.id], resource=snapshot.id, snapshot=snapshot.id)
    return snapshot


async def write_down(context: Context, tx: AsyncSession, volume: Volume, *, name: str | None, description: str | None,
                     metadata: Mapping[str, str] | None, in_use: bool) -> Snapshot:
    """The row of a snapshot that a job makes. Raises BadRequest, OverQuota."""
    allowed = (states.AVAILABLE, states.IN_USE) if in_use else (states.AVAILABLE,)
    if not volume.host:
        raise BadRequest("Invalid volume: The snapshot cannot be created because volume has not been scheduled to any host.",
                         type="InvalidVolume")
    if volume.status not in allowed or volume.migration_status not in states.AT_REST:
        raise BadRequest(f"Invalid volume: Volume {volume.id} status must be {', '.join(allowed)}, but current status is: "
                         f"{volume.status}.", type="InvalidVolume")
    await quotas.require(tx, context.project_id or "", volume.volume_type_id, snapshots=1, gigabytes=volume.size)
    snapshot = Snapshot(id=ids.new_uuid(), volume_id=volume.id, project_id=context.project_id, user_id=context.user_id, name=name,
                        description=description, status=states.CREATING, progress="0%", volume_size=volume.size,
                        volume_type_id=volume.volume_type_id, encryption_key_id=volume.encryption_key_id, created_at=context.now())
    tx.add(snapshot)
    tx.add_all(SnapshotMetadata(snapshot_id=snapshot.id, key=key, value=value) for key, value in (metadata or {}).items())
    await tx.flush()
    return snapshot
