"""The queue of jobs in memory: what a job costs, in which order jobs run, and that the queue and the table never differ."""

import asyncio

import pytest
from sqlalchemy import insert, update

from cloudd.core import jobs
from cloudd.core import runner as runner_module
from cloudd.core.jobs import Job, Step
from cloudd.core.outage import DatabaseDown
from cloudd.core.tables import JobRow
from cloudd.core.work.queue import Queue
from tests.unit.core.jobs.job_rooms import CONTEXT, Killed, all_rows, ask, made, row, running
from tests.waiting import until

TRACE = []
GATES = {}


async def note(run):
    TRACE.append(run.input.get("name", run.row.id))


async def wait_at_gate(run):
    TRACE.append(f"begin {run.input['name']}")
    await GATES.setdefault(run.input["name"], asyncio.Event()).wait()
    TRACE.append(f"end {run.input['name']}")

Job("queue.note", [Step(note)])
Job("queue.gate", [Step(wait_at_gate)])
Job("queue.limited", [Step(wait_at_gate)], limit=2)


@pytest.fixture
async def parts(tmp_path):
    TRACE.clear()
    GATES.clear()
    async with made(tmp_path) as ready:
        yield ready


async def seen(what):
    async def there():
        return what in TRACE
    await until(there)


def job(serial, *locks, kind="queue.note"):
    return JobRow(serial=serial, id=str(serial), kind=kind, locks=sorted(locks), state="queued")


def begun(queue):
    return [one.serial for one in queue.begin()]


def test_jobs_get_their_locks_in_the_order_of_their_serials():
    queue = Queue(lambda kind: None)
    rows = {serial: job(serial, *locks) for serial, locks in {1: "a", 2: "ab", 3: "b", 4: "c", 5: "abc"}.items()}
    for one in rows.values():
        queue.add(one)
    assert begun(queue) == [1, 4]
    queue.end(rows[4])
    assert begun(queue) == []
    queue.end(rows[1])
    assert begun(queue) == [2]
    queue.end(rows[2])
    assert begun(queue) == [3]
    queue.end(rows[3])
    assert begun(queue) == [5]
    queue.end(rows[5])
    assert len(queue) == 0 and not queue._locks._holders and not queue._locks._behind


def test_a_job_without_room_for_its_kind_keeps_its_place():
    queue = Queue(lambda kind: 1)
    rows = [job(1, "a"), job(2, "b"), job(3, "b", kind="queue.gate"), job(4, "d", kind="queue.gate")]
    for one in rows:
        queue.add(one)
    assert begun(queue) == [1, 4]
    queue.end(rows[3])
    assert begun(queue) == [], "the third has the second before it"
    queue.end(rows[0])
    assert begun(queue) == [2]
    queue.end(rows[1])
    assert begun(queue) == [3]


async def test_what_a_job_costs_does_not_depend_on_how_many_others_wait(parts):
    """The wake of a job read every open one: queries with 300 behind a lock, and without."""
    async with running(parts) as runner:
        async def queries():
            before = parts.database.queries
            TRACE.clear()
            await ask(parts, "queue.note", ("free",), name="cheap")
            await seen("cheap")
            return parts.database.queries - before
        await ask(parts, "queue.note", ("free",))
        await runner.settled()
        alone = await queries()
        async with parts.database.write() as tx:
            for number in range(300):
                await jobs.ask(tx, CONTEXT, "queue.gate", locks=["held"], name=str(number))
        await seen("begin 0")
        assert await queries() <= alone <= 3


async def test_a_job_of_one_step_is_one_insert_and_one_update(parts):
    async with running(parts) as runner:
        await ask(parts, "queue.note")
        await runner.settled()
        before = parts.database.queries
        done = await ask(parts, "queue.note")
        await runner.settled()
        assert parts.database.queries - before == 2
    ended = await row(parts, done)
    assert (ended.state, ended.percent) == ("done", 100) and ended.started_at and ended.finished_at


