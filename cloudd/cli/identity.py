"""`cloudd identity`: what only whoever has the host may do, the daemon running or not: the administrator's password, the keys."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.database import Database
from cloudd.core.errors import BadRequest, StartError
from cloudd.identity import credential_keys, recovery
from cloudd.identity.audit import KeysRotated
from cloudd.identity.bootstrap import keep_password
from cloudd.identity.keys import CredentialRing
from cloudd.identity.mark import Mark
from cloudd.identity.passwords import Hasher
from cloudd.identity.revocations import Revocations
from cloudd.identity.service import rotate_keys, write_clouds
from cloudd.settings import Settings

HOST = "host"
T = TypeVar("T")


def bootstrap(settings: Settings, password_file: str | None) -> int:
    """Give the administrator a new password, as in the file (`-`: standard input), else a random one, and all that is his."""
    password = _password(password_file)
    state = Path(settings.server.state_dir)
    asyncio.run(_with(settings, lambda database: _restore(database, settings, password)))
    keep_password(state, recovery.ADMIN, password)
    path = write_clouds(settings, renew=(recovery.ADMIN,))
    print(f"the administrator has a new password; it is in {path.absolute()} and {state.absolute() / 'admin-openrc'}")
    print("his account is enabled and has the role admin on its project, the domain and the system; his tokens of before are void")
    return 0


async def _restore(database: Database, settings: Settings, password: str) -> None:
    hasher = Hasher(settings.identity)
    try:
        lifetime = timedelta(seconds=settings.identity.token_lifetime)
        await recovery.restore(database, settings, hasher, Revocations(lifetime), password)
    except BadRequest as exc:
        raise StartError(exc.message) from exc
    finally:
        hasher.close()
        Mark(Path(settings.server.state_dir)).move()


def _password(path: str | None) -> str:
    if path is None:
        return ids.new_secret(18)
    text = sys.stdin.readline() if path == "-" else Path(path).read_text()
    if not text.strip():
        raise StartError(f"no password in {'the standard input' if path == '-' else path}")
    return text.splitlines()[0].strip()


def token_keys(settings: Settings) -> int:
    """A new token key; tokens given out stay valid."""
    async def work(database: Database) -> int:
        primary = rotate_keys(settings)
        await _tell(database, KeysRotated(str(primary), "token"))
        return primary
    print("the primary token key is now", asyncio.run(_with(settings, work)))
    return 0


def credential_keys_rotate(settings: Settings) -> int:
    """A new key for stored secrets, and all of them under it."""
    async def work(database: Database) -> tuple[int, int]:
        primary, count = await credential_keys.rotate(database, CredentialRing.of(settings))
        await _tell(database, KeysRotated(str(primary), "credential", count))
        return primary, count
    primary, count = asyncio.run(_with(settings, work))
    print(f"the primary credential key is now {primary}; secrets sealed with it: {count}")
    return 0


def credential_keys_migrate(settings: Settings) -> int:
    """Finish a rotation that was broken off."""
    ring = CredentialRing.of(settings)
    ring.ensure()
    count = asyncio.run(_with(settings, lambda database: credential_keys.migrate(database, ring)))
    print(f"all stored secrets are sealed with the primary key; sealed just now: {count}")
    return 0


async def _tell(database: Database, event: events.Event) -> None:
    async with database.write() as tx:
        await events.emit(tx, Context(remote_address=HOST), event)


async def _with(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    database = Database(settings.database.url)
    try:
        await database.check_schema()
        return await work(database)
    finally:
        await database.close()
