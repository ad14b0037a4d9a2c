"""A volume that is a plain file (or a device), read and written by the daemon itself."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from cloudd.core import tasks
from cloudd.core.disks import locks
from cloudd.core.disks.files import data_of, give_back, write_all
from cloudd.drivers.volume.base import BackendFull, Disk, Extent, VolumeError

T = TypeVar("T")
ZERO_PIECE = 1 << 20


class PlainDisk(Disk):
    """`size` may be more than the file has: the rest reads as zeros, and a write makes it longer. `hold`: keep QEMU from writing it
    meanwhile, or from opening it where it is written here; raises Locked where it has it open that way."""

    def __init__(self, path: Path, size: int, *, write: bool, ended: Callable[[], None] = lambda: None, hold: bool = False):
        self.size = size
        self._write, self._ended = write, ended
        self._handle: int | None = os.open(path, os.O_RDWR if write else os.O_RDONLY)
        if hold:
            try:
                locks.hold(self._handle, write)
            except BaseException:
                os.close(self._handle)
                raise
        self._at_work: set[asyncio.Future[Any]] = set()

    async def extents(self, offset: int = 0, length: int | None = None) -> AsyncIterator[Extent]:
        at, end = offset, self.size if length is None else self._end(offset, length)
        while at < end:
            found = await self._do(self._next_data, at, end)
            if found[0] > at:
                yield Extent(at, found[0] - at, False)
            if found[1] > found[0]:
                yield Extent(found[0], found[1] - found[0], True)
            at = found[1]

    def _next_data(self, handle: int, at: int, end: int) -> tuple[int, int]:
        return next(data_of(handle, end, at), (end, end))

    async def read(self, offset: int, length: int) -> bytes:
        self._end(offset, length)
        data = await self._do(os.pread, length, offset)
        while 0 < len(data) < length and (more := await self._do(os.pread, length - len(data), offset + len(data))):
            data += more
        return data.ljust(length, b"\0")

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._writable(offset, len(data))
        await self._do(write_all, data, offset)

    async def zero(self, offset: int, length: int) -> None:
        self._writable(offset, length)
        await self._do(self._zero, offset, length)

    def _zero(self, handle: int, offset: int, length: int) -> None:
        end = min(offset + length, os.fstat(handle).st_size)         # nothing but zeros is behind a file's end
        if offset >= end or give_back(handle, offset, end - offset):
            return
        for at in range(offset, end, ZERO_PIECE):
            write_all(handle, bytes(min(ZERO_PIECE, end - at)), at)

    async def flush(self) -> None:
        await self._do(os.fsync)

    async def close(self) -> None:
        """Not under the hands of a thread that is in the file."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            while self._at_work:
                await tasks.to_the_end(next(iter(self._at_work)))
        finally:
            os.close(handle)
            self._ended()

    def _end(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise VolumeError(f"there are no {length} bytes at {offset} of a volume of {self.size}")
        return offset + length

    def _writable(self, offset: int, length: int) -> None:
        self._end(offset, length)
        if not self._write:
            raise VolumeError("the volume was opened to be read only")

    async def _do(self, work: Callable[..., Any], *args: object) -> Any:
        if self._handle is None:
            raise VolumeError("the volume was closed")
        work_of_thread = asyncio.get_running_loop().run_in_executor(None, partial(_told, work, self._handle, *args))
        self._at_work.add(work_of_thread)
        work_of_thread.add_done_callback(self._at_work.discard)
        result, error = await tasks.to_the_end(work_of_thread)
        if error is not None:
            raise error
        return result


def _told(work: Callable[..., T], *args: object) -> tuple[T, None] | tuple[None, VolumeError]:
    try:
        return work(*args), None
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return None, BackendFull("no room is left in the back end for what is written")
        return None, VolumeError(f"the back end failed: {exc.strerror}")
