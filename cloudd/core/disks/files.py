"""Files with holes: copied without writing zeros, shared where the file system can, durable under their names."""

import asyncio
import ctypes
import errno
import fcntl
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

BLOCK = 1 << 20
FICLONE = 0x40049409
KEEP_SIZE, PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)
SAFE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
"""Ids and names that become parts of paths: nothing but letters, digits, dash and underscore."""


def settle(part: Path, path: Path) -> None:
    """Make a finished file durable under its own name."""
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """What was made, renamed and removed in a folder is so after a power cut as well."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def write_sparse(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write a stream; zeros take no room."""
    with path.open("wb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(_write_chunk, file, chunk)
        file.truncate(file.tell())


def _write_chunk(file: BinaryIO, chunk: bytes) -> None:
    if chunk.count(0) == len(chunk):
        file.seek(len(chunk), 1)
    else:
        file.write(chunk)


def copy_sparse(source: Path, target: Path) -> None:
    """Byte for byte; shares blocks where the file system can, skips holes and zeros where not."""
    with source.open("rb", buffering=0) as old, target.open("wb", buffering=0) as new:
        if not clone(old.fileno(), new.fileno()):
            copy_data(old.fileno(), new.fileno(), os.fstat(old.fileno()).st_size)


def copy_data(source: int, target: int, size: int) -> None:
    """Into an open, empty file, which has `size` bytes afterwards."""
    for start, end in data_of(source, size):
        while start < end and (block := os.pread(source, min(BLOCK, end - start), start)):
            if block.count(0) < len(block):
                write_all(target, block, start)
            start += len(block)
    os.ftruncate(target, size)


def write_all(handle: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        offset += written
        view = view[written:]


def clone(source: int, target: int) -> bool:
    """Let a file share all blocks of another one, if the file system can."""
    try:
        fcntl.ioctl(target, FICLONE, source)
        return True
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        return False


def data_of(handle: int, end: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Where an open file has data between two offsets, as (start, end): holes are left out."""
    while start < end:
        try:
            begin = os.lseek(handle, start, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:                     # nothing but a hole until the end
                return
            raise
        if begin >= end:
            return
        start = min(os.lseek(handle, begin, os.SEEK_HOLE), end)
        yield begin, start


def give_back(handle: int, start: int, length: int) -> bool:
    """Make a piece of a file a hole; False where the file system cannot. The length of the file stays."""
    return LIBC.fallocate(handle, KEEP_SIZE | PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(length)) == 0


def direct_io_works(folder: Path) -> bool:
    """Whether files there can be opened around the page cache (not on tmpfs, not on some network file systems)."""
    probe = folder / ".direct"
    try:
        handle = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    except OSError:
        return False
    else:
        os.close(handle)
        return True
    finally:
        probe.unlink(missing_ok=True)
