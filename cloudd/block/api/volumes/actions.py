"""What a volume's owner does with it: extend, revert, reimage, retype, make an image of it."""

from typing import Any

from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.models import Volume, VolumeType
from cloudd.block.states import IN_USE, RESERVED
from cloudd.block.volumes import change, data, retype
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t

EXTEND = Shape("os-extend", Field("new_size", f.SIZE, required=True))
REVERT = Shape("revert", Field("snapshot_id", t.Text(null=True)), extra=True)
REIMAGE = Shape("os-reimage", Field("image_id", f.UUID, required=True), Field("reimage_reserved", f.BOOLEAN, default=False))
RETYPE = Shape("os-retype", Field("new_type", t.Text(0, None), required=True),
               Field("migration_policy", t.Enum("on-demand", "never", null=True)))
BOOTABLE = Shape("os-set_bootable", Field("bootable", f.BOOLEAN, required=True))
READONLY = Shape("os-update_readonly_flag", Field("readonly", f.BOOLEAN, required=True))
UPLOAD = Shape(
    "os-volume_upload_image",
    Field("image_name", t.Text(1, 255), required=True),
    Field("force", f.BOOLEAN, default=False),
    Field("disk_format", t.Enum(*data.WRITTEN), default="raw"),
    Field("container_format", t.Text(0, 255, pattern=f.PRINTABLE, null=True), default="bare"),
    Field("visibility", t.Enum("community", "public", "private", "shared"), since=v.UPLOAD_VISIBILITY, default="private"),
    Field("protected", f.BOOLEAN, since=v.UPLOAD_VISIBILITY, default=False),
)
NEW_IMAGE = t.Obj({
    **dict.fromkeys(("id", "status", "image_id", "container_format", "disk_format"), t.Text()), "size": t.Int(),
    **dict.fromkeys(("updated_at", "display_description", "image_name", "visibility"), t.Text(null=True)), "protected": t.Bool(),
    "volume_type": t.Any_()}, ("id", "status", "image_id", "size"))
actions = API.resource("/volumes/{volume}/action", status=202)


@actions.post(action="os-extend", policy="volume:extend", body=EXTEND)
async def extend(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Make a volume larger."""
    attached = request.has(v.EXTEND_ATTACHED) and volume.status == IN_USE
    if attached:
        request.require("volume:extend_attached_volume", volume)
    await data.extend(request.context, tx, volume, f.size(body["new_size"]) or 0, attached=attached)


@actions.post(action="revert", policy="volume:revert_to_snapshot", body=REVERT, since=v.REVERT)
async def revert(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Make a volume what its newest snapshot is."""
    await data.revert(request.context, tx, volume, body.get("snapshot_id"))


@actions.post(action="os-reimage", policy="volume:reimage", body=REIMAGE, since=v.REIMAGE)
async def reimage(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Write an image over a volume."""
    if volume.status == RESERVED:
        request.require("volume:reimage_reserved", volume)
    await data.reimage(request.context, tx, volume, body["image_id"], reserved=body["reimage_reserved"])


@actions.post(action="os-retype", policy="volume:retype", body=RETYPE)
async def change_type(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Give a volume another type."""
    await retype.retype(request.context, tx, volume, body["new_type"], may_multiattach=request.allows("volume:multiattach", volume))


@actions.post(action="os-set_bootable", policy="volume:update", body=BOOTABLE, status=200, answer=t.NOTHING)
async def set_bootable(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Say whether a server can boot from a volume."""
    await change.update(request.context, tx, volume, bootable=body["bootable"])


@actions.post(action="os-update_readonly_flag", policy="volume:update_readonly_flag", body=READONLY)
async def set_readonly(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Say whether a volume may be written."""
    await change.set_readonly(request.context, tx, volume, body["readonly"])


@actions.post(action="os-volume_upload_image", policy="volume_extension:volume_actions:upload_image", body=UPLOAD,
              answer=t.Record({"os-volume_upload_image": NEW_IMAGE}))
async def upload(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> dict[str, Any]:
    """Make an image of a volume."""
    if body.get("visibility") == "public":
        request.require("volume_extension:volume_actions:upload_public", volume)
    if not body["container_format"]:
        raise BadRequest("Invalid container_format: images of volumes are bare.")
    wanted = data.NewImage(body["image_name"], body["disk_format"], body["container_format"], body.get("visibility"),
                           body.get("protected", False))
    image = await data.upload(request.context, tx, volume, wanted, force=body["force"])
    kind = await tx.get(VolumeType, volume.volume_type_id)
    shown = {"id": volume.id, "updated_at": clock.iso_naive(volume.updated_at), "status": volume.status, "size": volume.size,
             "display_description": volume.description, "volume_type": None if kind is None else {"id": kind.id, "name": kind.name},
             "image_id": image.id, "container_format": image.container_format, "disk_format": image.disk_format, "image_name": image.name}
    if request.has(v.UPLOAD_VISIBILITY):
        shown |= {"visibility": image.visibility, "protected": image.protected}
    return {"os-volume_upload_image": shown}
