"""Deadlines: whatever hangs is given up, by a name that is told."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloudd import daemon
from cloudd.core.errors import Conflict
from cloudd.core.jobs import Job, Registry, Step
from cloudd.core.tasks import to_the_end
from cloudd.core.work import deadlines
from cloudd.core.work.deadlines import SECONDS, Deadlines
from cloudd.drivers.hypervisor.base import Consoles, Disks, Hypervisor, Volumes
from cloudd.drivers.network.base import NetworkDriver
from cloudd.drivers.store.base import Store, Writer
from cloudd.drivers.volume.base import Disk, VolumeDriver
from tests.unit.core.jobs.job_rooms import ask, made, row, running

assert daemon                            # it knows every module, and they know every job
KINDS = [(Hypervisor, "hypervisor"), (Disks, "hypervisor.disks"), (Consoles, "hypervisor.consoles"), (Volumes, "hypervisor.volumes"),
         (NetworkDriver, "network"),
         (Store, "store"), (Writer, "store"), (VolumeDriver, "volume"), (Disk, "volume")]


class Broken(Exception):
    """As a driver says what is wrong."""


class Pen(ABC):
    @abstractmethod
    async def write(self) -> str: ...


class Thing(ABC):
    @abstractmethod
    async def work(self, what: str) -> str: ...

    @abstractmethod
    def read(self) -> AsyncIterator[int]: ...

    @abstractmethod
    async def pen(self) -> Pen: ...

    @abstractmethod
    def plain(self) -> str: ...


class RealPen(Pen):
    async def write(self):
        await asyncio.Event().wait()


class RealThing(Thing):
    closed = False

    async def work(self, what):
        if what == "hang":
            await asyncio.Event().wait()
        if what == "stubborn":
            await to_the_end(asyncio.get_running_loop().create_future())
        if what == "fail":
            raise Conflict("as told")
        if what == "late":
            raise TimeoutError("its own")
        return what

    async def read(self):
        try:
            yield 1
            yield 2
            await asyncio.Event().wait()
        finally:
            self.closed = True

    async def pen(self):
        return RealPen()

    def plain(self):
        return "plain"


@pytest.fixture
def thing(monkeypatch):
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.05)
    return Deadlines({"store": 0.2, "store.read": 0.2, "store.write": 0.1}).guard(RealThing(), Thing, "store", Broken, makes=Pen)


@pytest.mark.parametrize("what", ["hang", "stubborn"])
async def test_a_call_that_hangs_is_given_up_and_named_even_one_that_cannot_be_cancelled(thing, what):
    with pytest.raises(Broken, match=r"^the call store.work did not end within 0.2 seconds and was given up$"):
        await asyncio.wait_for(thing.work(what), 20)


async def test_what_a_call_returns_and_raises_comes_through(thing):
    assert (await thing.work("fine"), thing.plain()) == ("fine", "plain")
    for what, kind in (("fail", Conflict), ("late", TimeoutError)):
        with pytest.raises(kind):
            await thing.work(what)


async def test_a_stream_is_given_up_when_its_next_chunk_does_not_come(thing):
    seen = []
    with pytest.raises(Broken, match=r"store.read did not end"):
        async for number in thing.read():
            seen.append(number)
    assert seen == [1, 2] and thing.closed


async def test_a_reader_that_leaves_closes_the_stream(thing):
    stream = thing.read()
    assert await anext(stream) == 1
    await stream.aclose()
    assert thing.closed


async def test_what_a_call_makes_has_its_deadlines_too(thing):
    pen = await thing.pen()
    with pytest.raises(Broken, match=r"store.write did not end within 0.1 seconds"):
        await pen.write()


def test_a_name_has_the_deadline_of_its_longest_beginning():
    table = Deadlines({"hypervisor.start": 5})
    assert table.of("hypervisor.start") == 5
    assert table.of("hypervisor.pause") == SECONDS["hypervisor"]
    assert table.of("hypervisor.disks.link_image") == SECONDS["hypervisor.disks"]
    with pytest.raises(LookupError):
        table.of("kitchen.sink")


@pytest.mark.parametrize("kind", sorted(kind for kind in Registry if kind.split(".")[0] in ("compute", "network", "image", "block")))
def test_every_step_has_a_deadline(kind):
    for step in Registry[kind].steps:
        assert f"step.{step.deadline}" in SECONDS, f"{kind}: {step.name}"


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_call_of_a_driver_has_a_deadline_that_ends_before_the_longest_step(kind, name):
    for method in kind.__abstractmethods__:
        assert 0 < Deadlines().of(f"{name}.{method}") <= SECONDS["step.transfer"]


def test_every_name_of_the_table_is_that_of_a_step_or_of_a_call():
    calls = {f"{name}.{method}" for kind, name in KINDS for method in kind.__abstractmethods__}
    groups = {"hypervisor", "hypervisor.disks", "hypervisor.consoles", "hypervisor.volumes", "network", "store", "volume"}
    steps = {f"step.{step.deadline}" for job in Registry.values() for step in job.steps} | {"step.fault"}
    assert set(SECONDS) <= calls | groups | steps


@pytest.fixture
async def parts(tmp_path):
    async with made(tmp_path) as ready:
        yield ready


@pytest.mark.parametrize("where", ["step", "undo", "fault"])
async def test_a_job_whose_step_its_undoing_or_its_fault_hangs_ends_and_names_the_call(parts, where, monkeypatch):
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.05)
    parts.deadlines = Deadlines({"step.machine": 0.2, "step.fault": 0.2})
    guarded, told = Deadlines().guard(RealThing(), Thing, "store", Broken), []

    async def hang(run):
        await guarded.work("hang")

    async def fail(run):
        raise Conflict("as told")

    async def on_fail(run, error):
        told.append(str(error))
        if where == "fault" and len(told) == 1:
            await guarded.work("hang")
    monkeypatch.delitem(Registry, "deadlines.test", raising=False)
    Job("deadlines.test", [Step(hang if where == "step" else fail, undo=hang if where == "undo" else None)],
        on_fail=on_fail)
    async with running(parts) as runner:
        job = await ask(parts, "deadlines.test")
        await runner.settled()
    ended = await row(parts, job)
    words = "hang did not end within 0.2 seconds and was given up. It was in store.work." if where == "step" else "as told"
    assert (ended.state, ended.error, set(told)) == ("failed", words, {words})


def test_the_page_for_operators_lists_every_deadline():
    page = (Path(daemon.__file__).resolve().parents[1] / "docs" / "jobs.md").read_text()
    for name, seconds in SECONDS.items():
        assert f"| `{name}` | {seconds:g} |" in page, name
