"""Guests that stand still for a moment go on whatever happens, and nobody takes them for paused."""

import asyncio
from pathlib import Path

import libvirt
import pytest

from cloudd.drivers.hypervisor.base import DomainNotFound, DomainState, DomainStatus, EventKind, HypervisorDown, HypervisorError, TooLong
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.libvirt import moments, volumes
from cloudd.drivers.hypervisor.libvirt.events import Events

PAUSED = (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED)
RESUMED = (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED)


class Machine:
    """Stands for the connection: guests by id, and what is wrong with a call."""

    def __init__(self, events: Events):
        self.states = {"one": DomainState.RUNNING, "two": DomainState.RUNNING, "paused": DomainState.PAUSED}
        self.events, self.wrong, self.frozen = events, {}, set()

    async def run(self, call, server_id: str, mark: Path | None = None):
        await asyncio.sleep(0)
        if (errors := self.wrong.get((call.__name__, server_id))):
            raise errors.pop(0)
        return getattr(self, call.__name__)(server_id, mark)

    def hold(self, server_id, mark):
        if self.states[server_id] is not DomainState.RUNNING:
            return False
        mark.touch()
        self.states[server_id] = DomainState.PAUSED
        self.events._tell(server_id, *PAUSED)
        return True

    def go_on(self, server_id, mark):
        if self.states[server_id] is DomainState.PAUSED:
            self.states[server_id] = DomainState.RUNNING
            self.events._tell(server_id, *RESUMED)

    def freeze(self, server_id, mark):
        mark.touch()
        self.frozen.add(server_id)
        return True

    def thaw(self, server_id, mark):
        self.frozen.discard(server_id)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(moments, "RETRY_SECONDS", 0)
    events = Events(lambda server_id: True)
    layout = Layout(tmp_path / "i", tmp_path / "c", tmp_path / "run")
    layout.run.mkdir()
    made = Machine(events)
    made.volumes = volumes.LibvirtVolumes("cloud", layout, made, events)
    made.layout, made.heard = layout, events.feed.listen()
    return made


def told(machine) -> list[EventKind]:
    heard = []
    while not machine.heard._queue.empty():
        heard.append(machine.heard._queue.get_nowait().kind)
    return heard


async def test_a_guest_that_stands_still_is_told_of_as_running_and_nobody_hears_of_it(machine):
    async def work():
        seen = machine.volumes.moments.seen(DomainStatus("one", machine.states["one"]))
        return machine.states["one"], seen.state, sorted(machine.frozen)
    result, rested = await machine.volumes.still(("one", "paused"), work, at_most=30)
    assert result == (DomainState.PAUSED, DomainState.RUNNING, ["one", "paused"]) and rested == {"one", "paused"}
    assert machine.states == {"one": DomainState.RUNNING, "two": DomainState.RUNNING, "paused": DomainState.PAUSED}
    assert told(machine) == [] and not machine.frozen and not list(machine.layout.run.iterdir())
    machine.hold("one", machine.layout.run / "x")
    machine.go_on("one", None)
    assert told(machine) == [EventKind.PAUSED, EventKind.RESUMED]


@pytest.mark.parametrize("method, error", [("hold", HypervisorError("no answer")), ("freeze", DomainNotFound("two"))])
async def test_all_go_on_when_one_of_them_cannot_be_held(machine, method, error):
    machine.wrong[method, "two"] = [error]
    with pytest.raises(type(error)):
        await machine.volumes.still(("one", "two"), asyncio.Event().wait, at_most=30)
    assert machine.states["one"] is machine.states["two"] is DomainState.RUNNING
    assert not machine.frozen and told(machine) == []
    machine.hold("two", machine.layout.run / "x")
    assert told(machine) == [EventKind.PAUSED]


async def test_they_go_on_before_what_takes_too_long_has_ended(machine):
    stopped = []

    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(machine.states["one"])
            raise
    with pytest.raises(TooLong):
        await machine.volumes.still(("one",), work, at_most=0.01)
    assert stopped == [DomainState.RUNNING]


async def test_they_go_on_when_libvirt_was_away(machine):
    machine.wrong["go_on", "one"] = [HypervisorDown("gone"), HypervisorDown("gone")]
    machine.wrong["thaw", "one"] = [HypervisorDown("gone")]
    nothing = asyncio.Event()
    nothing.set()
    await machine.volumes.still(("one",), nothing.wait, at_most=30)
    assert machine.states["one"] is DomainState.RUNNING and not machine.frozen


async def test_they_go_on_when_the_caller_is_cancelled(machine):
    begun = asyncio.Event()

    async def work():
        begun.set()
        await asyncio.Event().wait()
    task = asyncio.ensure_future(machine.volumes.still(("one", "two"), work, at_most=30))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert machine.states["one"] is machine.states["two"] is DomainState.RUNNING and not machine.frozen


async def test_what_a_killed_daemon_held_goes_on_at_its_next_start(machine):
    machine.hold("one", machine.layout.run / "one.paused")
    machine.freeze("two", machine.layout.run / "two.frozen")
    machine.wrong["thaw", "two"] = [DomainNotFound("two")]
    await machine.volumes.moments.heal()
    assert machine.states["one"] is DomainState.RUNNING and not list(machine.layout.run.iterdir())
