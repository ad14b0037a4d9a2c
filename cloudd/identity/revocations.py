"""Tokens that are void before their time. All of them are held in memory: the daemon is the only writer."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.clock import now
from cloudd.core.context import Context
from cloudd.core.database import Database, after_commit
from cloudd.identity.models import Revocation
from cloudd.identity.payload import Payload


class Revocations:
    """What is revoked: (kind, value) → the moment before which tokens are void. `lifetime` is the longest a token lives."""

    def __init__(self, lifetime: timedelta):
        self.lifetime = lifetime
        self._moments: dict[tuple[str, str], datetime] = {}

    async def read(self, database: Database) -> None:
        async with database.read() as tx:
            rows = (await tx.execute(select(Revocation))).scalars()
            self._moments = {(row.kind, row.value): row.issued_before for row in rows}

    def void(self, token: Payload) -> bool:
        """Whether the token was revoked after it was issued."""
        subjects = [("user", token.user_id), ("audit", token.audit_ids[0]), ("chain", token.audit_ids[-1])]
        if token.scope_id:
            subjects.append((token.scope or "", token.scope_id))
        return any(token.issued_at <= self._moments[subject] for subject in subjects if subject in self._moments)

    async def add(self, tx: AsyncSession, context: Context, kind: str, value: str) -> None:
        """Revoke what was issued until now to `kind` (audit, chain, user, project, domain) `value`."""
        moment = context.now()
        await tx.merge(Revocation(kind=kind, value=value, issued_before=moment, expires_at=moment + self.lifetime))
        after_commit(tx, lambda: self._moments.__setitem__((kind, value), moment))

    async def forget_old(self, database: Database) -> None:
        """Drop those whose tokens have all expired."""
        moment = now()
        async with database.write() as tx:
            await tx.execute(delete(Revocation).where(Revocation.expires_at < moment))
        self._moments = {subject: before for subject, before in self._moments.items() if before + self.lifetime > moment}
