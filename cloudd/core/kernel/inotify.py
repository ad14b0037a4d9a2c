"""What the kernel tells of the names in a folder, so that nobody looks again and again."""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

CREATED, DELETED = 0x100, 0x200
HEAD = struct.Struct("=iIII")
LARGEST = 1 << 16


class Names:
    """Calls `told`, on the loop, with the names that came into a folder or left it. Raises OSError where that cannot be had."""

    def __init__(self, folder: str, told: Callable[[list[str]], None]):
        self._fd, self._told, self._loop = watching(folder), told, asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            self._told(list(names_in(os.read(self._fd, LARGEST))))

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def watching(folder: str) -> int:
    """An inotify descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd >= 0 and libc.inotify_add_watch(fd, os.fsencode(folder), CREATED | DELETED) >= 0:
        return fd
    code = ctypes.get_errno()
    if fd >= 0:
        os.close(fd)
    raise OSError(code, os.strerror(code), folder)


def names_in(data: bytes) -> Iterator[str]:
    while data:
        _, _, _, length = HEAD.unpack_from(data)
        yield data[HEAD.size:HEAD.size + length].rstrip(b"\0").decode(errors="replace")
        data = data[HEAD.size + length:]
