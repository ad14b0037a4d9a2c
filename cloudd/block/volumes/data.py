"""What changes a volume's data, or makes something of it: extend, revert, reimage, upload. Each is a job's work."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.block import quotas, states
from cloudd.block.events import tell
from cloudd.block.models import Volume
from cloudd.block.snapshots.find import of_volume
from cloudd.block.volumes import images as image_rules
from cloudd.block.volumes.find import attachments_of, image_metadata_of
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict

WRITTEN = ("raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop")


async def extend(context: Context, tx: AsyncSession, volume: Volume, size: int, *, attached: bool) -> None:
    """Make it larger; `attached`: also while it is in use."""
    states.VOLUME.require(volume, "extend attached" if attached else "extend")
    if size <= volume.size:
        raise BadRequest(f"Invalid input received: New size for extend must be greater than current size. (current: {volume.size}, "
                         f"extended: {size}). A volume cannot be made smaller: make a smaller one and copy what is in it.")
    await quotas.require_size(tx, volume.project_id, size)
    await quotas.require(tx, volume.project_id, volume.volume_type_id, gigabytes=size - volume.size)
    await states.begin(tx, volume, "extend attached" if attached else "extend")
    volume.wanted_size = size
    await tell(tx, context, volume, "resize.start", wanted_size=size)
    await jobs.ask(tx, context, "block.volume.extend", locks=[volume.id], volume=volume.id, size=size)


async def revert(context: Context, tx: AsyncSession, volume: Volume, snapshot_id: str | None) -> None:
    """Go back to the newest snapshot."""
    snapshots = await of_volume(tx, volume.id)
    if not snapshots:
        raise BadRequest(f"Volume {volume.id} doesn't have any snapshots.")
    newest = snapshots[0]
    if snapshot_id != newest.id:
        raise BadRequest(f"Specified snapshot {snapshot_id} is None or not the latest one of volume {volume.id}: that is {newest.id}.")
    if volume.size != newest.volume_size:
        raise BadRequest(f"Can't revert volume {volume.id} to its latest snapshot {newest.id}. The volume size must be equal to the "
                         f"snapshot size, but it is {volume.size} GiB, and that {newest.volume_size} GiB.")
    await states.begin(tx, volume, "revert")
    await states.SNAPSHOT.enter(tx, newest, "revert")
    await tell(tx, context, volume, "revert.start")
    await jobs.ask(tx, context, "block.volume.revert", locks=[volume.id, newest.id], resource=volume.id, volume=volume.id,
                   snapshot=newest.id)


async def reimage(context: Context, tx: AsyncSession, volume: Volume, image_id: str, *, reserved: bool) -> None:
    """Write an image over it; `reserved`: also while a server that is being rebuilt holds it."""
    if len((await attachments_of(tx, [volume.id])).get(volume.id, [])) > 1:
        raise Conflict("Cannot re-image a volume which is attached to more than one server.")
    image = await images.get(context, tx, image_id)
    states.VOLUME.require(volume, "reimage reserved" if reserved else "reimage")
    image_rules.require_fit(image, volume.size)
    await states.begin(tx, volume, "reimage reserved" if reserved else "reimage")
    await tell(tx, context, volume, "reimage.start", image_id=image.id)
    await jobs.ask(tx, context, "block.volume.reimage", locks=[volume.id], volume=volume.id, image=image.id)


@dataclass(frozen=True)
class NewImage:
    """The image that shall be made of a volume."""

    name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str | None = None
    protected: bool = False


async def upload(context: Context, tx: AsyncSession, volume: Volume, wanted: NewImage, *, force: bool) -> images.Image:
    """Make an image of it; `force`: also while it is in use."""
    move = "upload attached" if force else "upload"
    states.VOLUME.require(volume, move)
    if volume.encryption_key_id and (wanted.disk_format, wanted.container_format) != ("raw", "bare"):
        raise BadRequest("An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are the "
                         "defaults for these options.")
    if wanted.container_format != "bare":
        raise BadRequest(f"Invalid container_format {wanted.container_format}: images of volumes are bare.")
    texts = (await image_metadata_of(tx, [volume.id])).get(volume.id, {})
    values: dict[str, Any] = {key: value for key, value in texts.items()
                              if key not in image_rules.CORE and not key.startswith(image_rules.NOT_GIVEN_ON)}
    values |= {"name": wanted.name, "disk_format": wanted.disk_format, "container_format": wanted.container_format,
               "protected": wanted.protected}
    if wanted.visibility:
        values["visibility"] = wanted.visibility
    image = await images.create_for_data(context, tx, values)
    await states.begin(tx, volume, move)
    await jobs.ask(tx, context, "block.volume.upload", locks=[volume.id, image.id], resource=volume.id, volume=volume.id, image=image.id,
                   format=wanted.disk_format, compress=wanted.disk_format == "qcow2")
    return image
