"""Steps that are not worth a commit: saved with the next one that is, done again after a crash, undone like all others."""

import asyncio

import pytest
from sqlalchemy import select, update

from cloudd.core import runner as runner_module
from cloudd.core.errors import Conflict
from cloudd.core.jobs import Job, Registry, Step, together
from cloudd.core.tables import JobRow
from cloudd.core.work.waits import Wait
from tests.unit.core.jobs.job_rooms import Killed, ask, made, row, running
from tests.waiting import until

TRACE: list[str] = []


def step(name, fails=False, brief=False, fails_again=False):
    async def do(run):
        TRACE.append(name)
        run.later(noted(run, name))
        if fails or (fails_again and TRACE.count(name) > 1):
            raise Conflict(f"{name} is broken")

    async def back(run):
        TRACE.append(f"-{name}")
    do.__name__ = name
    return Step(do, undo=back, brief=brief)


def noted(run, name):
    """A change of rows: here of the job's own, as good as any."""
    async def note(tx):
        found = (await tx.execute(select(JobRow.input).where(JobRow.id == run.row.id))).scalar_one()
        await tx.execute(update(JobRow).where(JobRow.id == run.row.id).values(input={**found, name: found.get(name, 0) + 1}))
    return note


BRIEF = Job("test.brief", [step("a", brief=True), step("b", brief=True), step("c"), step("d", brief=True), step("e")])
LATER = Job("test.brief_broken_later", [step("a", brief=True, fails_again=True), step("b", brief=True), step("c"), step("d")])
BROKEN = Job("test.brief_broken", [step("a"), step("b", brief=True), step("c", fails=True)])


@pytest.fixture
async def parts(tmp_path):
    TRACE.clear()
    async with made(tmp_path) as found:
        yield found


async def run_all(parts, probe=None):
    async with running(parts, probe=probe) as runner:
        await runner.settled(10)


async def test_a_brief_step_is_saved_with_the_next_one(parts):
    seen = []

    async def probe(run, name, when):
        if when == "saved":
            found = await row(parts, run.row.id)
            seen.append((name, found.state, found.step, sorted(found.input)))
    await ask(parts, "test.brief")
    await run_all(parts, probe)
    assert TRACE == ["a", "b", "c", "d", "e"]
    assert seen == [("b", "queued", 0, []), ("c", "queued", 0, []), ("d", "running", 3, ["a", "b", "c"]),
                    ("e", "running", 3, ["a", "b", "c"]), ("end", "done", 5, ["a", "b", "c", "d", "e"])]


@pytest.mark.parametrize("number", range(15))
async def test_killed_anywhere_each_change_is_written_once(parts, number):
    count = 0

    async def probe(run, name, when):
        nonlocal count
        count += 1
        if count == number + 1:
            raise Killed
    job = await ask(parts, "test.brief")
    async with running(parts, probe=probe):
        while (await row(parts, job)).state != "done" and count <= number:
            await parts.database.ping()
    await run_all(parts)
    ended = await row(parts, job)
    assert (ended.state, ended.step, ended.input) == ("done", 5, dict.fromkeys("abcde", 1))
    assert list(dict.fromkeys(TRACE)) == list("abcde")


async def test_a_job_that_is_turned_round_undoes_brief_steps_and_forgets_their_changes(parts):
    job = await ask(parts, "test.brief_broken")
    await run_all(parts)
    assert TRACE == ["a", "b", "c", "-c", "-b", "-a"]
    ended = await row(parts, job)
    assert (ended.state, ended.input) == ("failed", {"a": 1})


async def test_what_a_life_before_may_have_done_is_undone_though_the_first_of_its_steps_fails_now(parts):
    async def probe(run, name, when):
        if name == "c" and when == "begin":
            raise Killed
    job = await ask(parts, "test.brief_broken_later")
    async with running(parts, probe=probe):
        await until(lambda: _traced("b"))
    TRACE[:] = ["a"]
    await run_all(parts)
    assert TRACE == ["a", "a", "-c", "-b", "-a"]
    assert (await row(parts, job)).state == "failed"


async def _traced(name):
    return name in TRACE


async def test_that_it_runs_is_said_without_saying_that_a_brief_step_is_over(parts, monkeypatch):
    """Or its change would be lost with the daemon."""
    monkeypatch.setattr(runner_module, "BEGUN_SECONDS", 0.01)

    async def probe(run, name, when):
        if name == "c" and when == "begin":
            while (await row(parts, run.row.id)).state == "queued":  # noqa: ASYNC110 - what is waited for is in the database
                await asyncio.sleep(0)
            raise Killed
    job = await ask(parts, "test.brief")
    async with running(parts, probe=probe):
        await until(lambda: _is(parts, job, "running"))
    assert ((await row(parts, job)).step, (await row(parts, job)).input) == (0, {})
    await run_all(parts)
    assert (await row(parts, job)).input == dict.fromkeys("abcde", 1)


async def _is(parts, job, state):
    return (await row(parts, job)).state == state


@pytest.mark.parametrize("steps", [
    [step("a", brief=True)], [step("a"), step("b", brief=True)],
    [step("a", brief=True), Step(step("b").do, waits=lambda run: Wait(("x",), "r", 1))],
])
def test_what_must_be_saved_cannot_be_brief(steps):
    with pytest.raises(ValueError, match="must be saved"):
        Job("test.brief_never", steps)
    assert "test.brief_never" not in Registry


async def test_when_one_of_those_together_fails_the_others_have_ended():
    ended = []

    async def slow():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append("slow")

    async def broken():
        raise Conflict("told to fail")
    with pytest.raises(Conflict, match="told to fail"):
        await together(broken(), slow())
    assert ended == ["slow"]
