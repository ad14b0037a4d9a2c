"""A database that cannot be reached, or cannot write, for a while: callers are told 503, background work waits and goes on.

Drivers and SQLAlchemy tell it in many shapes; from `Database.read` and `.write` it comes in one, as DatabaseDown.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cloudd.core import log, tasks
from cloudd.core.errors import Unavailable

LOG = log.get("cloudd.database")
RETRY_SECONDS = 2.0
"""How long background work waits before it tries the database again."""
SQLITE = {sqlite3.SQLITE_FULL: "the disk is full", sqlite3.SQLITE_IOERR: "the disk does not work",
          sqlite3.SQLITE_CANTOPEN: "the file cannot be opened", sqlite3.SQLITE_READONLY: "the file cannot be written",
          sqlite3.SQLITE_BUSY: "another process holds it", sqlite3.SQLITE_LOCKED: "another process holds it",
          sqlite3.SQLITE_CORRUPT: "the file is damaged", sqlite3.SQLITE_NOTADB: "the file is no database"}
POSTGRESQL = {"08": "the connection broke", "53": "the server has no room, no memory or no connection left",
              "57P": "the server stops or starts", "58": "the server's disk does not work", "25006": "the server takes no changes"}
"""By the beginning of SQLSTATE (PostgreSQL's documentation, appendix A)."""


class DatabaseDown(Unavailable):
    """The database does not answer, or cannot write. What was being changed was not, unless the commit itself was cut off."""

    def __init__(self, reason: str):
        super().__init__(f"The cloud's database does not work at the moment ({reason}), so this was not finished. Try again in a "
                         "moment.")
        self.headers["Retry-After"] = "5"
        self.reason = reason


class Watch:
    """Turns outages into DatabaseDown, and tells the log of the first and of the end."""

    def __init__(self) -> None:
        self.down = False

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around a transaction."""
        try:
            yield
        except DatabaseDown as exc:
            self._log(exc)
            raise
        except (DBAPIError, PoolTimeout, sqlite3.Error) as exc:
            found = reason(exc)
            if found is None:
                raise
            down = DatabaseDown(found)
            self._log(down, exc)
            raise down from exc

    def worked(self) -> None:
        """A transaction got through."""
        if self.down:
            self.down = False
            LOG.info("the database works again")

    def _log(self, down: DatabaseDown, cause: BaseException | None = None) -> None:
        if not self.down:
            self.down = True
            LOG.error("the database does not work", reason=down.reason, error=words(cause or down))

    def connecting(self, engine: Engine) -> None:
        """What keeps us from a server comes out of asyncpg unwrapped; see to it."""
        @event.listens_for(engine, "do_connect")
        def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
            try:
                return dialect.connect(*arguments, **options)
            except refusals() as exc:
                raise DatabaseDown("it cannot be reached") from exc


@contextmanager
def for_the_record(what: str, **facts: Any) -> Iterator[None]:
    """Around a write of which only the record depends: while the database takes none, the log has it instead, and all else goes on."""
    try:
        yield
    except DatabaseDown as exc:
        LOG.warning(f"{what} is in this log only", reason=exc.reason, **facts)


async def outlived(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do work that may not be left undone: at once, or, while the database is away, in the background as soon as it is back."""
    try:
        await work()
    except DatabaseDown:
        tasks.start(name, _again(work))


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(RETRY_SECONDS)
        with suppress(DatabaseDown):
            return await work()


def reason(exc: BaseException) -> str | None:
    """What is wrong with the database, for the caller's eyes; None when the fault is the statement's."""
    if isinstance(exc, PoolTimeout):
        return "all of its connections are in use"
    told = exc.orig if isinstance(exc, DBAPIError) else exc
    if isinstance(told, sqlite3.Error):
        return SQLITE.get(getattr(told, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return "the connection broke"
    state = getattr(told, "sqlstate", None) or ""
    return next((words for beginning, words in POSTGRESQL.items() if state.startswith(beginning)), None)


def words(exc: BaseException) -> str:
    """What the driver said, for the operator's eyes."""
    told = exc.__cause__ if isinstance(exc, DatabaseDown) and exc.__cause__ else exc
    return str(getattr(told, "orig", None) or told) or type(told).__name__


def refusals() -> tuple[type[BaseException], ...]:
    """asyncpg's own errors; it is loaded for PostgreSQL only."""
    asyncpg = sys.modules.get("asyncpg")
    return (OSError, TimeoutError, *((asyncpg.PostgresError, asyncpg.InterfaceError) if asyncpg else ()))
