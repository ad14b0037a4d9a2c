"""The directory of a back end: `layers` in it is ours, what lies beside that is the operator's. What its file system can is found out by
doing it: that one of its kind could says nothing of this one."""

import fcntl
import os
from pathlib import Path

from cloudd.core.disks import files
from cloudd.drivers.volume.base import VolumeError


class Directory:
    def __init__(self, folder: Path):
        self.folder, self.layers = folder, folder / "layers"
        self.shares_blocks = self.direct = False
        self._lock: int | None = None

    def open(self, group: int) -> None:
        """Raises VolumeError when another back end has it, OSError. What it lies in is not made: it may be a disk that is not there."""
        for path in (self.folder, self.layers):
            path.mkdir(mode=0o710, exist_ok=True)
        self.admit(group)
        self._take()
        for part in (*self.folder.glob(".*.part"), *self.folder.glob(".nbd-*")):
            part.unlink()
        self.shares_blocks = _shares_blocks(self.layers)
        self.direct = files.direct_io_works(self.layers)

    def admit(self, group: int) -> None:
        """Let a group through to the layers."""
        for path in (self.folder, self.layers):
            os.chown(path, -1, group)
            path.chmod(0o710)

    def _take(self) -> None:
        if self._lock is not None:
            return
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(handle)
            raise VolumeError(f"the directory {self.folder} is another back end's, too: each needs one of its own") from exc
        self._lock = handle

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def takes_files(self) -> None:
        """Raises OSError."""
        probe = self.layers / ".probe"
        probe.write_bytes(b"x")
        probe.unlink()


def _shares_blocks(folder: Path) -> bool:
    one, other = folder / ".one", folder / ".other"
    try:
        with one.open("w+b") as source, other.open("wb") as target:
            source.write(bytes(1 << 16))
            source.flush()
            return files.clone(source.fileno(), target.fileno())
    finally:
        one.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
