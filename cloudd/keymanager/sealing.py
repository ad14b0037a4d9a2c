"""Sealing: a secret under its project's key, that key under the master key, both by AES-256-GCM.

What is sealed is bound to its place (the secret and the project), so that a row copied over another's opens nothing. The project's
key is unwrapped for each use and kept nowhere.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, log
from cloudd.core.database import Database
from cloudd.core.errors import Unavailable
from cloudd.keymanager.master import Locked, MasterFile
from cloudd.keymanager.models import ONLY, MasterKey, ProjectKey

LOG = log.get("cloudd.keymanager")
FORM = b"\x01"
"""AES-256-GCM: nonce, then what is sealed with its tag."""
NONCE, TAG = 12, 16
KEY = 32


class Damaged(Unavailable):
    """What lies in the database is not what was sealed there."""


def seal(key: bytes, place: str, data: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return FORM + nonce + AESGCM(key).encrypt(nonce, data, place.encode())


def unseal(key: bytes, place: str, sealed: bytes) -> bytes:
    """Raises InvalidTag when it was sealed with another key or for another place, or was changed."""
    if sealed[:1] != FORM or len(sealed) < 1 + NONCE + TAG:
        raise InvalidTag
    return AESGCM(key).decrypt(sealed[1:1 + NONCE], sealed[1 + NONCE:], place.encode())


def of_project(project_id: str) -> str:
    """The place of a project's key."""
    return f"project {project_id}"


def of_secret(project_id: str, secret_id: str) -> str:
    return f"secret {secret_id} of {project_id}"


@dataclass
class Vault:
    """`parts.service(Vault)`: seals and opens payloads, in the caller's transaction; counts them for the metrics."""

    file: MasterFile
    sealed: int = 0
    opened: int = 0
    refused: int = 0

    async def prepare(self, database: Database) -> None:
        """At the start: make the master key of a cloud that has none yet. One that is lost is not made anew."""
        try:
            async with database.write() as tx:
                if await tx.get(MasterKey, ONLY) is None:
                    made = next(iter(self.file.keys())) if self.file.path.exists() else self.file.make()
                    tx.add(MasterKey(id=ONLY, fingerprint=made, changed_at=clock.now()))
            async with database.read() as tx:
                await self.check(tx)
        except Locked as exc:
            LOG.error("the key manager's keys stay locked", reason=exc.why, mend=exc.mend)
        except OSError as exc:
            LOG.error("the master key cannot be written", file=str(self.file.path), reason=exc.strerror)

    async def in_force(self, tx: AsyncSession) -> str | None:
        """The fingerprint of the master key that the database's keys are wrapped with; None before the first start."""
        return (await tx.execute(select(MasterKey.fingerprint).where(MasterKey.id == ONLY))).scalar()

    async def check(self, tx: AsyncSession) -> str:
        """The same, for sure. Raises Locked unless the file has that key."""
        wanted = await self.in_force(tx)
        self._master(wanted)
        return str(wanted)

    async def seal(self, tx: AsyncSession, project_id: str, secret_id: str, data: bytes) -> bytes:
        """Raises Locked, Damaged."""
        with self._counting():
            key = await self._project_key(tx, project_id)
        self.sealed += 1
        return seal(key, of_secret(project_id, secret_id), data)

    async def open(self, tx: AsyncSession, project_id: str, secret_id: str, sealed: bytes) -> bytes:
        """Raises Locked, Damaged. In a write transaction, which sees what was committed last."""
        with self._counting():
            data = await self._open(tx, project_id, secret_id, sealed)
        self.opened += 1
        return data

    @contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except (Locked, Damaged):
            self.refused += 1
            raise

    async def _open(self, tx: AsyncSession, project_id: str, secret_id: str, sealed: bytes) -> bytes:
        known = self.file.keys()                              # before the row is read: a key on its way out is still there then
        row = (await tx.execute(select(ProjectKey).where(ProjectKey.project_id == project_id))).scalar()
        if row is None:
            raise _damaged(f"the key of project {project_id} is not there")
        try:
            return unseal(self._unwrap(row, known), of_secret(project_id, secret_id), sealed)
        except InvalidTag as exc:
            raise _damaged(f"the payload of secret {secret_id} is not what was sealed") from exc

    async def _project_key(self, tx: AsyncSession, project_id: str) -> bytes:
        known = self.file.keys()
        row = (await tx.execute(select(ProjectKey).where(ProjectKey.project_id == project_id))).scalar()
        if row is not None:
            return self._unwrap(row, known)
        # held against a change of the master key by another process, until this is committed
        wanted = (await tx.execute(select(MasterKey.fingerprint).where(MasterKey.id == ONLY).with_for_update())).scalar()
        master, key = self._master(wanted), os.urandom(KEY)
        tx.add(ProjectKey(project_id=project_id, wrapped=seal(master, of_project(project_id), key), master=wanted,
                          created_at=clock.now()))
        await tx.flush()
        return key

    def _unwrap(self, row: ProjectKey, known: Mapping[str, bytes]) -> bytes:
        try:
            return unseal(self._master(row.master, known), of_project(row.project_id), row.wrapped)
        except InvalidTag as exc:
            raise _damaged(f"the key of project {row.project_id} is not what was wrapped") from exc

    def _master(self, wanted: str | None, known: Mapping[str, bytes] | None = None) -> bytes:
        keys = known if known and wanted in known else self.file.keys()
        if wanted is None or wanted not in keys:
            raise Locked("the file of the master key holds another key than the one that the database was sealed with",
                         f"bring the key {wanted} back from the backup to {self.file.path}; it holds {', '.join(keys)}" if wanted else
                         f"make {self.file.path.parent} writable, and restart the daemon")
        return keys[wanted]


def _damaged(why: str) -> Damaged:
    LOG.error("a secret is damaged", reason=why)
    return Damaged(f"The secret cannot be opened: {why}. Bring the database back from a backup.", type="Damaged")
