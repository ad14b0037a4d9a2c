"""What a volume looks like, at each version, to each who may see it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block import versions as v
from cloudd.block.api import fields as f
from cloudd.block.models import Attachment, Volume, VolumeType
from cloudd.block.volumes.find import attachments_of, image_metadata_of, metadata_of
from cloudd.core import clock
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.shapes import UNSET

SHOWN_STATUS = {states.MANAGING: states.CREATING, states.ERROR_MANAGING: states.ERROR}
BRIEF = Shape("volume", Field("id", t.Uuid()), Field("name", t.Text(null=True)),
              Field("links", f.LINKS, of=lambda row, request: f.links(request, "volumes", row.id)))


@dataclass(frozen=True)
class Eyes:
    """What the caller may see of volumes beside what everybody may."""

    admin: bool
    service: bool
    host: bool
    tenant: bool
    migration: bool
    image: bool


@dataclass(frozen=True)
class Seen:
    """A volume with all that its reply is made of."""

    row: Volume
    metadata: dict[str, str]
    image_metadata: dict[str, str]
    attachments: list[Attachment]
    type_name: str | None
    eyes: Eyes


def eyes(request: Request) -> Eyes:
    allows = request.allows
    return Eyes(admin=request.context.is_admin, service="service" in request.context.roles,
                host=allows("volume_extension:volume_host_attribute"), tenant=allows("volume_extension:volume_tenant_attribute"),
                migration=allows("volume_extension:volume_mig_status_attribute"),
                image=allows("volume_extension:volume_image_metadata:show"))


async def see(request: Request, tx: AsyncSession, rows: Iterable[Volume]) -> list[Seen]:
    """Volumes with what belongs to them, in a constant number of queries."""
    rows = list(rows)
    ids, seen_by = [row.id for row in rows], eyes(request)
    metadata, images, attachments = await metadata_of(tx, ids), await image_metadata_of(tx, ids), await attachments_of(tx, ids)
    types = select(VolumeType.id, VolumeType.name).where(VolumeType.id.in_({row.volume_type_id for row in rows}))
    names: dict[str, str] = {key: name for key, name in await tx.execute(types)}
    return [Seen(row, metadata.get(row.id, {}), images.get(row.id, {}), attachments.get(row.id, []), names.get(row.volume_type_id),
                 seen_by) for row in rows]


def _metadata(seen: Seen, request: Request) -> dict[str, str]:
    """With what Cinder keeps apart and shows here."""
    own = {"readonly": None if seen.row.readonly is None else str(seen.row.readonly), "attached_mode": seen.row.attached_mode}
    return {**seen.metadata, **{name: value for name, value in own.items() if value is not None}}


def _attachments(seen: Seen, request: Request) -> list[dict[str, Any]]:
    full = seen.eyes.admin or seen.eyes.service
    return [{"id": one.volume_id, "attachment_id": one.id, "volume_id": one.volume_id, "server_id": one.instance_id,
             "host_name": one.attached_host if full else None, "device": one.mountpoint, "attached_at": clock.iso_naive(one.attached_at)}
            for one in seen.attachments if one.attach_status == states.ATTACHED]


def _if(who: str, value: str) -> Any:
    """A member of the row for those who may see it."""
    return lambda seen, request: getattr(seen.row, value) if getattr(seen.eyes, who) else UNSET


TEXT_OR_NULL = t.Text(null=True)
MADE = Shape(
    "volume",
    Field("id", t.Uuid(), of="row.id"),
    Field("status", t.Text(), of=lambda seen, request: SHOWN_STATUS.get(seen.row.status, seen.row.status)),
    Field("size", t.Int(), of="row.size"),
    Field("availability_zone", TEXT_OR_NULL, of="row.availability_zone"),
    Field("created_at", f.MOMENT, of=lambda seen, request: clock.iso_naive(seen.row.created_at)),
    Field("updated_at", f.MOMENT, of=lambda seen, request: clock.iso_naive(seen.row.updated_at)),
    Field("name", TEXT_OR_NULL, of="row.name"),
    Field("description", TEXT_OR_NULL, of="row.description"),
    Field("volume_type", TEXT_OR_NULL, of="type_name"),
    Field("snapshot_id", TEXT_OR_NULL, of="row.snapshot_id"),
    Field("source_volid", TEXT_OR_NULL, of="row.source_volid"),
    Field("metadata", f.TEXTS, of=_metadata),
    Field("links", f.LINKS, of=lambda seen, request: f.links(request, "volumes", seen.row.id)),
    Field("user_id", t.Text(), of="row.user_id"),
    Field("bootable", t.Text(), of=lambda seen, request: str(seen.row.bootable).lower()),
    Field("encrypted", t.Bool(), of=lambda seen, request: seen.row.encryption_key_id is not None),
    Field("replication_status", TEXT_OR_NULL, of="row.replication_status"),
    Field("consistencygroup_id", TEXT_OR_NULL, of=lambda seen, request: None),
    Field("multiattach", t.Bool(), of="row.multiattach"),
    Field("attachments", t.List(t.Record({
        **dict.fromkeys(("id", "attachment_id", "volume_id"), t.Text()),
        **dict.fromkeys(("server_id", "host_name", "device", "attached_at"), TEXT_OR_NULL)})), of=_attachments),
    Field("migration_status", TEXT_OR_NULL, of=_if("admin", "migration_status"), sometimes=True),
    Field("group_id", TEXT_OR_NULL, of="row.group_id", since=v.GROUPS),
    Field("provider_id", TEXT_OR_NULL, of=lambda seen, request: None if seen.eyes.admin else UNSET, since=v.PROVIDER_ID, sometimes=True),
    Field("shared_targets", t.Bool(), of=lambda seen, request: False, since=v.SHARED_TARGETS),
    Field("service_uuid", TEXT_OR_NULL, of=lambda seen, request: None, since=v.SHARED_TARGETS),
    Field("cluster_name", TEXT_OR_NULL, of=lambda seen, request: None if seen.eyes.admin else UNSET, since=v.CLUSTER_NAME, sometimes=True),
    Field("volume_type_id", t.Uuid(), of="row.volume_type_id", since=v.VOLUME_TYPE_ID),
    Field("encryption_key_id", t.Text(), of=lambda seen, request: seen.row.encryption_key_id or UNSET, since=v.ENCRYPTION_KEY_ID,
          sometimes=True),
    Field("consumes_quota", t.Bool(), of="row.counted", since=v.CONSUMES_QUOTA),
)
"""What is answered to who makes or changes a volume."""
VOLUME = Shape(
    "volume", *MADE.fields,
    Field("os-vol-host-attr:host", TEXT_OR_NULL, of=_if("host", "host"), sometimes=True),
    Field("os-vol-tenant-attr:tenant_id", t.Text(), of=_if("tenant", "project_id"), sometimes=True),
    Field("os-vol-mig-status-attr:migstat", TEXT_OR_NULL, of=_if("migration", "migration_status"), sometimes=True),
    Field("os-vol-mig-status-attr:name_id", TEXT_OR_NULL, of=lambda seen, request: None if seen.eyes.migration else UNSET, sometimes=True),
    Field("volume_image_metadata", f.TEXTS, sometimes=True,
          of=lambda seen, request: seen.image_metadata if seen.image_metadata and seen.eyes.image else UNSET),
)
