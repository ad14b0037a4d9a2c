"""Logical volumes read and written by the daemon itself, and their data moved in and out."""

import asyncio
import errno
import fcntl
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cloudd.core import confined, log
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import image_check, qemu_img
from cloudd.core.disks.files import BLOCK, write_all
from cloudd.drivers.volume.base import BackendFull, BadImage, Extent, Unsupported, VolumeError
from cloudd.drivers.volume.plain_disk import PlainDisk

LOG = log.get("cloudd.volumes.lvm")
BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F
PIECE = 64 << 20
EXPORT = Limits(4 << 30, 6 * 3600, 24 * 3600)
FORMATS = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhdx": "vhdx", "vpc": "vpc", "vhd": "vpc"}
COMPRESSED = ("qcow2", "vmdk")

Map = Callable[[], Awaitable[list[tuple[int, int]]]]
Full = Callable[[], Awaitable[bool]]
NO_ROOM = "no room is left in the back end for what is written"


class LogicalDisk(PlainDisk):
    """An active logical volume. The kernel does not tell a device's holes, nor why it could not write back: the pool does. `chunk`: what
    the pool takes back at once; 0 where nothing is given back."""

    def __init__(self, path: Path, size: int, chunk: int, where: Map, full: Full, *, write: bool, ended: Callable[[], Awaitable[None]]):
        super().__init__(path, size, write=write)
        self._chunk, self._where, self._full, self._let_go = chunk, where, full, ended

    async def extents(self, offset: int = 0, length: int | None = None) -> AsyncIterator[Extent]:
        at, end = offset, self.size if length is None else self._end(offset, length)
        await self.flush()                                       # what the kernel still holds back has no place in the pool yet
        for start, stop in await self._where():
            start, stop = max(at, start), min(end, stop)
            if start >= stop:
                continue
            if start > at:
                yield Extent(at, start - at, False)
            yield Extent(start, stop - start, True)
            at = stop
        if at < end:
            yield Extent(at, end - at, False)

    def _zero(self, handle: int, offset: int, length: int) -> None:
        """Whole chunks are given back to the pool, and read as zeros from then on; the rest is written."""
        end = offset + length
        if not self._chunk:
            fill(handle, offset, end)
            return
        first, last = -(-offset // self._chunk) * self._chunk, end // self._chunk * self._chunk
        if first < last and discard(handle, first, last - first):
            fill(handle, offset, first)
            fill(handle, last, end)
        else:
            fill(handle, offset, end)

    async def flush(self) -> None:
        try:
            await super().flush()
        except VolumeError as exc:
            if await self._full():
                raise BackendFull(NO_ROOM) from exc
            raise

    async def close(self) -> None:
        open_still = self._handle is not None
        await super().close()
        if open_still:
            await self._let_go()


def discard(handle: int, offset: int, length: int) -> bool:
    try:
        fcntl.ioctl(handle, BLKDISCARD, struct.pack("=QQ", offset, length))
        return True
    except OSError as exc:
        if exc.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
            return False
        raise


def fill(handle: int, start: int, end: int) -> None:
    """Write zeros, which takes room in the pool."""
    for at in range(start, end, BLOCK):
        write_all(handle, bytes(min(BLOCK, end - at)), at)


async def take_room(path: Path, start: int, full: Full) -> None:
    """Write zeros from an offset to the end of a device. Raises BackendFull."""
    async with writing(path, full) as handle:
        end = await asyncio.to_thread(os.lseek, handle, 0, os.SEEK_END)
        for at in range(start, end, PIECE):
            await asyncio.to_thread(fcntl.ioctl, handle, BLKZEROOUT, struct.pack("=QQ", at, min(PIECE, end - at)))


@asynccontextmanager
async def writing(path: Path, full: Full) -> AsyncIterator[int]:
    """A device, opened to be written; on stable storage at the end. Raises BackendFull, VolumeError."""
    handle = await asyncio.to_thread(os.open, path, os.O_WRONLY)
    try:
        yield handle
        await asyncio.to_thread(os.fsync, handle)
    except OSError as exc:
        if exc.errno == errno.ENOSPC or await full():
            raise BackendFull(NO_ROOM) from exc
        raise VolumeError(f"the back end failed: {exc.strerror}") from exc
    finally:
        os.close(handle)


async def checked(path: Path, format: str) -> int:
    """The size of the disk in an image, as the image says. Raises BadImage."""
    try:
        await asyncio.to_thread(image_check.check, path, format)
    except UnsafeImage as exc:
        raise BadImage(str(exc)) from exc
    return await asyncio.to_thread(image_check.virtual_size, path)


async def pour(source: Path, format: str, target: Path) -> None:
    """The disk in a checked image into a new logical volume, which reads zeros: holes and zeros take no room."""
    try:
        await qemu_img.flatten(source, image_check.QEMU_NAME.get(format, "raw"), target, empty=True)
    except UnsafeImage as exc:
        if "No space left" in str(exc):
            raise BackendFull("no room is left in the back end for the image") from exc
        raise BadImage(str(exc)) from exc


async def export(disk: LogicalDisk, device: Path, target: Path, format: str, compress: bool) -> None:
    """All that a guest sees, in a local file."""
    if format not in FORMATS:
        raise Unsupported(f"a volume cannot be written as {format}; possible are {', '.join(FORMATS)}")
    if format == "raw":
        await _export_raw(disk, target)
        return
    how = ("-c",) if compress and format in COMPRESSED else ()
    try:
        await confined.run("qemu-img", "convert", "-U", *how, "-f", "raw", "-O", FORMATS[format], str(device), str(target), limits=EXPORT,
                           room=target.parent)
    except ToolError as exc:
        LOG.warning("a volume was not exported", error=str(exc))
        raise VolumeError(f"the volume was not written as {format}; cloudd's log tells more") from exc


async def _export_raw(disk: LogicalDisk, target: Path) -> None:
    with target.open("wb", buffering=0) as file:
        await copy(disk, file.fileno())
        await asyncio.to_thread(os.truncate, file.fileno(), disk.size)


async def copy(disk: LogicalDisk, target: int) -> None:
    """All data into an open file that reads zeros, without reading what was never written. Raises VolumeError, OSError."""
    async for extent in disk.extents():
        end = extent.offset + extent.length if extent.data else extent.offset
        for at in range(extent.offset, end, BLOCK):
            data = await disk.read(at, min(BLOCK, end - at))
            if data.count(0) < len(data):
                await asyncio.to_thread(write_all, target, data, at)