async def test_a_job_that_was_rolled_back_with_its_savepoint_is_not_run(parts):
    async with running(parts) as runner:
        async with parts.database.write() as tx:
            await jobs.ask(tx, CONTEXT, "queue.note", locks=["x"], name="kept")
            nested = await tx.begin_nested()
            await jobs.ask(tx, CONTEXT, "queue.note", locks=["y"], name="gone")
            await nested.rollback()
        await runner.settled()
    assert TRACE == ["kept"]


async def test_what_is_merged_into_a_job_that_runs_already_is_done_after_it(parts):
    """The job has read the rows, but its row still says queued: who merges into it now must not be forgotten."""
    async with running(parts) as runner:
        first = await ask(parts, "queue.gate", name="gate", merge=True)
        await seen("begin gate")
        assert (await row(parts, first)).state == "queued"
        assert await ask(parts, "queue.gate", name="gate", merge=True) == first
        assert await ask(parts, "queue.gate", name="gate", merge=True) == first
        GATES["gate"].set()
        await runner.settled()
    assert TRACE == ["begin gate", "end gate"] * 2
    assert [one.state for one in await all_rows(parts)] == ["done", "done"]


async def test_a_job_whose_first_step_takes_long_is_seen_to_run(parts, monkeypatch):
    monkeypatch.setattr(runner_module, "BEGUN_SECONDS", 0.01)
    async with running(parts) as runner:
        first = await ask(parts, "queue.gate", name="gate", merge=True)

        async def runs():
            return (await row(parts, first)).state == "running"
        await until(runs)
        assert await ask(parts, "queue.gate", name="gate", merge=True) != first
        GATES["gate"].set()
        await runner.settled()
    assert [one.state for one in await all_rows(parts)] == ["done", "done"] and len(TRACE) == 4


async def test_what_is_merged_into_a_job_that_has_not_begun_is_done_with_it(parts):
    async with running(parts) as runner:
        await ask(parts, "queue.gate", name="gate")
        await seen("begin gate")
        second = await ask(parts, "queue.note", name="note", merge=True)
        assert await ask(parts, "queue.note", name="note", merge=True) == second
        GATES["gate"].set()
        await runner.settled()
    assert TRACE == ["begin gate", "end gate", "note"]


async def test_what_is_merged_into_a_job_that_then_fails_is_still_done(parts, monkeypatch):
    failures = ["once"]

    async def fail_once(run):
        TRACE.append("try")
        await GATES.setdefault("fail", asyncio.Event()).wait()
        if failures:
            raise ConnectionError(failures.pop())
    monkeypatch.delitem(jobs.Registry, "queue.fails", raising=False)
    Job("queue.fails", [Step(fail_once)])
    async with running(parts) as runner:
        await ask(parts, "queue.fails", merge=True)
        await seen("try")
        await ask(parts, "queue.fails", merge=True)
        GATES["fail"].set()
        await runner.settled()
    assert TRACE == ["try", "try"]
    assert [one.state for one in await all_rows(parts)] == ["failed", "done"]


async def test_killed_in_its_first_step_a_job_begins_again_with_what_was_merged_into_it(parts):
    async def probe(run, name, when):
        if when == "done":
            raise Killed
    async with running(parts, probe=probe):
        first = await ask(parts, "queue.gate", name="gate", merge=True)
        await seen("begin gate")
        await ask(parts, "queue.gate", name="gate", merge=True)
        GATES["gate"].set()
        await seen("end gate")
    async with running(parts) as runner:
        await runner.settled()
    assert TRACE == ["begin gate", "end gate"] * 2
    assert [(one.id, one.state) for one in await all_rows(parts)] == [(first, "done")]


async def test_a_kind_runs_no_more_at_once_than_its_limit_and_settings_override_it(parts):
    for limits, most in (({}, 2), ({"queue.limited": 3}, 3)):
        TRACE.clear()
        GATES.clear()
        async with running(parts, limits=limits) as runner:
            for name in "abcd":
                await ask(parts, "queue.limited", (name,), name=name)
            await seen(f"begin {'abcd'[most - 1]}")
            assert [f"begin {name}" for name in "abcd"[:most]] == TRACE
            for name in "abcd":
                GATES.setdefault(name, asyncio.Event()).set()
            await runner.settled()


