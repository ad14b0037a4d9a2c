"""A new key for stored secrets: the blobs of credentials and the secret options of domains, sealed again one by one.

In this order, so that it may be killed anywhere and run again: a new primary key on disk, every secret under it, only then are the
oldest keys deleted. The primary of before stays until the next time: the daemon may have been writing with it at this moment.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from cloudd.core.database import Database
from cloudd.core.errors import StartError
from cloudd.identity.keys import CredentialRing, Unreadable
from cloudd.identity.models import Credential
from cloudd.identity.models.extensions import DomainOption
from cloudd.identity.people.domain_options import SEALED, SECRET

KEPT = 3
"""Staged, primary, and the primary of before."""

BATCH = 100


class Unreadables(StartError):
    """Secrets that no key opens. The message names them."""


async def rotate(database: Database, ring: CredentialRing) -> tuple[int, int]:
    """Returns the number of the new primary key, and how many secrets were sealed with it. Raises Unreadables."""
    ring.ensure()
    primary = ring.advance()
    return primary, await migrate(database, ring)


async def migrate(database: Database, ring: CredentialRing) -> int:
    """Seal all secrets with the primary key; those that are already are left alone. Then old keys go."""
    bad: list[str] = []
    count, lost = await _credentials(database, ring)
    more, unread = await _options(database, ring)
    bad = [*lost, *unread]
    if bad:
        raise Unreadables(f"{len(bad)} secrets cannot be opened with the keys in {ring.directory}: {', '.join(bad[:10])}. Bring the "
                          "keys back from a backup, or delete those secrets, then run `cloudd identity credential-keys migrate`; no "
                          "key was deleted.")
    ring.drop(KEPT)
    return count + more


async def _credentials(database: Database, ring: CredentialRing) -> tuple[int, list[str]]:
    count, lost, last = 0, [], ""
    while True:
        async with database.write() as tx:
            query = select(Credential.id, Credential.encrypted_blob).where(Credential.id > last).order_by(Credential.id).limit(BATCH)
            rows = list(await tx.execute(query))
            for key, blob in rows:
                try:
                    if not ring.is_new(blob.encode()):
                        count += await _swap(tx, Credential.encrypted_blob, ring.reseal(blob.encode()).decode(), blob,
                                             (Credential.id == key,))
                except Unreadable:
                    lost.append(f"credential {key}")
        if len(rows) < BATCH:
            return count, lost
        last = rows[-1][0]


async def _options(database: Database, ring: CredentialRing) -> tuple[int, list[str]]:
    count, lost = 0, []
    async with database.write() as tx:
        rows = list((await tx.execute(select(DomainOption))).scalars())
        for row in rows:
            sealed = row.value.get(SEALED) if row.option in SECRET.get(row.group, ()) and isinstance(row.value, dict) else None
            try:
                if sealed is not None and not ring.is_new(sealed.encode()):
                    row.value = {SEALED: ring.reseal(sealed.encode()).decode()}
                    count += 1
            except Unreadable:
                lost.append(f"{row.group}.{row.option} of domain {row.domain_id}")
    return count, lost


async def _swap(tx: Any, column: Any, new: str, old: str, where: Iterable[Any]) -> int:
    """Change a value unless somebody else did in the meantime."""
    done = await tx.execute(update(column.class_).where(*where, column == old).values({column.key: new}))
    return done.rowcount
