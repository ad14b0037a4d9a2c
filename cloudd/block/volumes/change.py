"""What is only written down of a volume: name, metadata, flags."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Volume, VolumeMetadata
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound

UNTOUCHABLE = (states.MAINTENANCE, states.UPLOADING)


async def update(context: Context, tx: AsyncSession, volume: Volume, *, metadata: Mapping[str, str] | None = None, **values: Any) -> None:
    """Set name and description; `metadata` replaces all of it."""
    if volume.status == states.MAINTENANCE:
        raise BadRequest("Invalid volume: The volume cannot be updated during maintenance.", type="InvalidVolume")
    await tell(tx, context, volume, "update.start")
    for name, value in values.items():
        setattr(volume, name, value)
    if metadata is not None:
        await write_metadata(tx, volume, metadata, only=True)
    volume.updated_at = context.now()
    await tx.flush()
    await tell(tx, context, volume, "update.end")


async def set_metadata(context: Context, tx: AsyncSession, volume: Volume, metadata: Mapping[str, str], *, only: bool = False) -> None:
    """Set metadata of a volume; `only` these stay."""
    require_touchable(volume, "Updating")
    await write_metadata(tx, volume, metadata, only=only)
    volume.updated_at = context.now()
    await tell(tx, context, volume, "update.end")


async def drop_metadata(context: Context, tx: AsyncSession, volume: Volume, key: str) -> None:
    require_touchable(volume, "Deleting")
    row = await tx.get(VolumeMetadata, (volume.id, key))
    if row is None:
        raise NotFound(f"Metadata item was not found: volume {volume.id} has no metadata with key {key}.",
                       type="VolumeMetadataNotFound")
    await tx.delete(row)
    volume.updated_at = context.now()
    await tell(tx, context, volume, "update.end")


def require_touchable(volume: Volume, doing: str) -> None:
    if volume.status in UNTOUCHABLE:
        raise BadRequest(f"Invalid volume: {doing} volume metadata is not allowed for volumes in {volume.status} status.",
                         type="InvalidVolume")


async def write_metadata(tx: AsyncSession, volume: Volume, metadata: Mapping[str, str], *, only: bool) -> None:
    if only:
        await tx.execute(delete(VolumeMetadata).where(VolumeMetadata.volume_id == volume.id))
    for key, value in metadata.items():
        await tx.merge(VolumeMetadata(volume_id=volume.id, key=key, value=value))
    await tx.flush()


async def set_readonly(context: Context, tx: AsyncSession, volume: Volume, readonly: bool) -> None:
    if volume.status != states.AVAILABLE:
        raise BadRequest(f"Invalid volume: Volume {volume.id} status must be available to update readonly flag, but current status is: "
                         f"{volume.status}.", type="InvalidVolume")
    volume.readonly, volume.updated_at = readonly, context.now()
