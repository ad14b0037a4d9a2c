"""Files of the right names and sizes, without any tool: disks are sparse files beside a link to their image."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from cloudd.core.disks import image_check
from cloudd.core.disks.files import copy_sparse
from cloudd.core.disks.qcow2 import MAGIC, empty_qcow2
from cloudd.drivers.faults import Faults
from cloudd.drivers.hypervisor.base import DiskFile, Disks, HypervisorError, ImageSource
from cloudd.drivers.hypervisor.image_cache import ImageCache, described
from cloudd.drivers.hypervisor.layout import Layout, make_folder
from cloudd.drivers.hypervisor.tools import said


class SimulatedDisks(Disks):
    def __init__(self, layout: Layout, cache_max_bytes: int, faults: Faults):
        self._layout = layout
        self._faults = faults
        self.cache = ImageCache(layout.cache, cache_max_bytes, _prepare)

    async def cache_image(self, image_id: str, source: ImageSource, format: str) -> DiskFile:
        await self._faults.hit("cache_image")
        return await self.cache.bring(image_id, source, format)

    async def cached_images(self) -> frozenset[str]:
        return self.cache.ids()

    async def drop_image(self, image_id: str) -> None:
        self.cache.drop(image_id)

    async def create_root_disk(self, server_id: str, image_id: str, size_bytes: int, name: str = "root") -> DiskFile:
        await self._faults.hit("create_root_disk")
        path, base = self._layout.file(server_id, name), self._layout.base_of(server_id, name)
        if not path.exists():
            self.cache.link(image_id, base)
            least = image_check.virtual_size(base)
            if size_bytes and size_bytes < least:
                raise HypervisorError(f"the image needs a disk of {least} bytes, but the flavor gives {size_bytes}")
            _make_sparse(path, size_bytes or least)
        return self._described(path)

    async def create_blank_disk(self, server_id: str, name: str, size_bytes: int, content: str = "",
                                label: str = "") -> DiskFile:
        await self._faults.hit("create_blank_disk")
        path = self._layout.file(server_id, name)
        if content not in ("", "ext4", "vfat", "swap"):
            raise HypervisorError(f"disks cannot be made as {content}; possible are ext4, vfat and swap")
        if not path.exists():
            _make_sparse(path, size_bytes)
        return self._described(path)

    async def create_config_drive(self, server_id: str, files: Mapping[str, bytes]) -> DiskFile:
        """The files one after the other, readable by a test, where a CD image would be."""
        await self._faults.hit("create_config_drive")
        path = self._layout.file(server_id, "config")
        make_folder(path.parent)
        path.write_bytes(b"".join(name.encode() + b"\n" + content + b"\n" for name, content in sorted(files.items())))
        return described(path, "raw")

    async def link_image(self, server_id: str, name: str, image_id: str) -> DiskFile:
        await self._faults.hit("link_image")
        path = self._layout.file(server_id, name)
        self.cache.link(image_id, path)
        return described(path, "raw")

    async def find(self, server_id: str, name: str) -> DiskFile | None:
        path = self._layout.file(server_id, name)
        return self._described(path) if path.exists() else None

    async def usage(self, server_id: str) -> tuple[DiskFile, ...]:
        return tuple(self._described(path) for path in self._layout.disk_files(server_id))

    async def resize(self, server_id: str, name: str, size_bytes: int) -> DiskFile:
        await self._faults.hit("resize")
        path = self._layout.file(server_id, name)
        if not path.exists():
            raise HypervisorError(f"server {server_id} has no disk {name}")
        if size_bytes > path.stat().st_size:
            os.truncate(path, size_bytes)
        return self._described(path)

    async def delete(self, server_id: str, name: str | None = None) -> None:
        await self._faults.hit("delete")
        self._layout.delete(server_id, name)

    async def owners(self) -> frozenset[str]:
        return self._layout.owners()

    def _described(self, path: Path) -> DiskFile:
        return described(path, "qcow2" if path.with_name(f"{path.name}.base").exists() else "raw")


async def _prepare(source: Path, format: str, target: Path) -> None:
    """Refuse what a real driver would, keep the rest as it came."""
    with said():
        await asyncio.to_thread(image_check.check, source, format)
    await asyncio.to_thread(copy_sparse, source, target)


def _make_sparse(path: Path, size: int) -> None:
    make_folder(path.parent)
    with path.open("wb") as file:
        file.truncate(size)


def export(path: Path, target: Path, format: str) -> None:
    """A copy as a snapshot would be: the image that the disk began as where that suits, else an empty disk of its size."""
    base = path.with_name(f"{path.name}.base")
    source = base if base.exists() else path
    if (image_format(source) == "qcow2") == (format == "qcow2"):
        copy_sparse(source, target)
    elif format == "qcow2":
        target.write_bytes(empty_qcow2(path.stat().st_size))
    else:
        _make_sparse(target, path.stat().st_size)


def image_format(path: Path) -> str:
    with path.open("rb") as file:
        return "qcow2" if file.read(4) == MAGIC else "raw"
