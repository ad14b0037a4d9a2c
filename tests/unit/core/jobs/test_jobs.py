"""Jobs: in order per lock, undone when they fail, gone on with after a crash."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from cloudd.core import events, jobs
from cloudd.core import runner as runner_module
from cloudd.core.context import Context
from cloudd.core.database import Base, Database
from cloudd.core.errors import Away, Conflict
from cloudd.core.events import Bus, Event, emit
from cloudd.core.jobs import Job, Step
from cloudd.core.outage import DatabaseDown
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.core.quotas import Quotas
from cloudd.core.runner import Runner
from cloudd.core.tables import JobRow
from tests.waiting import until

CONTEXT = Context(project_id="p", user_id="u", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
TRACE: list[str] = []


class Killed(BaseException):
    """The process ends here."""


def step(name, fails=False, undo=True):
    async def do(run):
        TRACE.append(name)
        run.memory[name] = run.memory.get(name, 0) + 1
        if fails:
            raise Conflict(f"{name} is broken")

    async def back(run):
        TRACE.append(f"-{name}")
    do.__name__ = name
    return Step(do, undo=back if undo else None)


async def on_fail(run, error):
    TRACE.append(f"fault: {error}")


GOOD = Job("test.good", [step("a"), step("b"), step("c")])
BAD = Job("test.bad", [step("a"), step("plain", undo=False), step("b", fails=True), step("c")], on_fail=on_fail)


@pytest.fixture
async def parts(tmp_path):
    TRACE.clear()
    database = Database(f"sqlite:///{tmp_path}/jobs.db")
    async with database._writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    made = Parts(None, database, Policies())
    yield made
    await database.close()


async def ask(parts, kind, locks=("x",)):
    async with parts.database.write() as tx:
        return await jobs.ask(tx, CONTEXT, kind, locks=locks)


async def run_all(parts, probe=None, limits=None):
    runner = Runner(parts, limits or {}, probe)
    await runner.start()
    await runner.settled(10)
    await runner.stop()


async def row(parts, job_id):
    async with parts.database.read() as tx:
        return (await tx.execute(select(JobRow).where(JobRow.id == job_id))).scalar()


async def test_steps_run_in_order_and_the_row_says_done(parts):
    job = await ask(parts, "test.good")
    await run_all(parts)
    assert TRACE == ["a", "b", "c"]
    done = await row(parts, job)
    assert (done.state, done.percent, done.memory) == ("done", 100, {"a": 1, "b": 1, "c": 1})


async def test_a_failed_step_is_undone_with_all_before_it_and_leaves_a_fault(parts):
    job = await ask(parts, "test.bad")
    await run_all(parts)
    assert TRACE == ["a", "plain", "b", "-b", "-a", "fault: b is broken"]
    failed = await row(parts, job)
    assert (failed.state, failed.error) == ("failed", "b is broken")


@pytest.mark.parametrize("kind", ["test.good", "test.bad"])
@pytest.mark.parametrize("number", range(12))
async def test_killed_anywhere_it_ends_as_if_never_killed(parts, kind, number):
    """The runner dies at its n-th probe; a new one, on the same database, ends the job."""
    count = 0

    async def probe(run, name, when):
        nonlocal count
        count += 1
        if count == number + 1:
            raise Killed
    job = await ask(parts, kind)
    runner = Runner(parts, probe=probe)
    await runner.start()
    while (await row(parts, job)).state not in ("done", "failed") and count <= number:
        await parts.database.ping()
    await runner.stop(grace=0.1)
    await run_all(parts)
    ended = await row(parts, job)
    assert ended.state == ("done" if kind == "test.good" else "failed")
    assert [name for name in dict.fromkeys(TRACE) if name in "abc"] == (["a", "b", "c"] if kind == "test.good" else ["a", "b"])
    if kind == "test.bad":
        assert TRACE[-1] == "fault: b is broken"
        assert TRACE.index("-b") < TRACE.index("-a")


@pytest.mark.parametrize("kind", ["test.good", "test.bad"])
@pytest.mark.parametrize("number", range(12))
async def test_without_its_database_for_a_while_it_ends_as_ever(parts, kind, number, monkeypatch):
    """At its n-th probe the database is away: the job goes on from its row when it is back, and no step counts as failed."""
    monkeypatch.setattr(runner_module, "RETRY_SECONDS", 0.01)
    count = 0

    async def probe(run, name, when):
        nonlocal count
        count += 1
        if count == number + 1:
            raise DatabaseDown("gone for a test")
    job = await ask(parts, kind)
    await run_all(parts, probe)
    ended = await row(parts, job)
    assert (ended.state, ended.error) == (("done", None) if kind == "test.good" else ("failed", "b is broken"))
    assert [name for name in dict.fromkeys(TRACE) if name in "abc"] == (["a", "b", "c"] if kind == "test.good" else ["a", "b"])


class Broken(Away, Exception):
    """As a driver says that what it drives does not answer."""


def away(times):
    """A step that needs something which is away so many times."""
    left = times

    async def look(run):
        nonlocal left
        TRACE.append("look")
        left -= 1
        if left >= 0:
            raise Broken("does not answer")
    return look


@pytest.mark.parametrize(("times", "patience", "state"), [(3, 10, "done"), (3, 0, "failed"), (1000, 0.1, "failed")])
async def test_a_step_waits_for_what_is_away_as_long_as_it_may(parts, monkeypatch, times, patience, state):
    monkeypatch.setattr(runner_module, "RETRY_SECONDS", 0.01)
    monkeypatch.delitem(jobs.Registry, "test.away", raising=False)
    Job("test.away", [step("a"), Step(away(times))], on_fail=on_fail)
    job = await ask(parts, "test.away")
    runner = Runner(parts, patience=patience)
    await runner.start()
    await runner.settled(10)
    await runner.stop()
    assert (await row(parts, job)).state == state
    if state == "done":
        assert ["a", *["look"] * 4] == TRACE
    else:
        assert TRACE[-2:] == ["-a", "fault: does not answer"] and ("look" in TRACE[2:]) is (patience > 0)


async def test_a_step_that_waits_is_cancelled_at_once(parts, monkeypatch):
    monkeypatch.delitem(jobs.Registry, "test.away", raising=False)
    Job("test.away", [step("a"), Step(away(1000))])
    job = await ask(parts, "test.away")
    runner = Runner(parts, patience=60)
    await runner.start()

    async def waits():
        return "look" in TRACE
    await until(waits)
    async with parts.database.write() as tx:
        await jobs.cancel(tx, "x")
    await runner.settled(1)
    await runner.stop()
    assert ((await row(parts, job)).state, TRACE) == ("cancelled", ["a", "look", "-a"])


async def test_jobs_are_begun_when_the_database_is_back(parts, monkeypatch):
    monkeypatch.setattr(runner_module, "RETRY_SECONDS", 0.01)
    job = await ask(parts, "test.good")
    runner = Runner(parts)
    schedule, left = runner._schedule, 3

    async def refuse():
        nonlocal left
        left -= 1
        if left > 0:
            raise DatabaseDown("gone for a test")
        await schedule()
    monkeypatch.setattr(runner, "_schedule", refuse)
    await runner.start()
    await runner.settled(10)
    await runner.stop()
    assert ((await row(parts, job)).state, TRACE) == ("done", ["a", "b", "c"])


async def test_a_job_whose_last_step_was_saved_by_an_older_cloudd_is_done(parts):
    job = await ask(parts, "test.good")
    async with parts.database.write() as tx:
        await tx.execute(update(JobRow).where(JobRow.id == job).values(state="running", step=len(GOOD.steps)))
    await run_all(parts)
    assert ((await row(parts, job)).state, TRACE) == ("done", [])


async def test_jobs_of_one_resource_run_one_after_the_other(parts):
    order = []

    async def probe(run, name, when):
        if when == "begin":
            order.append((run.row.id, name))
    first, second = await ask(parts, "test.good", ("x", "y")), await ask(parts, "test.good", ("y",))
    await run_all(parts, probe)
    assert [job for job, _ in order] == [first] * 3 + [second] * 3


async def test_a_cancelled_job_undoes_itself(parts):
    job = await ask(parts, "test.good")
    async with parts.database.write() as tx:
        assert await jobs.cancel(tx, "x") == 1
    await run_all(parts)
    assert (await row(parts, job)).state == "cancelled"
    assert TRACE == ["-a"]


async def test_events_come_in_order_and_again_when_the_reader_failed(parts):
    seen = []

    class Made(Event):
        name = "test.made"

    async def reader(tx, happened):
        seen.append(happened.resource_id)
        if len(seen) == 2:
            raise ConnectionError("not now")

    def had(count):
        async def enough():
            return len(seen) == count
        return enough
    bus = Bus(parts.database)
    bus.subscribe("reader", ("test.",), reader)
    for number in "123":
        async with parts.database.write() as tx:
            await emit(tx, CONTEXT, Made(number))
    await bus.start()
    await until(had(2))
    await bus.stop()
    second = Bus(parts.database)
    second.subscribe("reader", ("test.",), reader)
    await second.start()
    await until(had(4))
    await second.stop()
    assert seen == ["1", "2", "2", "3"]


async def test_events_are_told_when_the_database_is_back(parts, monkeypatch):
    monkeypatch.setattr(events, "RETRY_SECONDS", 0.01)
    seen = []

    class Made(Event):
        name = "test.made"

    async def reader(tx, happened):
        seen.append(happened.resource_id)
    bus = Bus(parts.database)
    bus.subscribe("reader", ("test.",), reader)
    tell, left = bus._tell, 3

    async def refuse(*arguments):
        nonlocal left
        left -= 1
        if left > 0:
            raise DatabaseDown("gone for a test")
        return await tell(*arguments)
    monkeypatch.setattr(bus, "_tell", refuse)
    async with parts.database.write() as tx:
        await emit(tx, CONTEXT, Made("1"))
    await bus.start()

    async def told():
        return seen == ["1"]
    await until(told)
    await bus.stop()


async def test_quotas_say_asked_used_and_limit(parts):
    async def count(tx, project_id):
        return {"cores": 18}
    quotas = Quotas("compute", {"cores": 20, "ram": -1}, count)
    async with parts.database.write() as tx:
        await quotas.require(tx, "p", cores=2, ram=10**9)
        with pytest.raises(Exception, match="Requested 3, but already used 18 of 20 cores"):
            await quotas.require(tx, "p", cores=3)
        await quotas.set(tx, "p", {"cores": 30})
        await quotas.require(tx, "p", cores=3)
        await quotas.reset(tx, "p")
        assert (await quotas.limits(tx, "p"))["cores"] == 20
