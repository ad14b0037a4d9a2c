"""Attachments: who has a volume (from 3.27 on)."""

from typing import Any

from sqlalchemy import select

from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.volumes.query import within
from cloudd.block.attachments import rules
from cloudd.block.models import Attachment, Volume
from cloudd.block.types import qos
from cloudd.block.volumes.find import find as find_volume
from cloudd.core import clock
from cloudd.core.http import Change, Field, Page, Request, Shape
from cloudd.core.http import types as t

CONNECTOR = t.Map(t.Any_(), low=1, high=100)
NEW = Shape("attachment", Field("volume_uuid", f.UUID, required=True), Field("instance_uuid", f.UUID),
            Field("connector", t.Map(t.Any_(), high=100, null=True)),
            Field("mode", t.Enum("rw", "ro"), since=v.ATTACHMENT_MODE))
CHANGE = Shape("attachment", Field("connector", CONNECTOR, required=True))
CONNECTION = t.Raw({"type": "object", "properties": {"driver_volume_type": {"type": "string"}, "data": {"type": "object"}}})


def _connection(row: Attachment, request: Request) -> dict[str, Any]:
    """Empty until it is connected."""
    volume = request.loaded["volumes"][row.volume_id]
    limits = request.params["limits"].get(volume.id)
    return rules.connection(volume, row, row.attach_mode or "rw", limits) if row.connector else {}


BRIEF_FIELDS = (Field("id", t.Uuid()), Field("status", t.Text(), of="attach_status"),
                Field("instance", t.Text(null=True), of="instance_id"), Field("volume_id", t.Uuid()))
BRIEF = Shape("attachment", *BRIEF_FIELDS)
ATTACHMENT = Shape(
    "attachment", *BRIEF_FIELDS,
    Field("attached_at", t.Text(), of=lambda row, request: clock.iso_naive(row.attached_at) or ""),
    Field("detached_at", t.Text(), of=lambda row, request: ""),
    Field("attach_mode", t.Text(), of=lambda row, request: row.attach_mode or "null"),
    Field("connection_info", CONNECTION, of=_connection))
COLUMNS = {"volume_id": Attachment.volume_id, "status": Attachment.attach_status, "attach_status": Attachment.attach_status,
           "instance_id": Attachment.instance_id}
PUBLIC: dict[str, Change | None] = dict.fromkeys(COLUMNS)
ADMIN = {"id": Attachment.id, "instance_uuid": Attachment.instance_id, "attached_host": Attachment.attached_host,
         "mountpoint": Attachment.mountpoint, "attach_mode": Attachment.attach_mode, "project_id": Attachment.project_id}
LISTING = f.Rows(
    Attachment, filters={**{name: f.exact(column) for name, column in {**COLUMNS, **ADMIN}.items()}},
    sorts={**COLUMNS, **ADMIN, "created_at": Attachment.created_at, "attach_time": Attachment.attached_at},
    default=(("created_at", "desc"), ("id", "desc")))
resource = API.resource("/attachments", since=v.ATTACHMENTS)


@API.loader("attachment")
async def load(request: Request, tx: Any, attachment_id: str) -> Attachment:
    return await rules.find(tx, request.context, attachment_id)


async def _seen(request: Request, tx: Any, rows: list[Attachment]) -> None:
    """Keep the volumes at hand, whose connections are told of."""
    volumes = (await tx.execute(select(Volume).where(Volume.id.in_({row.volume_id for row in rows})))).scalars()
    request.loaded["volumes"] = found = {volume.id: volume for volume in volumes}
    request.params["limits"] = await qos.of_volumes(tx, found.values())


async def _page(request: Request, tx: Any) -> Page:
    asked = f.read_filters(request, LISTING, PUBLIC, {})
    found = await f.page(request, tx, LISTING, within(request, select(Attachment), Attachment.project_id), asked)
    await _seen(request, tx, found.rows)
    return found


@resource.get(policy="volume:get_all", reply=BRIEF, listing=LISTING)
async def index(request: Request, tx: Any) -> Page:
    """List attachments, briefly."""
    return await _page(request, tx)


@resource.get("/detail", policy="volume:get_all", reply=ATTACHMENT, listing=LISTING)
async def detail(request: Request, tx: Any) -> Page:
    """List attachments with all that is known of them."""
    return await _page(request, tx)


@resource.get("/{attachment}", policy="volume:get", reply=ATTACHMENT)
async def show(request: Request, tx: Any, attachment: Attachment) -> Attachment:
    """Show an attachment."""
    await _seen(request, tx, [attachment])
    return attachment


@resource.post(policy="volume:attachment_create", body=NEW, reply=ATTACHMENT)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Attachment:
    """Reserve a volume for somebody, and connect it where it is said how."""
    volume = await find_volume(tx, request.context, body["volume_uuid"])
    attachment = await rules.reserve(request.context, tx, volume, body.get("instance_uuid"), mode=body.get("mode"),
                                     multiattach_bootable=request.allows("volume:multiattach_bootable_volume", volume))
    if body.get("connector"):
        await rules.connect(request.context, tx, volume, attachment, body["connector"])
    await _seen(request, tx, [attachment])
    return attachment


@resource.put("/{attachment}", policy="volume:attachment_update", body=CHANGE, reply=ATTACHMENT, use="create")
async def update(request: Request, tx: Any, attachment: Attachment, body: dict[str, Any]) -> Attachment:
    """Connect a volume that was reserved."""
    volume = await tx.get_one(Volume, attachment.volume_id)
    await rules.connect(request.context, tx, volume, attachment, body["connector"])
    await _seen(request, tx, [attachment])
    return attachment


@resource.delete("/{attachment}", policy="volume:attachment_delete", status=200, reply=BRIEF, many=True)
async def delete(request: Request, tx: Any, attachment: Attachment) -> list[Attachment]:
    """End an attachment; answered with those that the volume has still."""
    rules.require_loose(attachment)
    volume = await tx.get_one(Volume, attachment.volume_id)
    await rules.remove(request.context, tx, volume, attachment)
    return await rules.of_volume(tx, volume)


@API.resource("/attachments/{attachment}/action").post(action="os-complete", policy="volume:attachment_complete", status=204,
                                                      since=v.ATTACHMENT_COMPLETE)
async def complete(request: Request, tx: Any, attachment: Attachment) -> None:
    """Say that a volume is in use."""
    volume = await tx.get_one(Volume, attachment.volume_id)
    await rules.complete(request.context, tx, volume, attachment)
