"""The one database: SQLite embedded, or PostgreSQL by URL. Sessions, column types, migrations.

Writers take turns: one writes at a time (core/commits.py; the daemon is the only writer), so that both engines behave alike: a
quota that was checked is still true at the commit, and SQLite never answers "database is locked". Readers run beside them on
connections of their own.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import DateTime, Insert, LargeBinary, MetaData, String, Text, TypeDecorator, event, inspect, make_url, text
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction

from cloudd.core import outage, sqlite
from cloudd.core.commits import Commits
from cloudd.core.errors import StartError

PROBE_SECONDS = 10.0
"""So long a commit shows that the database can be written."""
INSERTED = "+"
"""Before the name of a table to which rows were added."""

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


class Base(DeclarativeBase):
    """Parent of every table. Table names begin with their module's name (`compute_servers`)."""

    metadata = MetaData(naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s", "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    })


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite keeps it without the offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Json(TypeDecorator[Any]):
    """A JSON value kept as text. Assign a new value to change it; changes inside are not seen."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


Id = String(36)
"""A UUID as text, with or without dashes."""

UserId = String(64)
"""A user: those of directories have a SHA-256, as in Keystone."""

Name = String(255)
Blob = LargeBinary

Listener = Callable[[Sequence[Any] | None], None]
"""Gets the news of a signal; None: look for yourself, since a commit was cut off or another process wrote."""


class Unreachable(StartError):
    """The database does not answer, or does not let us in."""


class UnknownSchema(StartError):
    """The database is not at the schema this cloudd knows. The message says the command to run."""


class Database:
    """Engines and transactions. `url` as SQLAlchemy's, driver left out: `sqlite:////var/lib/x.db`, `postgresql://...`."""

    def __init__(self, url: str, pool_size: int = 5):
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._reader = self._engine(pool_size, write=False)
        self._writer = self._engine(1, write=True)
        self._session = sqlite.Direct if self.is_sqlite else AsyncSession
        self._commits = Commits(self._writer, self, share=self.is_sqlite)
        self._outages = outage.Watch()
        self._listeners: dict[str, list[Listener]] = {}
        self._touched: set[str] = set()
        self._kept: dict[str, dict[Any, Any]] = {}
        self._watchers: list[tuple[frozenset[str], Callable[[], None]]] = []
        self._probing = asyncio.Lock()
        self._written = float("-inf")
        self.queries = 0
        self.busy_seconds = 0.0
        for engine in (self._reader, self._writer):
            event.listen(engine.sync_engine, "before_cursor_execute", self._count)
            self._outages.connecting(engine.sync_engine)
        event.listen(self._writer.sync_engine, "before_execute", self._touch)

    def _count(self, *_: Any) -> None:
        self.queries += 1

    def watch(self, models: Iterable[type[Base]], callback: Callable[[], None], inserts: bool = True) -> None:
        """Call `callback` after every commit that inserted, changed or deleted rows of `models`: for caches of them. Without `inserts`
        rows that were only added do not count: for caches of single rows, which those cannot change."""
        names = [model.__tablename__ for model in models]
        self._watchers.append((frozenset(names) | frozenset(INSERTED + name for name in names if inserts), callback))

    def listen(self, name: str, callback: Listener) -> Callable[[], None]:
        """Call `callback` after every commit with what was given to `signal` under `name` in it. Returns what ends that."""
        self._listeners.setdefault(name, []).append(callback)
        return lambda: self._listeners[name].remove(callback)

    def changed_outside(self) -> None:
        """Another process wrote to the database: all that is kept of it in memory is old."""
        self._kept.clear()
        for _, callback in self._watchers:
            callback()
        for callback in itertools.chain(*self._listeners.values()):
            callback(None)

    def _touch(self, connection: Any, statement: Any, *_: Any) -> None:
        if getattr(statement, "is_dml", False):
            self._touched.add((INSERTED if statement.is_insert else "") + statement.table.name)

    def keeping(self, table: str) -> dict[Any, Any] | None:
        if {table, INSERTED + table} & self._touched:
            return None
        return self._kept.setdefault(table, {})

    def _engine(self, pool_size: int, write: bool) -> AsyncEngine:
        if not self.is_sqlite:
            return create_async_engine(self.url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)
        url = self.url.set(drivername=sqlite.WRITER if write else sqlite.READER)
        engine = create_async_engine(url, pool_size=pool_size, max_overflow=0)
        sqlite.prepare(engine)
        return engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A read-only transaction: one consistent view, rolled back at the end. Raises DatabaseDown."""
        with self._outages.told():
            async with self._session(self._reader, expire_on_commit=False, autoflush=False) as tx:
                yield tx

    def write(self, kind: Hashable = None) -> AbstractAsyncContextManager[AsyncSession]:
        """A write transaction, on the disk when the block has ended, rolled back on any exception.

        Functions added by `after_commit` run, in order, when the commit is on disk. Callers of a `kind` that is quick by experience
        may share their commit with those before them; without one, the function that calls is the kind. Raises DatabaseDown.
        """
        return self._write(sys._getframe(1).f_code if kind is None else kind)

    @asynccontextmanager
    async def _write(self, kind: Hashable) -> AsyncIterator[AsyncSession]:
        with self._outages.told():
            async with self._commits.transaction(kind) as tx:
                tx.info["database"] = self
                yield tx

    def begun(self) -> None:
        self._touched.clear()

    def ended(self, done: bool, seconds: float) -> None:
        """Tell who keeps rows in memory. Of a commit that was cut off nobody knows, so all look for themselves."""
        if done:
            self._outages.worked()
            self._written = time.monotonic()
            self.busy_seconds += seconds
        for table in self._touched:
            self._kept.pop(table.removeprefix(INSERTED), None)
        for tables, callback in self._watchers:
            if tables & self._touched:
                callback()

    def tell(self, tx: AsyncSession, done: bool) -> None:
        """Who listens to what this caller did."""
        for callback in tx.info.pop("after_commit", ()) if done else ():
            callback()
        for name, news in tx.info.pop("signals", {}).items():
            for listener in self._listeners.get(name, ()):
                listener(news if done else None)

    def transaction(self, write: bool, kind: Hashable = None) -> AbstractAsyncContextManager[AsyncSession]:
        return self.write(kind) if write else self.read()

    async def ping(self) -> None:
        async with self.read() as tx:
            await tx.execute(text("SELECT 1"))

    async def check(self) -> None:
        """Whether it answers, and takes changes: one that changes nothing, unless a real one was just taken. Raises DatabaseDown."""
        await self.ping()
        async with self._probing:
            if self._outages.down or time.monotonic() - self._written > PROBE_SECONDS:
                async with self.write() as tx:
                    await tx.execute(text("UPDATE alembic_version SET version_num = version_num"))

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

    async def check_schema(self) -> None:
        """Raise UnknownSchema unless every migration that this cloudd ships has been run, and no other."""
        with reaching(self._reader.url):
            async with self._reader.connect() as connection:
                found = await connection.run_sync(_revision)
        wanted = head_revision()
        if found != wanted:
            raise UnknownSchema(f"the database is at schema {found or 'none'}, this cloudd needs {wanted}: "
                                "run `cloudd db upgrade` (it keeps the data)")


@contextmanager
def reaching(url: URL) -> Iterator[None]:
    """Whatever keeps us from the database, as one line that names it without its password. Raises Unreachable."""
    try:
        yield
    except (*outage.refusals(), SQLAlchemyError, outage.DatabaseDown) as exc:
        shown = url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
        raise Unreachable(f"[database] url = {shown}: {outage.words(exc)}") from exc


@asynccontextmanager
async def savepoint(tx: AsyncSession) -> AsyncIterator[AsyncSession]:
    """A part of a write transaction: when the block raises, what it changed is undone, and what it wanted after the commit forgotten."""
    async with tx.begin_nested():
        yield tx


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    """What was wanted after the commit before a savepoint."""
    if transaction.nested:
        info = session.info
        marks = {name: len(news) for name, news in info.get("signals", {}).items()}
        info.setdefault("marks", {})[transaction] = len(info.get("after_commit", ())), marks


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What was wanted, and noted, since a savepoint that was rolled back."""
    if transaction not in session.info.get("marks", ()):
        return
    callbacks, told = session.info["marks"].pop(transaction)
    del session.info.get("after_commit", [])[callbacks:]
    if signals := session.info.get("signals"):
        session.info["signals"] = {name: signals[name][:count] for name, count in told.items()}
    for name in session.info.keys() - {"database", "marks", "after_commit", "signals"}:
        del session.info[name]


