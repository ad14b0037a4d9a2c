"""Lists of volumes: Cinder's filters and sort keys as SQL."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import versions as v
from cloudd.block.api import fields as f
from cloudd.block.models import ImageMetadata, Volume, VolumeMetadata
from cloudd.core.http import Change, Page, Request

TEXTS = {"name": Volume.name, "display_name": Volume.name, "description": Volume.description, "display_description": Volume.description,
         "status": Volume.status, "availability_zone": Volume.availability_zone, "migration_status": Volume.migration_status,
         "host": Volume.host, "user_id": Volume.user_id, "project_id": Volume.project_id}
COLUMNS = {**TEXTS, "id": Volume.id, "size": Volume.size, "group_id": Volume.group_id, "volume_type_id": Volume.volume_type_id,
           "snapshot_id": Volume.snapshot_id, "source_volid": Volume.source_volid, "attach_status": Volume.attach_status,
           "encryption_key_id": Volume.encryption_key_id, "replication_status": Volume.replication_status}
PUBLIC: dict[str, Change | None] = {
    **dict.fromkeys(("name", "status", "metadata", "bootable", "migration_status", "availability_zone", "size")),
    "group_id": v.GROUP_FILTER, "glance_metadata": v.GLANCE_METADATA_FILTER, "created_at": v.TIME_FILTERS, "updated_at": v.TIME_FILTERS,
    "consumes_quota": v.CONSUMES_QUOTA}
"""What everybody may filter by, and from which version on."""
LISTING = f.Rows(
    Volume,
    filters=f.with_likes({
        **{name: f.exact(column) for name, column in COLUMNS.items()},
        "bootable": f.truth(Volume.bootable, "bootable"), "multiattach": f.truth(Volume.multiattach, "multiattach"),
        "consumes_quota": f.truth(Volume.counted, "consumes_quota"),
        "metadata": f.pairs(Volume.id, VolumeMetadata.key, VolumeMetadata.value, VolumeMetadata.volume_id),
        "glance_metadata": f.pairs(Volume.id, ImageMetadata.key, ImageMetadata.value, ImageMetadata.volume_id),
        "created_at": f.moments(Volume.created_at, "created_at"), "updated_at": f.moments(Volume.updated_at, "updated_at"),
    }, TEXTS),
    sorts={**COLUMNS, "bootable": Volume.bootable, "created_at": Volume.created_at, "updated_at": Volume.updated_at,
           "launched_at": Volume.launched_at},
    default=(("created_at", "desc"), ("id", "desc")))


def within(request: Request, query: Select[Any], column: Any) -> Select[Any]:
    """The rows of the caller's project, or of all for an administrator who asks for them."""
    if request.context.is_admin and f.flag(request, "all_tenants"):
        return query
    return query.where(column == request.context.project_id)


async def page(request: Request, tx: AsyncSession) -> Page:
    asked = f.read_filters(request, LISTING, PUBLIC, TEXTS)
    return await f.page(request, tx, LISTING, within(request, select(Volume), Volume.project_id), asked)


async def summary(request: Request, tx: AsyncSession) -> tuple[int, int, dict[str, list[str]]]:
    """How many volumes, how many GiB, and which metadata they have."""
    mine = within(request, select(Volume.id), Volume.project_id)
    totals = within(request, select(func.count(), func.coalesce(func.sum(Volume.size), 0)), Volume.project_id)
    count, size = (await tx.execute(totals)).one()
    pairs = select(VolumeMetadata.key, VolumeMetadata.value).where(VolumeMetadata.volume_id.in_(mine)).distinct()
    found: dict[str, list[str]] = {}
    for key, value in await tx.execute(pairs.order_by(VolumeMetadata.key, VolumeMetadata.value)):
        found.setdefault(key, []).append(value)
    return count, int(size), found
