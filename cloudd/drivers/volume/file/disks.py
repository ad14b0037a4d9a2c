"""Disks that the daemon opens itself: plain files by itself, all else through QEMU's block server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from cloudd.core.confined import ToolError
from cloudd.core.disks.nbd import NO_SPACE, NbdError
from cloudd.core.disks.server import Served
from cloudd.drivers.volume.base import BackendFull, Disk, Extent, VolumeError

T = TypeVar("T")


class ServedDisk(Disk):
    def __init__(self, served: Served, size: int, *, write: bool, ended: Callable[[], None]):
        self.size = size
        self._served, self._write, self._ended = served, write, ended
        self._open = True

    async def extents(self, offset: int = 0, length: int | None = None) -> AsyncIterator[Extent]:
        at = offset
        end = self._end(offset, self.size - offset if length is None else length)
        start, data = at, False
        while at < end:
            for piece, is_data in await self._told(self._served.client.status(at, end - at)):
                if is_data != data and at > start:
                    yield Extent(start, at - start, data)
                    start = at
                data, at = is_data, min(end, at + piece)
        if at > start:
            yield Extent(start, at - start, data)

    async def read(self, offset: int, length: int) -> bytes:
        self._end(offset, length)
        return bytes(await self._told(self._served.client.read(offset, length)))

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._writable(offset, len(data))
        await self._told(self._served.client.write(offset, data))

    async def zero(self, offset: int, length: int) -> None:
        self._writable(offset, length)
        await self._told(self._served.client.zero(offset, length))

    async def flush(self) -> None:
        if self._write:
            await self._told(self._served.client.flush())

    async def close(self) -> None:
        if self._open:
            self._open = False
            try:
                await self._served.close()
            except ToolError as exc:
                raise VolumeError(f"the volume was not closed in order: {exc}") from exc
            finally:
                self._ended()

    def _end(self, offset: int, length: int) -> int:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise VolumeError(f"there are no {length} bytes at {offset} of a volume of {self.size}")
        if not self._open:
            raise VolumeError("the volume was closed")
        return offset + length

    def _writable(self, offset: int, length: int) -> None:
        self._end(offset, length)
        if not self._write:
            raise VolumeError("the volume was opened to be read only")

    async def _told(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except NbdError as exc:
            if exc.errno == NO_SPACE:
                raise BackendFull("no room is left in the back end for what is written") from exc
            raise VolumeError(f"the volume could not be read or written: {exc.strerror or exc}") from exc
