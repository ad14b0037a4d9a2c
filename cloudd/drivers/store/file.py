"""Blobs as files of one directory: `KEY`, and `.KEY.RANDOM.part` while being written. Moved into place when on the disk."""

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from cloudd.core import tasks
from cloudd.drivers.store.base import BlobMissing, Store, StoreError, StoreFull, Usage, Writer

CHUNK = 1 << 20
FLUSH = 32 << 20
ZEROS = bytes(CHUNK)
PART = ".part"


class FileStore(Store):
    kind = "file"
    description = "Files of this machine"

    def __init__(self, directory: Path | str, name: str = "file", settings: Any = None):
        self.directory, self.name = Path(directory).absolute(), name

    async def open(self) -> None:
        await asyncio.to_thread(self._prepare)

    def _prepare(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for leftover in self.directory.glob(f".*{PART}"):
                leftover.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"the image directory {self.directory} cannot be used: {exc.strerror}") from exc

    def _path(self, key: str) -> Path:
        if not key or key.startswith(".") or "/" in key:
            raise StoreError(f"{key!r} is not a key")
        return self.directory / key

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    async def close(self) -> None:
        """Nothing is held."""

    def url(self, key: str) -> str:
        return self._path(key).as_uri()

    def properties(self) -> dict[str, str]:
        return {"data_dir": str(self.directory), "chunk_size": str(CHUNK)}

    async def writer(self, key: str) -> Writer:
        path = self._path(key)
        part = path.with_name(f".{key}.{secrets.token_hex(4)}{PART}")
        handle = await asyncio.to_thread(os.open, part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        return FileWriter(handle, part, path)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        try:
            handle = await asyncio.to_thread(os.open, self._path(key), os.O_RDONLY)
        except FileNotFoundError:
            raise BlobMissing(f"the store has no {key}") from None
        try:
            left = length
            while left is None or left > 0:
                data = await asyncio.to_thread(os.pread, handle, CHUNK if left is None else min(CHUNK, left), offset)
                if not data:
                    return
                yield data
                offset += len(data)
                left = None if left is None else left - len(data)
        finally:
            os.close(handle)

    async def size(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(os.stat, self._path(key))).st_size
        except FileNotFoundError:
            raise BlobMissing(f"the store has no {key}") from None

    async def adopt(self, key: str, path: Path) -> int:
        return await asyncio.to_thread(self._adopt, key, path)

    def _adopt(self, key: str, path: Path) -> int:
        target = self._path(key)
        part = target.with_name(f".{key}.{secrets.token_hex(4)}{PART}")
        shutil.move(path, part)
        part.chmod(0o600)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        _into_place(part, target)
        return target.stat().st_size

    async def link(self, key: str, path: Path) -> bool:
        """Have a local file as the blob `key` as well, without a copy; False where the file systems differ."""
        return await asyncio.to_thread(self._link, self._path(key), path)

    def _link(self, target: Path, path: Path) -> bool:
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")
        try:
            os.link(path, part)
        except OSError:
            return False
        _into_place(part, target)
        return True

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def keys(self) -> list[str]:
        names = await asyncio.to_thread(os.listdir, self.directory)
        return [name for name in names if not name.startswith(".")]

    async def usage(self) -> Usage:
        room = await asyncio.to_thread(shutil.disk_usage, self.directory)
        return Usage(room.total, room.free)


class FileWriter(Writer):
    def __init__(self, handle: int, part: Path, target: Path):
        self._handle, self._part, self._target = handle, part, target
        self._size, self._flushed = 0, 0
        self._flushing: asyncio.Future[None] | None = None
        self._working: asyncio.Future[None] | None = None
        self._open = True

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        with self._told():
            await self._in_thread(self._append, data)
            if self._size - self._flushed >= FLUSH and (self._flushing is None or self._flushing.done()):
                await self._settle()
                self._flushed = self._size
                self._flushing = asyncio.get_running_loop().run_in_executor(None, os.fdatasync, self._handle)

    async def _in_thread(self, work: Callable[..., None], *args: Any) -> None:
        """Who is cancelled closes the file, and so does who gives up: no thread may be in it then."""
        self._working = asyncio.get_running_loop().run_in_executor(None, work, *args)
        await tasks.to_the_end(self._working)

    async def _settle(self) -> None:
        """Wait for the disk, which has its share of the work while the rest still comes. Raises OSError."""
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            await tasks.to_the_end(flushing)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(f"no room is left in {self._target.parent}") from exc
            raise StoreError(f"writing to {self._target.parent} failed: {exc.strerror}") from exc

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), CHUNK):
            piece = view[start:start + CHUNK]
            if piece[0] or piece[-1] or bytes(piece) != ZEROS[:len(piece)]:      # a piece of zeros stays a hole
                written = 0
                while written < len(piece):
                    written += os.pwrite(self._handle, piece[written:], self._size + written)
            self._size += len(piece)

    async def head(self, size: int) -> bytes:
        return await asyncio.to_thread(os.pread, self._handle, size, 0)

    async def commit(self) -> int:
        with self._told():
            await self._settle()
            await self._in_thread(self._commit)
        return self._size

    def _commit(self) -> None:
        os.ftruncate(self._handle, self._size)
        os.fsync(self._handle)
        os.close(self._handle)
        self._open = False
        _into_place(self._part, self._target)

    async def abort(self) -> None:
        try:
            for work in (self._working, self._flushing):
                if work is not None:
                    with contextlib.suppress(OSError):
                        await tasks.to_the_end(work)
        finally:
            if self._open:
                self._open = False
                os.close(self._handle)
                await asyncio.to_thread(self._part.unlink, missing_ok=True)


def _into_place(part: Path, target: Path) -> None:
    os.replace(part, target)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
