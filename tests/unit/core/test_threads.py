"""Threads for calls that block: those that hang hold up neither others nor the end of the process."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import libvirt
import pytest

from cloudd.core.work import threads
from cloudd.core.work.threads import Elastic, Places
from cloudd.drivers.hypervisor.base import HypervisorError
from cloudd.drivers.hypervisor.libvirt.connection import CALLS_OF_A_GUEST, Connection
from tests.waiting import until

DRIVERS = Path(threads.__file__).resolve().parents[2] / "drivers"


@pytest.fixture
def gate(monkeypatch):
    """What hung calls wait for; a call is slow soon."""
    monkeypatch.setattr(threads, "SLOW_SECONDS", 0.05)
    made = threading.Event()
    yield made
    made.set()


async def run(pool, call):
    return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(pool, call), 20)


async def test_twelve_calls_that_hang_keep_nobody_waiting(gate):
    pool = Elastic("test", 12)
    hung = [pool.submit(gate.wait) for _ in range(12)]
    assert await run(pool, lambda: "done") == "done"
    gate.set()
    assert all([await asyncio.wrap_future(future) for future in hung])
    pool.shutdown()


async def test_no_more_run_at_once_than_the_pool_has_while_they_are_quick(gate, monkeypatch):
    monkeypatch.setattr(threads, "SLOW_SECONDS", 60.0)
    pool, begun = Elastic("test", 2), []

    def call(number):
        begun.append(number)
        gate.wait()
    calls = [pool.submit(call, number) for number in range(4)]

    async def settled():
        return len(begun) >= 2
    await until(settled)
    assert sorted(begun) == [0, 1]
    gate.set()
    await asyncio.gather(*map(asyncio.wrap_future, calls))
    assert sorted(begun) == [0, 1, 2, 3]
    pool.shutdown()


async def test_what_a_call_raises_is_raised_and_threads_are_used_again():
    pool = Elastic("test", 2)

    def fail():
        raise ConnectionError("as told")
    for _ in range(20):
        with pytest.raises(ConnectionError, match="as told"):
            await run(pool, fail)
    assert pool._all <= 2
    pool.shutdown()


async def test_a_guest_has_no_more_calls_in_threads_than_its_places_and_others_have_theirs(gate):
    pool = Elastic("test", 2)
    places = Places(pool, 3)
    hung = [asyncio.ensure_future(places.run("hung", gate.wait)) for _ in range(10)]
    assert await asyncio.wait_for(places.run("other", lambda: "done"), 20) == "done"
    assert len(pool._since) == 3
    for call in hung:
        call.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    waiting = asyncio.ensure_future(places.run("hung", lambda: "done"))
    await places.run("other", lambda: None)
    assert not waiting.done(), "given up, but its threads are still there"
    gate.set()
    assert await asyncio.wait_for(waiting, 20) == "done"

    async def forgotten():
        return not places._places and not places._users
    await until(forgotten)
    pool.shutdown()


async def test_twelve_guests_that_hang_in_libvirt_keep_no_other_guest_waiting(gate):
    """Each with more calls than it may have; libvirt's own test driver stands for the daemon."""
    connection = Connection("test:///default", 12, lambda conn: None, lambda up: None)
    await connection.open()
    hung = [asyncio.ensure_future(connection.run(lambda conn, server: gate.wait(), f"guest-{number}"))
            for number in range(12) for _ in range(CALLS_OF_A_GUEST + 1)]
    assert await asyncio.wait_for(connection.run(lambda conn, server: conn.getType(), "another"), 20) == "TEST"
    assert await asyncio.wait_for(connection.run(lambda conn: conn.listDomainsID()), 20) == [1]

    def refuse(conn, server):
        raise libvirt.libvirtError("as told")
    with pytest.raises(HypervisorError):
        await connection.run(refuse, "another")
    gate.set()
    await asyncio.gather(*hung)
    await connection.close()


def test_a_process_ends_although_a_thread_hangs():
    code = ("import asyncio, threading\nfrom cloudd.core.work import threads\nthreads.CLOSE_SECONDS = 0.1\n"
            "async def main():\n"
            "    loop = asyncio.get_running_loop()\n"
            "    loop.set_default_executor(threads.Elastic('test', 1))\n"
            "    begun = threading.Event()\n"
            "    loop.run_in_executor(None, lambda: (begun.set(), threading.Event().wait()))\n"
            "    begun.wait()\n"
            "asyncio.run(main())\nprint('ended')\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "ended\n"


def test_no_driver_has_a_pool_that_calls_that_hang_can_exhaust():
    for path in DRIVERS.rglob("*.py"):
        assert "ThreadPoolExecutor" not in path.read_text(), f"{path}: use cloudd.core.work.threads.Elastic"
