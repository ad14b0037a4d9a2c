"""Tokens that are void before their time. All of them are held in memory: the daemon is the only writer.

What was first is told by a serial, not by the clock, which may be set back: each revocation has the next one, and each token that of
the last revocation before it. Serials follow the time where they can, so that a database from a backup does not begin them anew.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.clock import now
from cloudd.core.context import Context
from cloudd.core.database import Database, after_commit
from cloudd.identity.models import Revocation, RevocationSerial
from cloudd.identity.payload import Payload, micros


class Revocations:
    """What is revoked: (kind, value) → the serial before which tokens are void. `lifetime` is the longest a token lives."""

    def __init__(self, lifetime: timedelta, passed: Callable[[], float] = time.monotonic):
        self.lifetime, self.passed = lifetime, passed
        self.serial = 0
        self._serials: dict[tuple[str, str], int] = {}
        self._known_since: dict[tuple[str, str], float] = {}

    async def read(self, database: Database) -> None:
        async with database.read() as tx:
            self.serial = (await tx.execute(select(RevocationSerial.last))).scalar_one()
            rows = (await tx.execute(select(Revocation))).scalars()
            self._serials = {(row.kind, row.value): row.serial for row in rows}
        self._known_since = dict.fromkeys(self._serials, self.passed())

    def void(self, token: Payload) -> bool:
        """Whether the token was revoked after it was issued."""
        subjects = [("user", token.user_id), ("audit", token.audit_ids[0]), ("chain", token.audit_ids[-1])]
        if token.scope_id:
            subjects.append((token.scope or "", token.scope_id))
        return any(self.since(token.serial, *subject) for subject in subjects)

    def since(self, serial: int, kind: str, value: str) -> bool:
        """Whether something was revoked after a moment, as its serial tells."""
        return serial < self._serials.get((kind, value), 0)

    async def add(self, tx: AsyncSession, context: Context, kind: str, value: str) -> None:
        """Revoke what was issued until now to `kind` (audit, chain, user, project, domain) `value`."""
        moment, following = context.now(), RevocationSerial.last + 1
        least = micros(moment)
        query = update(RevocationSerial).values(last=case((following > least, following), else_=least))
        serial = (await tx.execute(query.returning(RevocationSerial.last))).scalar_one()
        await tx.merge(Revocation(kind=kind, value=value, issued_before=moment, expires_at=moment + self.lifetime, serial=serial))
        after_commit(tx, lambda: self._take_up((kind, value), serial))

    def _take_up(self, subject: tuple[str, str], serial: int) -> None:
        self._serials[subject] = serial
        self._known_since[subject] = self.passed()
        self.serial = max(self.serial, serial)

    async def forget_old(self, database: Database) -> None:
        """Drop those whose tokens have all expired; by the clock, and by the time that really passed, should the clock be ahead."""
        expired = select(Revocation.kind, Revocation.value).where(Revocation.expires_at < now())
        async with database.write() as tx:
            gone = [(kind, value) for kind, value in await tx.execute(expired) if self._passed((kind, value))]
            for kind, value in gone:
                await tx.execute(delete(Revocation).where(Revocation.kind == kind, Revocation.value == value))
        for subject in gone:
            self._serials.pop(subject, None)
            self._known_since.pop(subject, None)

    def _passed(self, subject: tuple[str, str]) -> bool:
        return self.passed() - self._known_since.get(subject, self.passed()) >= self.lifetime.total_seconds()
