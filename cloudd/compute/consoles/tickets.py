"""The right to open one console, once, for a while. Only a hash of a ticket is kept."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.config import CONFIG
from cloudd.compute.models import ConsoleTicket, Server
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict

ON = (states.RUNNING, states.POWER_PAUSED)
SECRET_BYTES = 32


class ConsoleType(StrEnum):
    """Nova's names for what there is here."""

    NOVNC = "novnc"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a token opens."""

    server_id: str
    console_type: ConsoleType


def require_console(server: Server, kind: str) -> ConsoleType:
    """Raise BadRequest for a kind of console that there is not here, Conflict while the guest is off."""
    caps = CONFIG.caps
    served = {ConsoleType.NOVNC: caps is None or caps.vnc, ConsoleType.SERIAL: caps is None or caps.serial}
    possible = [name for name, there in served.items() if there]
    if kind not in possible:
        raise BadRequest(f"Unavailable console type {kind}; there are: {', '.join(possible) or 'none'}.",
                         type="ConsoleTypeUnavailable")
    if server.power_state not in ON:
        raise Conflict(f"Instance {server.id} is not ready: it is {states.status(server.vm_state, server.task_state)}, and has a "
                       "console while it runs.", type="InstanceNotReady")
    return ConsoleType(kind)


async def make(context: Context, tx: AsyncSession, server: Server, kind: ConsoleType, ttl: int) -> str:
    """A new ticket's token. Those that have run out are thrown away by the way."""
    now = context.now()
    await tx.execute(delete(ConsoleTicket).where(ConsoleTicket.expires_at < now))
    token = ids.new_secret(SECRET_BYTES)
    tx.add(ConsoleTicket(token_hash=_hash(token), server_id=server.id, console_type=kind, user_id=context.user_id,
                         created_at=now, expires_at=now + timedelta(seconds=ttl)))
    await tx.flush()
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def find(tx: AsyncSession, token: str, now: datetime) -> Ticket | None:
    """What a token opens, if it still does."""
    row = await tx.get(ConsoleTicket, _hash(token))
    if row is None or row.used_at is not None or row.expires_at <= now:
        return None
    return Ticket(row.server_id, ConsoleType(row.console_type))


async def redeem(tx: AsyncSession, token: str, kind: ConsoleType, now: datetime) -> Ticket | None:
    """Use a token up; None when it opens nothing of this kind. Of two who try at once, one gets it."""
    found = await find(tx, token, now)
    if found is None or found.console_type is not kind:
        return None
    used = await tx.execute(update(ConsoleTicket).where(ConsoleTicket.token_hash == _hash(token), ConsoleTicket.used_at.is_(None))
                            .values(used_at=now).execution_options(synchronize_session=False))
    return found if used.rowcount == 1 else None