def keeping(tx: AsyncSession, model: type[Base]) -> dict[Any, Any] | None:
    """Where what was read from a model's few and steady rows is kept until a commit changes any of them. None where it must be read:
    outside of write transactions, which alone see what is newest, and in one in which some were changed."""
    database = tx.info.get("database")
    return database.keeping(model.__tablename__) if database is not None else None


async def insert_row(tx: AsyncSession, statement: Insert, values: Mapping[str, Any]) -> Any:
    """Insert one row and return its key, without the unit of work, which costs four times as much. Rows of the session that are still
    being made stay as they are."""
    with tx.no_autoflush:
        return (await tx.execute(statement, values)).inserted_primary_key[0]


def after_commit(tx: AsyncSession, callback: Callable[[], None]) -> None:
    """Run `callback` once `tx` is committed; never if it is rolled back."""
    tx.info.setdefault("after_commit", []).append(callback)


def signal(tx: AsyncSession, name: str, *news: Any) -> None:
    """Hand `news` to whoever listens (`Database.listen`) to `name`, once, when `tx` is committed."""
    tx.info.setdefault("signals", {}).setdefault(name, []).extend(news)


def async_url(url: str | URL) -> URL:
    """The URL with the asyncio driver named."""
    parsed = make_url(url)
    drivers = {"sqlite": sqlite.READER, "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    backend = parsed.drivername.split("+")[0]
    if backend not in drivers:
        raise ValueError(f"database url: {backend!r} is not served; use sqlite:///PATH or postgresql://USER@HOST/NAME")
    return parsed.set(drivername=drivers[backend])


def _alembic(url: str | None = None) -> Any:
    from alembic.config import Config  # half of the start-up time of commands that need it not

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if url:
        config.attributes["url"] = url
    return config


def head_revision() -> str:
    """The newest migration, found from the files' names (`0007_what.py`): loading Alembic would cost the start 100 ms."""
    newest = max(path.stem for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    return newest.split("_")[0]


def _revision(connection: Any) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(url: str) -> None:
    """Run all migrations that are missing. Blocking; a new SQLite file is made with mode 0600."""
    from alembic import command

    parsed = make_url(url)
    with reaching(parsed):
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            path = Path(parsed.database)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
        command.upgrade(_alembic(url), "head")


def upgrade_aside(url: str) -> None:
    """The same in a child process, so that Alembic's 20 MB go with it. Before the first thread only."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            upgrade(url)
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        upgrade(url)                                          # fails here, too, and says why


def revision(message: str) -> None:
    """Write the migration that brings the newest schema to the models, into a database of its own. For developers."""
    import tempfile

    from alembic import command

    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/models.db"
        upgrade(url)
        config = _alembic(url)
        config.attributes["models"] = True
        command.revision(config, message, autogenerate=True, rev_id=f"{int(head_revision()) + 1:04}")
