"""Passwords: hashed in a thread, at a cost from the settings; a check takes as long for a user who is not there."""

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
import string
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import bcrypt

from cloudd.core.errors import BadRequest

BCRYPT = "$bcrypt-sha256$"
SCRYPT = "$scrypt$"
ALPHABET = "./" + string.ascii_letters + string.digits
T = TypeVar("T")
_COST = {"n": 1 << 15, "r": 8, "p": 1, "maxmem": 1 << 26}


class Hasher:
    """Makes and checks hashes; `parts.service(Hasher)`. Hashes of either kind are read, new ones are of the chosen kind."""

    def __init__(self, options: Any):
        self.kind, self.rounds, self.longest = options.password_hash, options.bcrypt_rounds, options.max_password_length
        self._decoy = _decoy(self.kind, self.rounds)
        self._threads = ThreadPoolExecutor(os.cpu_count(), "passwords")     # its own, so that logins keep nobody else waiting

    async def make(self, password: str) -> str:
        """The hash to keep. Raises BadRequest when the password is too long."""
        if len(password.encode()) > self.longest:
            raise BadRequest(f"Invalid input for field 'password': it is longer than {self.longest} bytes.")
        return await self._run(self._make, password)

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether the password fits. Without a stored hash the same work is done for nothing, and the answer is no."""
        known = stored is not None
        if len(password.encode()) > self.longest:
            password, known = "", False
        return await self._run(_fits, password, stored or self._decoy) and known

    def _run(self, work: Callable[..., T], *args: str) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, password: str) -> str:
        if self.kind == "scrypt":
            salt = secrets.token_bytes(16)
            return SCRYPT + base64.b64encode(salt + hashlib.scrypt(password.encode(), salt=salt, **_COST)).decode()
        return BCRYPT + bcrypt.hashpw(_digest(password), bcrypt.gensalt(self.rounds)).decode()


def _decoy(kind: str, rounds: int) -> str:
    """What looks like a hash of this kind, and takes as long to check, though it is of no password: nothing is computed for it."""
    if kind == "scrypt":
        return SCRYPT + base64.b64encode(secrets.token_bytes(80)).decode()
    return BCRYPT + bcrypt.gensalt(rounds).decode() + "".join(secrets.choice(ALPHABET) for _ in range(31))


def _digest(password: str) -> bytes:
    """bcrypt reads only 72 bytes and stops at a zero byte: so it gets a digest, in text."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())


def _fits(password: str, stored: str) -> bool:
    if stored.startswith(SCRYPT):
        kept = base64.b64decode(stored[len(SCRYPT):])
        return hmac.compare_digest(hashlib.scrypt(password.encode(), salt=kept[:16], **_COST), kept[16:])
    return stored.startswith(BCRYPT) and bcrypt.checkpw(_digest(password), stored[len(BCRYPT):].encode())
