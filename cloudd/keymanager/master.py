"""The file of the master key: outside the database, for its owner only, written in one step.

A line holds one key. There are two while a new one is being put in the place of the old (rewrap.py): which of them is in force says
the database, so that it changes in one commit with all that is wrapped by it.
"""

import base64
import binascii
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cloudd.core.errors import StartError, Unavailable

SIZE = 32
"""AES-256."""
PRIVATE = 0o600
HEAD = "# The master key of cloudd's key manager. Keep a copy of it apart from the database's: each is worth nothing without the other.\n"


class Locked(Unavailable):
    """The keys cannot be opened: there is no master key, or not the right one. `mend` is for who has the host."""

    def __init__(self, why: str, mend: str):
        super().__init__(f"The key manager cannot open its keys: {why}. An administrator of the host can mend that: `cloudd doctor` "
                         "says how.", type="KeysLocked")
        self.why, self.mend = why, mend


class Busy(StartError):
    """Another process is changing the master key."""


def fingerprint(key: bytes) -> str:
    """What a key is known by. It tells nothing of the key."""
    return hashlib.sha256(b"cloudd master key\0" + key).hexdigest()[:32]


class MasterFile:
    """The keys in one file, by fingerprint. Read again when the file is another."""

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[str, bytes] = {}
        self._seen: tuple[int, ...] = ()

    @classmethod
    def of(cls, settings: Any) -> "MasterFile":
        return cls(Path(settings.key_manager.master_key_file or Path(settings.server.state_dir) / "key-manager" / "master.key"))

    def keys(self) -> Mapping[str, bytes]:
        """Raises Locked."""
        try:
            about = self.path.stat()
        except FileNotFoundError:
            raise Locked("the file of the master key is missing", f"bring {self.path} back from the backup") from None
        except OSError as exc:
            raise Locked(f"the file of the master key cannot be read ({exc.strerror})", f"look at {self.path}") from exc
        if about.st_mode & 0o077:
            raise Locked("the file of the master key is open to others", f"chmod 600 {self.path}")
        seen = (about.st_ino, about.st_mtime_ns, about.st_size)
        if seen != self._seen:
            self._known, self._seen = self._read(), seen
        return self._known

    def _read(self) -> dict[str, bytes]:
        try:
            lines = [line.strip() for line in self.path.read_text("ascii").splitlines() if line.strip() and not line.startswith("#")]
            keys = [base64.b64decode(line, validate=True) for line in lines]
        except (OSError, UnicodeDecodeError, binascii.Error) as exc:
            raise self._broken() from exc
        if not keys or any(len(key) != SIZE for key in keys):
            raise self._broken()
        return {fingerprint(key): key for key in keys}

    def _broken(self) -> Locked:
        return Locked("the file of the master key holds no key", f"bring {self.path} back from the backup")

    def make(self) -> str:
        """A new key, where there is no file yet. Returns its fingerprint."""
        key = os.urandom(SIZE)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.write([key])
        return fingerprint(key)

    def write(self, keys: Sequence[bytes]) -> None:
        """Put these keys in the place of those that are there. When this returns they are on disk, power cut or not."""
        partial = self.path.with_name(f".{self.path.name}.new")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w") as handle:
            os.fchmod(handle.fileno(), PRIVATE)
            handle.write(HEAD + "".join(base64.b64encode(key).decode() + "\n" for key in keys))
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(partial, self.path)
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile; the kernel lets go of it however the process ends. Raises Busy."""
        handle = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise Busy(f"another process is changing the master key in {self.path}") from None
        finally:
            os.close(handle)
