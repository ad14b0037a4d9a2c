"""The bus: events in batches, each one whole or not at all, in their order."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from cloudd.core import events
from cloudd.core.database import after_commit, savepoint
from cloudd.core.events import Bus, Event, Retention, emit
from cloudd.core.tables import EventCursor, EventRow, QuotaRow
from tests.unit.core.jobs.job_rooms import CONTEXT, made
from tests.waiting import until


class Happening(Event):
    name = "batch.made"


@pytest.fixture
async def parts(tmp_path):
    async with made(tmp_path) as ready:
        yield ready


async def tell(parts, *names):
    async with parts.database.write() as tx:
        for name in names:
            await emit(tx, CONTEXT, Happening(name))


class Reader:
    """Writes a row for each event, and fails where it is told to."""

    def __init__(self, parts, fails=()):
        self.parts, self.fails, self.seen, self.after = parts, set(fails), [], []

    async def __call__(self, tx, event):
        self.seen.append(event.resource_id)
        statement = insert(QuotaRow.__table__).values(project_id=event.resource_id, service="s", resource="r", user_id="", hard_limit=1)
        await tx.execute(statement)
        after_commit(tx, lambda: self.after.append(event.resource_id))
        if event.resource_id in self.fails:
            self.fails.discard(event.resource_id)
            await tx.execute(statement)

    async def rows(self):
        async with self.parts.database.read() as tx:
            return list((await tx.execute(select(QuotaRow.project_id).order_by(QuotaRow.project_id))).scalars())

    async def has(self, *names):
        async def there():
            return set(await self.rows()) >= set(names)
        await until(there)


async def cursor(parts):
    async with parts.database.read() as tx:
        return (await tx.execute(select(EventCursor.serial))).scalar()


async def test_a_batch_of_events_is_one_transaction(parts, monkeypatch):
    monkeypatch.setattr(events, "BATCH_SECONDS", 60)
    bus, reader, commits = Bus(parts.database), Reader(parts), []
    bus.subscribe("reader", ("batch.",), reader)
    names = [f"{number:03}" for number in range(150)]
    await tell(parts, *names)
    commit = parts.database._writer.sync_engine.dialect.do_commit
    monkeypatch.setattr(parts.database._writer.sync_engine.dialect, "do_commit", lambda connection: (commits.append(1), commit(connection)))
    await bus.start()
    await reader.has(*names)
    await bus.stop()
    assert (reader.seen, reader.after, len(commits), await cursor(parts)) == (names, names, 1, 150)


async def test_an_event_that_a_reader_fails_at_takes_none_of_its_batch_with_it(parts, monkeypatch):
    monkeypatch.setattr(events, "RETRY_SECONDS", 0.01)
    bus, reader = Bus(parts.database), Reader(parts, fails=["c"])
    bus.subscribe("reader", ("batch.",), reader)
    await tell(parts, *"abcde")
    await bus.start()
    await reader.has(*"abcde")
    await bus.stop()
    assert reader.seen == ["a", "b", "c", "c", "d", "e"], "those before it once, it again, those after it then"
    assert await reader.rows() == list("abcde") == reader.after
    assert await cursor(parts) == 5


async def test_of_an_event_that_a_reader_fails_at_nothing_is_kept(parts):
    bus, reader = Bus(parts.database), Reader(parts, fails=["b"])
    bus.subscribe("reader", ("batch.",), reader)
    await tell(parts, *"abc")
    await bus.start()
    await reader.has("a")
    await bus.stop()
    assert (await reader.rows(), reader.after, await cursor(parts)) == (["a"], ["a"], 1)


async def test_a_reader_that_fails_holds_up_no_other(parts):
    bus, broken, whole = Bus(parts.database), Reader(parts), Reader(parts)

    async def always(tx, event):
        broken.seen.append(event.resource_id)
        raise IntegrityError("as told", None, Exception())
    bus.subscribe("a broken one", ("batch.",), always)
    bus.subscribe("reader", ("batch.",), whole)
    await bus.start()
    for name in "ab":
        await tell(parts, name)
        await whole.has(name)
    await bus.stop()
    assert set(broken.seen) == {"a"} and whole.seen == ["a", "b"]


async def test_a_batch_that_takes_long_ends_early_and_goes_on(parts, monkeypatch):
    monkeypatch.setattr(events, "BATCH_SECONDS", 0.0)
    bus, reader = Bus(parts.database), Reader(parts)
    bus.subscribe("reader", ("batch.",), reader)
    await tell(parts, *"abc")
    await bus.start()
    await reader.has(*"abc")
    await bus.stop()
    assert reader.seen == ["a", "b", "c"]


async def test_a_reader_of_other_events_costs_nothing(parts):
    bus, reader = Bus(parts.database), Reader(parts)
    bus.subscribe("other", ("something.else",), Reader(parts))
    bus.subscribe("reader", ("batch.",), reader)
    await bus.start()
    await tell(parts, "a")
    await reader.has("a")
    bus._handlers.pop("reader")

    async def idle():
        return not bus._due and not bus._news.is_set()
    await until(idle)
    told = []
    bus._tell = lambda subscriber, *_: told.append(subscriber)
    await tell(parts, "b")
    await until(idle)
    await bus.stop()
    assert told == []


async def test_after_a_restart_no_event_is_told_again(parts):
    for names in ("ab", "cd"):
        bus, reader = Bus(parts.database), Reader(parts)
        bus.subscribe("reader", ("batch.",), reader)
        await tell(parts, *names)
        await bus.start()
        await reader.has(*names)
        await bus.stop()
        assert reader.seen == list(names)


async def test_when_all_events_are_old_the_next_one_is_still_told(parts):
    """With every row deleted SQLite began its serials anew, below the cursors of the readers."""
    bus, reader = Bus(parts.database, Retention()), Reader(parts)
    bus.subscribe("reader", ("batch.",), reader)
    await bus.start()
    await tell(parts, "a", "b")
    await reader.has("a", "b")
    assert await bus.forget_old() == 1
    async with parts.database.read() as tx:
        assert (await tx.execute(select(EventRow.serial))).scalars().all() == [2]
    await tell(parts, "c")
    await reader.has("c")
    await bus.stop()


async def test_an_event_of_a_savepoint_that_was_undone_is_not_told(parts):
    """Neither to who listens at the commit, nor to a change that looks whether it was told already."""
    heard = []
    parts.database.listen("events", lambda news: heard.extend(row.resource_id for row in news or ()))
    async with parts.database.write() as tx:
        with pytest.raises(KeyError):
            async with savepoint(tx):
                await emit(tx, CONTEXT, Happening("undone"))
                raise KeyError
        assert "events" not in tx.info.get("signals", ())
        await emit(tx, CONTEXT, Happening("kept"))
        nested = await tx.begin_nested()
        await emit(tx, CONTEXT, Happening("undone as well"))
        await nested.rollback()
    assert heard == ["kept"]
    async with parts.database.read() as tx:
        assert (await tx.execute(select(EventRow.resource_id))).scalars().all() == ["kept"]


async def test_an_event_leaves_rows_that_are_still_being_made_as_they_are(parts):
    """As with the unit of work: nothing is written before it is whole."""
    async with parts.database.write() as tx:
        row = QuotaRow(project_id="p", service="s", resource="r", user_id="")
        tx.add(row)
        await emit(tx, CONTEXT, Happening("early"))
        row.hard_limit = 1
    async with parts.database.read() as tx:
        assert (await tx.execute(select(QuotaRow.hard_limit))).scalars().all() == [1]
