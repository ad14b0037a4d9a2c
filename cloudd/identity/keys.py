"""Keys on disk, as Keystone lays them: numbered files, the highest is the primary, `0` is staged to be the next primary.

Encrypting uses the primary; decrypting tries all. Rotation makes the staged key primary, stages a new one and drops the oldest
beyond `keep`, so that tokens made with the former primaries stay readable until they have expired.
"""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

STAGED = 0
Unreadable = InvalidToken


class KeyRing:
    """The keys of one directory (mode 0700, files 0600). Reads the directory again when it changes."""

    def __init__(self, directory: Path, keep: int = 3, now: Callable[[], float] = time.time):
        self.directory, self.keep, self.now = directory, max(keep, 2), now
        self._fernet: MultiFernet | None = None
        self._seen = 0

    @classmethod
    def of(cls, settings: Any) -> "KeyRing":
        """The keys of tokens: as many as it takes for a token to stay readable as long as it lives."""
        options = settings.identity
        needed = math.ceil((options.token_lifetime + options.allow_expired_window) / max(options.key_rotation, 1)) + 2
        return cls(Path(settings.server.state_dir) / "fernet-keys", max(options.max_active_keys, needed))

    def ensure(self) -> None:
        """Make the directory with a staged and a primary key, unless it has keys."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._numbers():
            self._write(STAGED)
            self._write(1)
        self._fernet = None

    def rotate(self) -> int:
        """Make the staged key primary, drop the oldest; returns its number. Safe against a crash at any point."""
        primary = self.advance()
        self.drop(self.keep)
        return primary

    def advance(self) -> int:
        """Make the staged key primary, stage a new one; all others stay. No number is used twice."""
        numbers = self._numbers()
        primary = max(numbers, default=0) + 1
        if STAGED in numbers:
            os.rename(self._path(STAGED), self._path(primary))
        else:
            self._write(primary)
        self._write(STAGED)
        self._fernet = None
        return primary

    def drop(self, keep: int) -> None:
        """Delete all keys but the newest `keep`, the staged one counted."""
        for old in sorted(number for number in self._numbers() if number != STAGED)[:-(keep - 1)]:
            self._path(old).unlink()
        self._fernet = None

    def age(self) -> float:
        """Seconds since the last rotation: the staged key was written then."""
        return self.now() - self._path(STAGED).stat().st_mtime

    def encrypt(self, data: bytes) -> bytes:
        return self._current().encrypt(data)

    def decrypt(self, token: bytes) -> bytes:
        """Raises Unreadable when no key fits or the token was changed."""
        return self._current().decrypt(token)

    def _current(self) -> MultiFernet:
        changed = self.directory.stat().st_mtime_ns          # a rotation by the command renames a file in here
        if self._fernet is None or changed != self._seen:
            order = sorted(self._numbers(), reverse=True)
            self._fernet = MultiFernet([Fernet(self._path(number).read_bytes()) for number in order])
            self._seen = changed
        return self._fernet

    def _numbers(self) -> list[int]:
        return [int(path.name) for path in self.directory.iterdir() if path.name.isdigit()]

    def _path(self, number: int) -> Path:
        return self.directory / str(number)

    def _write(self, number: int) -> None:
        partial = self.directory / f".{number}.new"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(Fernet.generate_key())
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(partial, self._path(number))
        handle = os.open(self.directory, os.O_RDONLY)         # what is sealed with it must not outlive it, power cut or not
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class CredentialRing(KeyRing):
    """The keys of credentials' blobs, kept apart from the tokens' and not rotated by itself: blobs live on (credential_keys.py)."""

    @classmethod
    def of(cls, settings: Any) -> "CredentialRing":
        return cls(Path(settings.server.state_dir) / "credential-keys")

    def is_new(self, sealed: bytes) -> bool:
        """Whether the primary key sealed it."""
        try:
            Fernet(self._path(max(self._numbers())).read_bytes()).decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def reseal(self, sealed: bytes) -> bytes:
        """The same secret under the primary key. Raises Unreadable."""
        return self._current().rotate(sealed)
