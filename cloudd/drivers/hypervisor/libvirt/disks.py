"""Disks in files: overlays on cached images, blank disks, config drives."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from cloudd.core.disks import image_check, qemu_img
from cloudd.core.disks.files import copy_sparse, settle
from cloudd.drivers.hypervisor import config_drive, tools
from cloudd.drivers.hypervisor.base import DiskFile, Disks, HypervisorError, ImageSource
from cloudd.drivers.hypervisor.image_cache import ImageCache, described
from cloudd.drivers.hypervisor.layout import Layout, make_folder
from cloudd.drivers.hypervisor.libvirt.overlays import Overlays
from cloudd.drivers.hypervisor.tools import said

SECTOR = 512
QCOW2 = b"QFI\xfb"


class FileDisks(Disks):
    def __init__(self, layout: Layout, cache_max_bytes: int):
        self._layout = layout
        self.cache = ImageCache(layout.cache, cache_max_bytes, prepare)
        self._overlays = Overlays()

    async def cache_image(self, image_id: str, source: ImageSource, format: str) -> DiskFile:
        return await self.cache.bring(image_id, source, format)

    async def cached_images(self) -> frozenset[str]:
        return self.cache.ids()

    async def drop_image(self, image_id: str) -> None:
        self.cache.drop(image_id)

    async def create_root_disk(self, server_id: str, image_id: str, size_bytes: int, name: str = "root") -> DiskFile:
        path, base = self._layout.file(server_id, name), self._layout.base_of(server_id, name)
        if not path.exists():
            self.cache.link(image_id, base)
            least = whole_sectors(base.stat().st_size)
            if size_bytes and size_bytes < least:
                raise HypervisorError(f"the image needs a disk of {least} bytes, but the flavor gives {size_bytes}")
            part = path.with_name(f"{name}.part")
            part.unlink(missing_ok=True)
            with said():
                await self._overlays.make(part, base, size_bytes or least)
            await asyncio.to_thread(settle, part, path)
        return await describe(path)

    async def create_blank_disk(self, server_id: str, name: str, size_bytes: int, content: str = "",
                                label: str = "") -> DiskFile:
        path = self._layout.file(server_id, name)
        if not path.exists():
            make_folder(path.parent)
            part = path.with_name(f"{name}.part")
            part.unlink(missing_ok=True)
            with part.open("wb") as file:
                file.truncate(whole_sectors(size_bytes))
            if content:
                await tools.make_filesystem(part, content, label)
            await asyncio.to_thread(settle, part, path)
        return await describe(path)

    async def create_config_drive(self, server_id: str, files: Mapping[str, bytes]) -> DiskFile:
        path = self._layout.file(server_id, "config")
        make_folder(path.parent)
        part = path.with_name("config.part")
        await config_drive.build(part, files)
        await asyncio.to_thread(settle, part, path)
        return described(path, "raw")

    async def link_image(self, server_id: str, name: str, image_id: str) -> DiskFile:
        path = self._layout.file(server_id, name)
        self.cache.link(image_id, path)
        return described(path, "raw")

    async def find(self, server_id: str, name: str) -> DiskFile | None:
        path = self._layout.file(server_id, name)
        return await describe(path) if path.exists() else None

    async def usage(self, server_id: str) -> tuple[DiskFile, ...]:
        return tuple([await describe(path) for path in self._layout.disk_files(server_id)])

    async def resize(self, server_id: str, name: str, size_bytes: int) -> DiskFile:
        path = self._layout.file(server_id, name)
        if not path.exists():
            raise HypervisorError(f"server {server_id} has no disk {name}")
        disk = await describe(path)
        if size_bytes > disk.size:
            with said():
                await qemu_img.grow(path, disk.format, size_bytes)
            disk = await describe(path)
        return disk

    async def delete(self, server_id: str, name: str | None = None) -> None:
        await asyncio.to_thread(self._layout.delete, server_id, name)
        await asyncio.to_thread(self.cache.make_room)

    async def owners(self) -> frozenset[str]:
        return self._layout.owners()


async def prepare(source: Path, format: str, target: Path) -> None:
    """Check an image and make it raw; what is raw already is copied byte for byte, since kernels are images too."""
    with said():
        await asyncio.to_thread(image_check.check, source, format)
        if format in image_check.VERBATIM:
            await asyncio.to_thread(copy_sparse, source, target)
        else:
            await qemu_img.flatten(source, image_check.QEMU_NAME[format], target)


async def describe(path: Path) -> DiskFile:
    """Our own files only: those that cloudd made as qcow2 are known by where they are, so their header may be believed."""
    has_base = path.with_name(f"{path.name}.base").exists()
    if not has_base:
        return described(path, "raw")
    with path.open("rb") as file:
        head = file.read(32)
    if not head.startswith(QCOW2):
        raise HypervisorError(f"{path} is damaged: it is no qcow2")
    return described(path, "qcow2", int.from_bytes(head[24:32], "big"))


def lengthen(path: Path, size: int) -> None:
    if path.stat().st_size < size:
        os.truncate(path, size)


def whole_sectors(size: int) -> int:
    return (size + SECTOR - 1) // SECTOR * SECTOR
