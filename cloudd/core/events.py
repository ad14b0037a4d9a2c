"""The event bus: what happened is written to an outbox in the transaction that made it true, then told in-process.

A subscriber gets every event at least once and in order, over restarts too: its cursor moves in the transaction in which it
handled the event. It gets a batch in one transaction, each event in a savepoint: one that it fails at ends the batch before it.
What *must* happen next is a job, not an event.
"""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from sqlalchemy import and_, delete, func, insert, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, log, tasks
from cloudd.core.context import Context
from cloudd.core.database import Database, insert_row, savepoint, signal
from cloudd.core.outage import DatabaseDown
from cloudd.core.tables import EventCursor, EventRow

LOG = log.get("cloudd.events")
BATCH = 200
BATCH_SECONDS = 0.05
"""A batch that takes longer ends early, so that nobody else who writes waits for long."""
RETRY_SECONDS = 5.0
AUDIT = ("identity.", "keymanager.", "request.refused")
"""How the names of events begin that are kept for the audit log."""
INSERT = insert(EventRow.__table__)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event as a subscriber sees it. `name` is OpenStack's notification name (`compute.instance.create.end`)."""

    serial: int
    name: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    request_id: str | None
    payload: dict[str, Any]
    created_at: Any


@dataclass(frozen=True)
class Event:
    """Parent of a module's events: a frozen dataclass in the past tense whose fields are the payload."""

    name: ClassVar[str] = ""
    resource_id: str


@dataclass(frozen=True)
class Retention:
    """How long events are kept, how long those of the audit log, and how many of all."""

    events: timedelta = timedelta(days=7)
    audit: timedelta = timedelta(days=90)
    most: int = 1_000_000

    @classmethod
    def of(cls, options: Any) -> "Retention":
        """As the section [events] of the settings has it."""
        longest = max(options.retention_days, options.audit_days)
        return cls(timedelta(days=options.retention_days), timedelta(days=longest), options.most)


Handler = Callable[[AsyncSession, Happened], Awaitable[None]]


async def emit(tx: AsyncSession, context: Context, event: Event, *, project_id: str | None = None) -> None:
    """Write `event` to the outbox; it is told when `tx` commits."""
    told = {"name": event.name, "resource_id": event.resource_id, "project_id": project_id or context.project_id,
            "user_id": context.user_id, "request_id": context.request_id,
            "payload": {item.name: getattr(event, item.name) for item in dataclasses.fields(event)}, "created_at": context.now()}
    serial = await insert_row(tx, INSERT, {**told, "address": context.remote_address})
    signal(tx, "events", Happened(serial, **told))


