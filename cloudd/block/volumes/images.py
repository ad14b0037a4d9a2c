"""Images that volumes are made from: which is meant, whether it fits, and what a volume keeps of it."""

from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.block.models import ImageMetadata, Volume
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound

GIB = 1 << 30
CORE = frozenset({"checksum", "container_format", "disk_format", "image_name", "image_id", "min_disk", "min_ram", "name", "size"})
"""What a volume keeps of its image that is no custom property: not given on to an image made from the volume."""
NOT_GIVEN_ON = ("os_glance_", "img_signature")
"""Properties that are true of the very data of the image."""
TYPE = "cinder_img_volume_type"
DEVICES = "block_device_mapping"


async def meant(context: Context, tx: AsyncSession, reference: str) -> images.Image:
    """The image that an id, an address that ends in one, or a name stands for."""
    image_id = reference.rstrip("/").rpartition("/")[2]
    if ids.is_uuid(image_id):
        try:
            return await images.get(context, tx, image_id)
        except NotFound:
            pass
    named = await images.named(context, tx, reference)
    if len(named) > 1:
        raise Conflict(f"Multiple matches found for '{reference}', use an ID to be more specific.")
    if not named:
        raise BadRequest(f"Invalid image identifier or unable to access requested image: {reference}.")
    return named[0]


def snapshot_in(image: images.Image) -> dict[str, Any] | None:
    """The snapshot that an image of a server stands for whose disk was a volume: it has no data itself."""
    try:
        devices = orjson.loads(image.properties.get(DEVICES) or "[]")
    except orjson.JSONDecodeError:
        return None
    found = (device for device in devices if isinstance(device, dict) and device.get("source_type") == "snapshot"
             and device.get("boot_index") == 0 and device.get("snapshot_id")) if isinstance(devices, list) else ()
    return next(iter(found), None)


def require_fit(image: images.Image, size: int) -> None:
    """Raise BadRequest for an image that is not whole, or that needs a larger volume."""
    if image.status != "active":
        raise BadRequest(f"Invalid input received: Image {image.id} is not active.")
    least = -(-max(image.size or 0, image.virtual_size or 0) // GIB)
    if least > size:
        raise BadRequest(f"Invalid input received: Size of specified image {least}GB is larger than volume size {size}GB.")
    if (image.min_disk or 0) > size:
        raise BadRequest(f"Invalid input received: Volume size {size}GB cannot be smaller than the image minDisk size "
                         f"{image.min_disk}GB.")


def kept(image: images.Image) -> dict[str, str]:
    """What a volume keeps of its image, as text."""
    facts = {"image_id": image.id, "image_name": image.name or "", "checksum": image.checksum, "container_format": image.container_format,
             "disk_format": image.disk_format, "min_disk": image.min_disk, "min_ram": image.min_ram, "size": image.size}
    mine = {name: str(value) for name, value in facts.items() if value is not None}
    return {**{name: str(value) for name, value in image.properties.items() if value is not None}, **mine}


async def keep(tx: AsyncSession, volume: Volume, texts: dict[str, str]) -> None:
    """Write down what a volume has from its image, instead of what it had."""
    await tx.execute(ImageMetadata.__table__.delete().where(ImageMetadata.volume_id == volume.id))
    tx.add_all(ImageMetadata(volume_id=volume.id, key=key, value=value) for key, value in texts.items())
    await tx.flush()
