"""Jobs that wait for an event of a resource: nothing is missed, nothing polls, and a restart changes nothing."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from cloudd.cli import jobs as cli_jobs
from cloudd.core import clock, jobs
from cloudd.core import runner as runner_module
from cloudd.core.database import Database
from cloudd.core.events import Bus, Event, emit
from cloudd.core.jobs import Job, Step
from cloudd.core.outage import DatabaseDown
from cloudd.core.tables import EventRow, JobRow
from cloudd.core.work.waits import Wait
from tests.unit.core.jobs.job_rooms import CONTEXT, Killed, ask, made, row, running
from tests.waiting import until

TRACE = []
BEFORE = []
"""What is to happen within the step, before it waits."""


class Ready(Event):
    name = "thing.ready"


class Failed(Event):
    name = "thing.failed"


async def begin(run):
    TRACE.append("begin")
    while BEFORE:
        await BEFORE.pop()(run)


async def undo(run):
    TRACE.append("-begin")


async def after(run):
    TRACE.append(f"after {run.event['name']} {run.event['payload']['resource_id']}")


async def on_fail(run, error):
    TRACE.append(f"fault: {error}")


def for_thing(run):
    return Wait(("thing.ready", "thing.failed"), run.input["thing"], run.input.get("seconds", 60), run.input.get("match", {}),
                hold=run.input.get("hold", True))


Job("waits.thing", [Step(begin, undo=undo, waits=for_thing), Step(after)], on_fail=on_fail)
Job("waits.last", [Step(begin, waits=for_thing)])
Job("waits.other", [Step(begin)])


@pytest.fixture
async def parts(tmp_path):
    TRACE.clear()
    BEFORE.clear()
    async with made(tmp_path) as ready:
        yield ready


async def tell(parts, event):
    async with parts.database.write() as tx:
        await emit(tx, CONTEXT, event)


async def waiting(parts, job_id):
    async def waits():
        return (await row(parts, job_id)).state == "waiting"
    await until(waits)


@pytest.mark.parametrize(("kind", "trace"), [("waits.thing", ["begin", "after thing.ready t"]), ("waits.last", ["begin"])])
async def test_a_job_goes_on_when_its_event_comes(parts, kind, trace):
    async with running(parts) as runner:
        job = await ask(parts, kind, thing="t")
        await waiting(parts, job)
        await runner.settled()
        await tell(parts, Ready("other"))
        await runner.settled()
        assert (await row(parts, job)).state == "waiting"
        await tell(parts, Ready("t"))
        await runner.settled()
    done = await row(parts, job)
    assert (done.state, done.percent, done.waits, TRACE) == ("done", 100, None, trace)
    assert done.memory["event"]["name"] == "thing.ready"


async def test_an_event_that_came_between_the_asking_and_the_waiting_counts(parts):
    async def at_once(run):
        await tell(run.parts, Ready("t"))
    BEFORE.append(at_once)
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await runner.settled()
    assert ((await row(parts, job)).state, TRACE) == ("done", ["begin", "after thing.ready t"])


async def test_an_event_of_before_the_job_does_not_count(parts):
    await tell(parts, Ready("t"))
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)
        await runner.settled()
        assert TRACE == ["begin"]


@pytest.mark.parametrize("event", [Ready("t", ), Failed("t")])
async def test_any_of_several_events_ends_the_waiting(parts, event):
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)
        await tell(parts, event)
        await runner.settled()
    assert ["begin", f"after {event.name} t"] == TRACE


async def test_an_event_must_have_the_values_that_were_asked_for(parts):
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t", match={"resource_id": ["u", "t"], "state": "up"})
        await waiting(parts, job)
        await tell(parts, Ready("t"))
        await runner.settled()
        assert (await row(parts, job)).state == "waiting"
        async with parts.database.write() as tx:
            tx.add(up := EventRow(name="thing.ready", resource_id="t", payload={"resource_id": "t", "state": "up"},
                                  created_at=CONTEXT.now()))
            jobs.signal(tx, "events", up)
        await runner.settled()
    assert (await row(parts, job)).state == "done"


@pytest.mark.parametrize("when", ["while no daemon runs", "before the restart has ended"])
async def test_a_waiting_survives_a_restart_and_misses_nothing(parts, when):
    async with running(parts):
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)
    if when == "while no daemon runs":
        await tell(parts, Ready("t"))
    async with running(parts) as runner:
        await runner.settled()
        if when != "while no daemon runs":
            await tell(parts, Ready("t"))
            await runner.settled()
    assert ((await row(parts, job)).state, TRACE) == ("done", ["begin", "after thing.ready t"])


@pytest.mark.parametrize("event", ["before", "after"])
@pytest.mark.parametrize("number", range(6))
async def test_killed_anywhere_a_job_that_waits_ends_as_if_never_killed(parts, number, event):
    """At its n-th probe the process ends; the event comes within the step, or when all is still."""
    count = 0

    async def probe(run, name, when):
        nonlocal count
        count += 1
        if count == number + 1:
            raise Killed

    async def at_once(run):
        await tell(run.parts, Ready("t"))
    if event == "before":
        BEFORE.append(at_once)
    async with running(parts, probe=probe) as runner:
        job = await ask(parts, "waits.thing", thing="t")

        async def still():
            return count > number or runner._idle.is_set()
        await until(still)
    async with running(parts) as runner:
        await runner.settled()
        if event == "after":
            await tell(parts, Ready("t"))
            await runner.settled()
    ended = await row(parts, job)
    assert (ended.state, TRACE[-1]) == ("done", "after thing.ready t")


@pytest.mark.parametrize("how", ["at once", "over a restart", "with the event at the last moment"])
async def test_at_its_deadline_a_job_ends_with_what_it_waited_for(parts, how):
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t", match={"state": "up"} if how == "over a restart" else {},
                        seconds=3600 if how == "over a restart" else 0.3)
        await waiting(parts, job)
        if how == "with the event at the last moment":           # nobody was told, as when a commit was cut off
            async with parts.database.write() as tx:
                tx.add(EventRow(name="thing.ready", resource_id="t", payload={"resource_id": "t"}, created_at=CONTEXT.now()))
        if how != "over a restart":
            async def over():
                return (await row(parts, job)).state in ("done", "failed")
            await until(over)
    if how == "over a restart":
        ended = await row(parts, job)
        past = {**ended.waits, "until": (clock.now() - timedelta(seconds=1)).isoformat()}
        async with parts.database.write() as tx:
            await tx.execute(update(JobRow).where(JobRow.id == job).values(waits=past))
        async with running(parts) as runner:
            async def failed():
                return (await row(parts, job)).state == "failed"
            await until(failed)
            await runner.settled()
    ended = await row(parts, job)
    if how == "with the event at the last moment":
        assert (ended.state, TRACE) == ("done", ["begin", "after thing.ready t"])
        return
    words = {"at once": "Waited 0.3 seconds for thing.ready or thing.failed of t, which did not come.",
             "over a restart": "Waited 3600 seconds for thing.ready or thing.failed of t, state up, which did not come."}[how]
    assert (ended.state, ended.error, ended.waits) == ("failed", words, None)
    assert ["begin", "-begin", f"fault: {words}"] == TRACE


@pytest.mark.parametrize("restart", [False, True])
async def test_a_job_is_cancelled_while_it_waits(parts, restart):
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)
        if not restart:
            async with parts.database.write() as tx:
                assert await jobs.cancel(tx, "x") == 1
            await runner.settled()
    if restart:
        async with parts.database.write() as tx:
            assert await jobs.cancel(tx, "x") == 1
        async with running(parts) as runner:
            await runner.settled()
    assert (await row(parts, job)).state == "cancelled"
    assert TRACE == ["begin", "-begin", "fault: cancelled"]


async def test_cancelled_on_its_way_to_rest_a_job_does_not_wait(parts):
    async def probe(run, name, when):
        if when == "saved" and run.row.state == "waiting":
            async with parts.database.write() as tx:
                await jobs.cancel(tx, "x")
    async with running(parts, probe=probe) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await runner.settled()
    assert (await row(parts, job)).state == "cancelled"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("hold", [True, False])
async def test_a_waiting_job_holds_its_locks_if_it_says_so(parts, hold, restart):
    async with running(parts) as runner:
        job = await ask(parts, "waits.thing", thing="t", hold=hold)
        await waiting(parts, job)
        await runner.settled()
        if not restart:
            other = await ask(parts, "waits.other")
            await _held(parts, runner, job, other, hold)
    if restart:
        other = await ask(parts, "waits.other")
        async with running(parts) as runner:
            await _held(parts, runner, job, other, hold)


async def _held(parts, runner, job, other, hold):
    if hold:
        await tell(parts, Ready("t"))
        await runner.settled()
        assert TRACE == ["begin", "after thing.ready t", "begin"]
    else:
        await runner.settled()
        assert ((await row(parts, other)).state, (await row(parts, job)).state) == ("done", "waiting")
        await tell(parts, Ready("t"))
        await runner.settled()
    assert {(await row(parts, one)).state for one in (job, other)} == {"done"}


async def test_a_waiting_job_takes_no_room_from_its_kind(parts):
    async with running(parts, limits={"waits.thing": 1}) as runner:
        ids = [await ask(parts, "waits.thing", (name,), thing=name) for name in "ab"]
        for job in ids:
            await waiting(parts, job)
        for name in "ab":
            await tell(parts, Ready(name))
        await runner.settled()
    assert {(await row(parts, job)).state for job in ids} == {"done"}


async def test_a_thousand_that_wait_cost_no_query(parts):
    async with running(parts) as runner:
        async with parts.database.write() as tx:
            for number in range(1000):
                await jobs.ask(tx, CONTEXT, "waits.thing", locks=[str(number)], thing=f"t{number}")
        await runner.settled(60)
        bus = Bus(parts.database)
        await bus.start()
        async with parts.database.read() as tx:
            states = list((await tx.execute(select(JobRow.state))).scalars())
        assert states == ["waiting"] * 1000
        before = parts.database.queries
        await tell(parts, Ready("nobody waits for it"))
        await ask(parts, "waits.other", ("free",))
        await runner.settled()
        assert parts.database.queries - before <= 6
        assert len(runner._waits) == 1000
        await tell(parts, Ready("t500"))
        await runner.settled()
        assert len(runner._waits) == 999
        await bus.stop()


@pytest.mark.parametrize("number", range(8))
async def test_without_its_database_for_a_while_a_waiting_job_ends_as_ever(parts, number, monkeypatch):
    monkeypatch.setattr(runner_module, "RETRY_SECONDS", 0.01)
    count = 0

    async def probe(run, name, when):
        nonlocal count
        count += 1
        if count == number + 1:
            raise DatabaseDown("gone for a test")
    async with running(parts, probe=probe) as runner:
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)
        await asyncio.wait_for(runner._idle.wait(), 10)
        await tell(parts, Ready("t"))
        await runner.settled()
    ended = await row(parts, job)
    assert (ended.state, TRACE[-1]) == ("done", "after thing.ready t")


async def test_the_command_says_what_a_job_waits_for(parts, capsys, monkeypatch):
    async with running(parts):
        job = await ask(parts, "waits.thing", thing="t")
        await waiting(parts, job)

    async def any_schema(database):
        pass
    monkeypatch.setattr(Database, "check_schema", any_schema)
    settings = SimpleNamespace(database=SimpleNamespace(url=parts.database.url))
    monkeypatch.setattr(cli_jobs, "Database", lambda url: Database(f"sqlite:///{url.database}"))
    assert await cli_jobs.show(settings, finished=False) == 0
    shown = capsys.readouterr().out.splitlines()[1]
    until_when = (await row(parts, job)).waits["until"][:19].replace("T", " ")
    assert shown.split()[2:6] == ["waits.thing", "x", "waiting", "0"]
    assert shown.endswith(f"waits for thing.ready or thing.failed of t until {until_when}")