async def test_a_job_that_another_process_queued_is_found(parts, monkeypatch):
    values = {"kind": "queue.note", "locks": ["x"], "request_id": "r", "state": "queued", "step": 0, "percent": 0, "memory": {},
              "cancel": False, "created_at": CONTEXT.now()}
    monkeypatch.setattr(runner_module, "LOOK_SECONDS", 0.01)
    async with running(parts) as runner:
        await runner.settled()
        async with parts.database.write() as tx:
            await tx.execute(insert(JobRow).values(id="other", input={"name": "other"}, **values))
        parts.database.changed_outside()
        await runner.settled()
        async with parts.database.write() as tx:
            await tx.execute(insert(JobRow).values(id="another", input={"name": "another"}, **values))
        await ask(parts, "queue.note", ("y",), name="ours")
        await seen("another")
        await seen("ours")
    assert set(TRACE) == {"other", "another", "ours"}


async def test_a_job_that_is_asked_for_does_not_wait_for_a_look_at_the_table(parts, monkeypatch):
    async with running(parts) as runner:
        await runner.settled()
        monkeypatch.setattr(runner_module, "LOOK_SECONDS", -1)
        monkeypatch.setattr(runner, "_look", asyncio.Event().wait)
        await ask(parts, "queue.note", ("x",), name="ours")
        await seen("ours")


async def test_a_job_whose_commit_was_cut_off_is_run_if_it_is_there(parts, monkeypatch):
    """The connection broke while the commit was answered: nobody was told, but the row is there."""
    async with running(parts) as runner:
        await runner.settled()
        commit = parts.database._writer.sync_engine.dialect.do_commit

        def cut_off(connection):
            monkeypatch.undo()
            commit(connection)
            raise ConnectionError("cut off")
        with pytest.raises(ConnectionError):
            async with parts.database.write() as tx:
                await jobs.ask(tx, CONTEXT, "queue.note", locks=["x"], name="there")
                await tx.flush()
                monkeypatch.setattr(parts.database._writer.sync_engine.dialect, "do_commit", cut_off)
        await runner.settled()
    assert TRACE == ["there"]


async def test_a_job_that_waits_for_its_database_keeps_its_locks(parts, monkeypatch):
    monkeypatch.setattr(runner_module, "RETRY_SECONDS", 0.01)
    down = [1, 1, 1]

    async def probe(run, name, when):
        if run.input["name"] == "gate" and when == "done" and down:
            down.pop()
            raise DatabaseDown("gone for a test")
    async with running(parts, probe=probe) as runner:
        GATES["gate"] = asyncio.Event()
        GATES["gate"].set()
        await ask(parts, "queue.gate", name="gate")
        await ask(parts, "queue.note", name="second")
        await runner.settled()
    assert TRACE == ["begin gate", "end gate"] * 4 + ["second"]


async def test_all_jobs_of_a_resource_are_cancelled_those_that_have_not_begun_too(parts):
    async with running(parts) as runner:
        first, second = await ask(parts, "queue.gate", name="gate"), await ask(parts, "queue.note", name="note")
        await seen("begin gate")
        async with parts.database.write() as tx:
            assert await jobs.cancel(tx, "x") == 2
        GATES["gate"].set()
        await runner.settled()
    assert TRACE == ["begin gate", "end gate"]
    assert [(await row(parts, one)).state for one in (first, second)] == ["done", "cancelled"]


async def test_jobs_that_had_begun_have_their_locks_before_all_others_after_a_restart(parts):
    ids = [await ask(parts, "queue.gate", name=name) for name in "ab"]
    async with parts.database.write() as tx:
        await tx.execute(update(JobRow).where(JobRow.id == ids[1]).values(state="running"))
    async with running(parts):
        await seen("begin b")
        assert TRACE == ["begin b"]
