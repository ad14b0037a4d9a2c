"""Who has a disk's file open: QEMU and its tools lock single bytes of it, and so do we (qemu.org docs/system/images.rst)."""

import fcntl
import os
import struct
from pathlib import Path

USES, REFUSES = 100, 200                 # the first bytes of what a holder does itself, and of what it lets nobody else do
READ, WRITE, RESIZE = 0, 1, 3
BYTES = 300
FLOCK = "hhqqi4x"
OFD_GETLK, OFD_SETLK = 36, 37


class Locked(Exception):
    """Somebody else has the file open in a way that does not go with ours."""


def is_open(path: Path) -> bool:
    """Whether a guest or a tool has it open, be it only to read."""
    return _held(path, USES, BYTES - USES)


def is_written(path: Path) -> bool:
    """Whether a guest or a tool has it open to write."""
    return _held(path, USES + WRITE, 1)


def hold(handle: int, write: bool) -> None:
    """Hold an open file as QEMU would until it is closed. Raises Locked."""
    uses = (READ, WRITE, RESIZE) if write else (READ,)
    for use in uses:
        _lock(handle, USES + use)
    for use in (WRITE, RESIZE):
        _lock(handle, REFUSES + use)
    if any(_locked(handle, REFUSES + use, 1) for use in uses) or any(_locked(handle, USES + use, 1) for use in (WRITE, RESIZE)):
        raise Locked


def _held(path: Path, start: int, length: int) -> bool:
    handle = os.open(path, os.O_RDONLY)
    try:
        return _locked(handle, start, length)
    finally:
        os.close(handle)


def _locked(handle: int, start: int, length: int) -> bool:
    """By any other who has the file open."""
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    return struct.unpack(FLOCK, fcntl.fcntl(handle, OFD_GETLK, asked))[0] != fcntl.F_UNLCK


def _lock(handle: int, byte: int) -> None:
    fcntl.fcntl(handle, OFD_SETLK, struct.pack(FLOCK, fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
