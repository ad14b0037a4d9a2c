"""SQLite on the event loop itself. A query is microseconds in a page cache; handing each call to a thread and back, as
aiosqlite does, costs several times that. Only what waits goes to a thread: for the disk, the commit of what was changed; for a lock
of another process, the beginning of a write transaction.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util import await_only

from cloudd.core.outage import DatabaseDown
from cloudd.core.tasks import to_the_end

READER, WRITER = "sqlite+reader", "sqlite+writer"
LOCK_SECONDS = 30
BUFFERED = {"prebuffer_rows": True}
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4000", "temp_store=MEMORY")


class Cursor(sqlite3.Cursor):
    """Reads all rows at once, as asyncio drivers do: a statement left half read would hold an old view of the database."""

    _rows: deque[Any] = deque()

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        super().execute(sql, parameters)
        if self.description:
            self._rows = deque(super().fetchall())
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows

    async def _async_soft_close(self) -> None:
        """What SQLAlchemy's asyncio sessions call when they have the result; nothing is open any more."""


class Connection(sqlite3.Connection):
    begun = 0
    """How many changes there were when the transaction began."""

    def cursor(self, factory: type[sqlite3.Cursor] = Cursor) -> sqlite3.Cursor:
        return super().cursor(factory)


class Reader(SQLiteDialect_pysqlite):
    """Python's own sqlite3, called where SQLAlchemy expects an asyncio driver."""

    driver = "reader"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[AsyncAdaptedQueuePool]:
        return AsyncAdaptedQueuePool

    def create_connect_args(self, url: URL) -> Any:
        arguments, options = super().create_connect_args(url)
        return arguments, {**options, "factory": Connection, "timeout": LOCK_SECONDS}


class Writer(Reader):
    """The same for the writer, whose commit waits for the disk."""

    driver = "writer"
    supports_statement_cache = True

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    def begin(self, door: Connection) -> None:
        """At once, if no other process writes."""
        try:
            door.execute("BEGIN IMMEDIATE").close()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            self.aside(_wait_and_begin, door)
        door.begun = door.total_changes

    def do_commit(self, dbapi_connection: Any) -> None:
        if dbapi_connection.total_changes == dbapi_connection.begun:
            dbapi_connection.commit()                         # nothing that the disk must have
        else:
            self.aside(dbapi_connection.commit)

    def do_savepoint(self, connection: Any, name: str) -> None:
        connection.connection.dbapi_connection.execute(f"SAVEPOINT {name}").close()

    def do_release_savepoint(self, connection: Any, name: str) -> None:
        require_open(door := connection.connection.dbapi_connection)
        door.execute(f"RELEASE {name}").close()

    def do_rollback_to_savepoint(self, connection: Any, name: str) -> None:
        require_open(door := connection.connection.dbapi_connection)
        door.execute(f"ROLLBACK TO {name}").close()

    def aside(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Run a call in the writer's thread, and the loop meanwhile."""
        await_only(to_the_end(asyncio.get_running_loop().run_in_executor(self.thread, call, *arguments)))


class Direct(AsyncSession):
    """An AsyncSession whose calls wait for nothing, so that none is worth the greenlet that SQLAlchemy makes for each. Only a reader's
    first may wait: for a connection of the pool.
    """

    async def _connected(self) -> None:
        if isinstance(self.bind, AsyncEngine) and not self.sync_session.in_transaction():
            await self.connection()

    async def execute(self, statement: Any, params: Any = None, *, execution_options: Mapping[str, Any] = BUFFERED,
                      **options: Any) -> Any:
        await self._connected()
        if execution_options is not BUFFERED:
            execution_options = {**execution_options, **BUFFERED}
        return self.sync_session.execute(statement, params, execution_options=execution_options, **options)

    async def get(self, *what: Any, **options: Any) -> Any:
        await self._connected()
        return self.sync_session.get(*what, **options)

    async def get_one(self, *what: Any, **options: Any) -> Any:
        await self._connected()
        return self.sync_session.get_one(*what, **options)

    async def flush(self, objects: Any = None) -> None:
        self.sync_session.flush(objects)

    async def refresh(self, instance: object, *what: Any, **options: Any) -> None:
        await self._connected()
        self.sync_session.refresh(instance, *what, **options)

    async def merge(self, instance: Any, **options: Any) -> Any:
        await self._connected()
        return self.sync_session.merge(instance, **options)

    async def delete(self, instance: object) -> None:
        await self._connected()
        self.sync_session.delete(instance)

    async def commit(self) -> None:
        self.sync_session.commit()

    async def rollback(self) -> None:
        self.sync_session.rollback()

    async def close(self) -> None:
        self.sync_session.close()

    async def __aexit__(self, *_: Any) -> None:
        self.sync_session.close()
        await asyncio.sleep(0)                                # who only reads, in a loop, must let others have theirs


def require_open(door: Any) -> None:
    """SQLite ends a transaction by itself, as when the disk is full: what is done after that would stand alone. Raises DatabaseDown."""
    if not door.in_transaction:
        raise given_up()


def given_up() -> DatabaseDown:
    return DatabaseDown("what was being written was given up")


def _wait_and_begin(door: Connection) -> None:
    door.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}").close()
    try:
        door.execute("BEGIN IMMEDIATE").close()
    finally:
        door.execute("PRAGMA busy_timeout = 0").close()


for _name, _dialect in ((READER, Reader), (WRITER, Writer)):
    registry.register(_name.replace("+", "."), __name__, _dialect.__name__)


def prepare(engine: AsyncEngine) -> None:
    """Set up each connection, and begin transactions ourselves: sqlite3 would begin at the first change only."""
    sync: Engine = engine.sync_engine

    @event.listens_for(sync, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()
        if isinstance(sync.dialect, Writer):                  # it waits in its thread only
            connection.execute("PRAGMA busy_timeout = 0").close()

    @event.listens_for(sync, "begin")
    def begin(connection: Any) -> None:
        door = connection.connection.dbapi_connection
        if isinstance(sync.dialect, Writer):
            sync.dialect.begin(door)
        else:
            door.execute("BEGIN")
