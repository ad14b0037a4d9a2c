"""What the kernel's device mapper tells of a device, without a process or a lock of LVM: <linux/dm-ioctl.h>, and
Documentation/admin-guide/device-mapper/thin-provisioning.rst for what a pool says of itself."""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass

CONTROL = "/dev/mapper/control"
HEADER = struct.Struct("=3I I I I i I I I Q 128s 129s 7s")
SPEC = struct.Struct("=Q Q i I 16s")
DEVICE_STATUS, TABLE_STATUS, TARGET_MESSAGE = 7, 12, 14
NO_FLUSH = 1 << 11
ROOM = 16384
SECTOR = 512


@dataclass(frozen=True)
class PoolState:
    """Parts from 0 to 1, and how the pool goes."""

    data: float
    metadata: float
    total: int                           # bytes
    used: int
    mode: str                            # rw, ro, out_of_data_space, Fail
    needs_check: bool


class DeviceMapper:
    def opened(self, name: str) -> int | None:
        """How many have a device open; None: it is not active."""
        answer = self._ask(DEVICE_STATUS, name)
        return None if answer is None else HEADER.unpack_from(answer)[6]

    def pool(self, name: str, chunk: int) -> PoolState | None:
        """How full an active thin pool is."""
        words = self._status(name)
        if words is None:
            return None
        if words[0] in ("Fail", "Error"):
            return PoolState(1.0, 1.0, 0, 0, "Fail", True)
        metadata, data = ([int(number) for number in word.split("/")] for word in words[1:3])
        return PoolState(data[0] / data[1], metadata[0] / metadata[1], data[1] * chunk, data[0] * chunk, words[4], "needs_check" in words)

    def mapped(self, name: str) -> int:
        """Bytes that an active thin volume takes of its pool."""
        words = self._status(name, flush=True)
        return 0 if words is None or not words[0].isdigit() else int(words[0]) * SECTOR

    def message(self, name: str, text: str) -> None:
        """Raises OSError."""
        if self._ask(TARGET_MESSAGE, name, struct.pack("=Q", 0) + text.encode() + b"\0") is None:
            raise OSError(errno.ENXIO, "the pool is not active")

    def _status(self, name: str, flush: bool = False) -> list[str] | None:
        answer = self._ask(TABLE_STATUS, name, flags=0 if flush else NO_FLUSH)
        if answer is None:
            return None
        header = HEADER.unpack_from(answer)
        start = header[4] + SPEC.size
        return answer[start:].split(b"\0", 1)[0].decode().split() if header[5] else None

    def _ask(self, command: int, name: str, payload: bytes = b"", flags: int = 0) -> bytes | None:
        header = HEADER.pack(4, 0, 0, HEADER.size + ROOM, HEADER.size, 0, 0, flags, 0, 0, 0, name.encode(), b"", b"")
        request = bytearray(header + payload.ljust(ROOM, b"\0"))
        try:
            control = os.open(CONTROL, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.ioctl(control, 3 << 30 | HEADER.size << 16 | 0xFD << 8 | command, request)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return None
            raise
        finally:
            os.close(control)
        return bytes(request)


def device_name(group: str, volume: str) -> str:
    """As LVM names it for the kernel."""
    return f"{group.replace('-', '--')}-{volume.replace('-', '--')}"