class Bus:
    """Tells committed events to subscribers (durable, each with a cursor) and to live streams (from now on only)."""

    def __init__(self, database: Database, retention: Retention | None = None):
        self.database, self.retention = database, retention or Retention()
        self._handlers: dict[str, tuple[tuple[str, ...], Handler]] = {}
        self._cursors: dict[str, int] = {}                    # how far each subscriber is; read when first needed
        self._due: set[str] = set()                           # subscribers for whom there may be something
        self._streams: set[asyncio.Queue[Happened]] = set()
        self._told = 0
        self._news = asyncio.Event()
        self._deaf: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, subscriber: str, names: tuple[str, ...], handler: Handler) -> None:
        """`handler(tx, happened)` for every event whose name starts with one of `names`; may see one twice."""
        self._handlers[subscriber] = (names, handler)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator["asyncio.Queue[Happened]"]:
        """Events from now on; a reader that falls 1,000 behind loses the oldest."""
        queue: asyncio.Queue[Happened] = asyncio.Queue(1000)
        if not self._streams:                                 # while nobody listens nobody keeps count
            async with self.database.read() as tx:
                newest = (await tx.execute(select(func.max(EventRow.serial)))).scalar() or 0
            if not self._streams:                             # else another came meanwhile, and is still to be told what he waits for
                self._told = newest
            self._news.set()
        self._streams.add(queue)
        try:
            yield queue
        finally:
            self._streams.discard(queue)

    async def start(self) -> None:
        self._deaf = self.database.listen("events", self._heard)
        self._heard(None)
        self._task = tasks.start("events", self._run())

    async def stop(self) -> None:
        if self._deaf:
            self._deaf()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _heard(self, news: Sequence[Happened] | None) -> None:
        """At a commit (None: look for yourself)."""
        told = {row.name for row in news or ()}
        for subscriber, (names, _) in self._handlers.items():
            if news is None or any(name.startswith(names) for name in told):
                self._due.add(subscriber)
        self._news.set()

    def _again_later(self, subscriber: str) -> None:
        self._due.add(subscriber)
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._news.set)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell_all()
            except Exception as exc:                          # as when the database is away: nothing is lost, it is told later
                LOG.error("events could not be told, will be told again", error=repr(exc))
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._news.set)

    async def _tell_all(self) -> None:
        if self._streams:
            await self._tell_streams()
        due, self._due = self._due, set()
        try:
            while due:
                subscriber = min(due)
                while await self._tell(subscriber, *self._handlers[subscriber]):
                    continue
                due.discard(subscriber)
        finally:
            self._due |= due

    async def _tell_streams(self) -> None:
        async with self.database.read() as tx:
            rows = await _after(tx, self._told, ())
        for row in rows:
            self._told = row.serial
            for queue in self._streams:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(row)
        if len(rows) == BATCH:
            self._news.set()

    async def _tell(self, subscriber: str, names: tuple[str, ...], handler: Handler) -> bool:
        """One batch for one subscriber; True when there may be more."""
        async with self.database.read() as tx:
            if subscriber not in self._cursors:
                cursor = await tx.get(EventCursor, subscriber)
                self._cursors[subscriber] = cursor.serial if cursor else 0
            rows = await _after(tx, self._cursors[subscriber], names)
        if not rows:
            return False
        at, failed, last = self._cursors.pop(subscriber), None, None
        try:
            failed, last = await self._tell_batch(subscriber, rows, handler)
            self._cursors[subscriber] = at if last is None else last.serial
        except DatabaseDown:
            raise
        except Exception as exc:                              # the commit's own: the cursor is read again
            failed = exc
        if failed is not None:                                # a broken reader must not stop the others
            event = rows[0] if last is None else rows[rows.index(last) + 1]
            LOG.error("event handler failed, will be told again", subscriber=subscriber, event=event.name, serial=event.serial,
                      error=repr(failed))
            self._again_later(subscriber)
            return False
        return len(rows) == BATCH or last is not rows[-1]

    async def _tell_batch(self, subscriber: str, rows: list[Happened], handler: Handler) -> tuple[Exception | None, Happened | None]:
        """As far as the first that the handler fails at, or as time allows. Returns why it failed, and the last that was told."""
        failed, last, end = None, None, time.monotonic() + BATCH_SECONDS
        async with self.database.write() as tx:
            for row in rows:
                if (failed := await _handled(tx, handler, row)) is not None:
                    break
                last = row
                if time.monotonic() > end:
                    break
            if last is not None:
                await tx.merge(EventCursor(subscriber=subscriber, serial=last.serial))
        return failed, last

    async def forget_old(self) -> int:
        """Delete events past the retention. Those of the audit log stay longer; of all no more are kept than the settings say."""
        moment, kept = clock.now(), self.retention
        audit = or_(*(EventRow.name.startswith(name, autoescape=True) for name in AUDIT))
        async with self.database.write() as tx:
            newest = (await tx.execute(select(func.max(EventRow.serial)))).scalar() or 0
            result = await tx.execute(delete(EventRow).where(or_(
                and_(EventRow.created_at < moment - kept.events, not_(audit)), EventRow.created_at < moment - kept.audit,
                EventRow.serial <= newest - kept.most), EventRow.serial < newest))     # else SQLite would give its serial again
        return result.rowcount


async def _handled(tx: AsyncSession, handler: Handler, event: Happened) -> Exception | None:
    """One event of a batch, or nothing of it."""
    try:
        async with savepoint(tx):
            await handler(tx, event)
    except DatabaseDown:
        raise
    except Exception as exc:
        return exc
    return None


async def _after(tx: AsyncSession, serial: int, names: tuple[str, ...]) -> list[Happened]:
    query = select(EventRow).where(EventRow.serial > serial).order_by(EventRow.serial).limit(BATCH)
    if names:
        query = query.where(or_(*(EventRow.name.startswith(name, autoescape=True) for name in names)))
    rows = (await tx.execute(query)).scalars().all()
    return [Happened(row.serial, row.name, row.resource_id, row.project_id, row.user_id, row.request_id, row.payload,
                     row.created_at) for row in rows]
