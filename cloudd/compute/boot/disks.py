"""The files that a server boots from: brought here, made, and found again. Every function may be repeated."""

from collections.abc import AsyncIterator

from cloudd import image as images
from cloudd.compute.boot import metadata as metadata_content
from cloudd.compute.boot.spec import Boot
from cloudd.core.context import internal
from cloudd.core.errors import CloudError, Conflict
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import DiskFile, Hypervisor, ImageSource

GIB, MIB = 1 << 30, 1 << 20
OTHERS = ("iso", "config", "kernel", "ramdisk", "rescue")


class ImageGone(CloudError):
    """The image was deleted, or lost its data, before it was here."""


async def fetch(parts: Parts, image_id: str) -> None:
    """Bring an image into the hypervisor's cache, if it is not there yet."""
    disks = parts.driver(Hypervisor).disks
    if image_id in await disks.cached_images():
        return
    async with parts.database.read() as tx:
        found = (await images.many(internal(), tx, [image_id])).get(image_id)
    if found is None or found.status not in ("active", "deactivated"):
        raise ImageGone(f"Image {image_id} is not there any more; use another image.")
    await disks.cache_image(image_id, _source(parts, found), found.disk_format or "raw")


def _source(parts: Parts, image: images.Image) -> ImageSource:
    path = images.local_path(parts, image)
    if path is not None:
        return path

    def opened() -> AsyncIterator[bytes]:
        return images.open_data(parts, image)
    return opened


def wanted_images(boot: Boot) -> list[str]:
    """The images that a server's disks are made from."""
    server = boot.server
    return [image_id for image_id in (server.image_id, server.kernel_id, server.ramdisk_id) if image_id]


async def make(parts: Parts, boot: Boot) -> None:
    """All disks of a server; what is there already stays as it is."""
    disks, server = parts.driver(Hypervisor).disks, boot.server
    for row in boot.disks:
        if row.volume_id is not None:
            continue
        size = (row.volume_size or 0) * (MIB if row.name == "swap" else GIB)
        if row.name == "root" and row.image_id and not boot.is_iso:
            await disks.create_root_disk(server.id, row.image_id, size)
        elif size:
            content = "swap" if row.name == "swap" else _format(boot, row.guest_format) if row.name != "root" else ""
            await disks.create_blank_disk(server.id, row.name, size, content, "" if not content else row.name)
    if boot.is_iso and server.image_id:
        await disks.link_image(server.id, "iso", server.image_id)
    if server.kernel_id:
        await disks.link_image(server.id, "kernel", server.kernel_id)
    if server.ramdisk_id:
        await disks.link_image(server.id, "ramdisk", server.ramdisk_id)


def _format(boot: Boot, asked: str | None) -> str:
    """Ephemeral disks come with a file system that the guest knows."""
    if asked in ("ext4", "vfat"):
        return asked
    return "vfat" if boot.properties.get("os_type") == "windows" else "ext4"


async def write_config_drive(parts: Parts, boot: Boot) -> None:
    """The config drive, made anew, for a server that wants one."""
    if boot.server.config_drive:
        content = metadata_content.of(boot)
        await parts.driver(Hypervisor).disks.create_config_drive(boot.server.id, metadata_content.drive(content))


async def grow(parts: Parts, boot: Boot) -> None:
    """Make disks as large as the flavor says; none ever shrinks."""
    disks = parts.driver(Hypervisor).disks
    for row in boot.disks:
        if row.volume_id is not None or not row.volume_size or row.name == "swap":
            continue
        file = await disks.find(boot.server.id, row.name)
        if file is not None and file.size < row.volume_size * GIB:
            await disks.resize(boot.server.id, row.name, row.volume_size * GIB)


async def found(parts: Parts, boot: Boot) -> dict[str, DiskFile]:
    """A server's files by name. Raises Conflict when it has no disk to boot from."""
    disks = parts.driver(Hypervisor).disks
    names = [*(row.name for row in boot.disks if row.volume_id is None), *OTHERS]
    files = {name: file for name in names if (file := await disks.find(boot.server.id, name)) is not None}
    if not boot.server.config_drive:
        files.pop("config", None)
    if "root" not in files and "iso" not in files and any(row.name == "root" for row in boot.disks):
        raise Conflict(f"The root disk of server {boot.server.id} is missing: rebuild it.")
    return files
