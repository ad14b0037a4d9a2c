"""SQLite on the event loop itself. A query is microseconds in a page cache; handing each call to a thread and back, as
aiosqlite does, costs several times that. Only what may wait, for the disk or for a lock of another process, goes to a thread:
the beginning and the commit of a write transaction.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from cloudd.core.tasks import to_the_end

READER, WRITER = "sqlite+reader", "sqlite+writer"
LOCK_SECONDS = 30
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

    def do_commit(self, dbapi_connection: Any) -> None:
        self.aside(dbapi_connection.commit)

    def aside(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Run a call in the writer's thread, and the loop meanwhile."""
        await_only(to_the_end(asyncio.get_running_loop().run_in_executor(self.thread, call, *arguments)))


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

    @event.listens_for(sync, "begin")
    def begin(connection: Any) -> None:
        door = connection.connection.dbapi_connection
        if isinstance(sync.dialect, Writer):
            sync.dialect.aside(door.execute, "BEGIN IMMEDIATE")
        else:
            door.execute("BEGIN")
