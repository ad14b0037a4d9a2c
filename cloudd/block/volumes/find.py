"""Finding volumes, and telling what one is."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Attachment, ImageMetadata, Volume, VolumeMetadata, texts_of
from cloudd.core.context import Context
from cloudd.core.errors import NotFound


def visible(context: Context) -> Select[Any]:
    """The volumes that a caller may find by their ids."""
    query = select(Volume)
    return query if context.is_admin else query.where(Volume.project_id == context.project_id)


async def find(tx: AsyncSession, context: Context, volume_id: str) -> Volume:
    """Raises NotFound, also for another project's."""
    volume = (await tx.execute(visible(context).where(Volume.id == volume_id))).scalar()
    if volume is None:
        raise NotFound(f"Volume {volume_id} could not be found.", type="VolumeNotFound")
    return volume


async def metadata_of(tx: AsyncSession, volume_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    return await texts_of(tx, VolumeMetadata, VolumeMetadata.volume_id, volume_ids)


async def image_metadata_of(tx: AsyncSession, volume_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    return await texts_of(tx, ImageMetadata, ImageMetadata.volume_id, volume_ids)


async def attachments_of(tx: AsyncSession, volume_ids: Iterable[str]) -> dict[str, list[Attachment]]:
    """The attachments of several volumes, the oldest first, in one query."""
    query = select(Attachment).where(Attachment.volume_id.in_(list(volume_ids))).order_by(Attachment.created_at, Attachment.id)
    found: dict[str, list[Attachment]] = {}
    for attachment in (await tx.execute(query)).scalars():
        found.setdefault(attachment.volume_id, []).append(attachment)
    return found
