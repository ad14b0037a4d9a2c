"""A boot does several things at once: when one of them fails the others are undone, and a daemon killed in their midst goes on."""

import asyncio

import pytest

from cloudd.compute.boot import spec as boot_spec
from cloudd.core.errors import Conflict
from cloudd.core.runner import Runner
from cloudd.drivers.hypervisor.base import HypervisorError
from cloudd.drivers.network.base import NetworkDriver, NetworkDriverError
from tests.fault.house import Killed, build
from tests.fault.scenes import create

C = "/compute/v2.1"


@pytest.fixture
async def house(tmp_path):
    made = await build(tmp_path)
    yield made
    await made.stop()


def network(house):
    return house.cloud.parts.driver(NetworkDriver)


def before(monkeypatch, driver, method, breaks):
    """`breaks()` is awaited when the driver's method is called, once."""
    real, left = getattr(driver, method), [breaks]

    async def call(*args, **kwargs):
        if left:
            await left.pop()()
        return await real(*args, **kwargs)
    monkeypatch.setattr(driver, method, call)


def after_its_taps(monkeypatch, house, breaks):
    """`breaks()` is awaited when the taps have been plugged and the rest of the start goes on."""
    driver, plugged = house.driver, asyncio.Event()
    start, plug = driver.start, network(house).plug

    async def plugs(port_id):
        await plug(port_id)
        plugged.set()

    async def starts(server_id, **options):
        await start(server_id, **options)
        if breaks:
            async with asyncio.timeout(10):
                await plugged.wait()
            await breaks.pop()()
    monkeypatch.setattr(network(house), "plug", plugs)
    monkeypatch.setattr(driver, "start", starts)


async def require_nothing_left(house, server, words):
    shown = (await house.cloud.admin.get(f"{C}/servers/{server}")).body["server"]
    assert (shown["status"], words in shown["fault"]["message"]) == ("ERROR", True), shown["fault"]
    assert await house.domain(server) is None
    assert server not in await house.driver.disks.owners()
    assert await house.ports(server) == ["DOWN"]
    assert not await network(house).plugged() & set(await house.ports(server, "id"))


async def test_a_start_that_fails_when_its_taps_are_plugged_unplugs_them(house, monkeypatch):
    async def fails():
        raise HypervisorError("QEMU ended unexpectedly")
    after_its_taps(monkeypatch, house, [fails])
    server = await create(house, "")
    await house.cloud.settled()
    await require_nothing_left(house, server, "QEMU ended unexpectedly")


@pytest.mark.parametrize("method", ["apply_port", "plug"])
async def test_a_network_that_fails_while_the_guest_starts_ends_it(house, monkeypatch, method):
    async def fails():
        raise NetworkDriverError("the wire is cut")
    before(monkeypatch, network(house), method, fails)
    before(monkeypatch, network(house), method, fails)                   # it is tried again, with its network made anew
    server = await create(house, "")
    await house.cloud.settled()
    monkeypatch.undo()
    await require_nothing_left(house, server, "wire is cut")


async def test_rows_that_cannot_be_written_while_the_guest_starts_end_it(house, monkeypatch):
    from cloudd.compute.jobs import create_server

    async def fails(run, task_state):
        raise Conflict("not now")
    monkeypatch.setattr(create_server, "become", fails)
    server = await create(house, "")
    await house.cloud.settled()
    await require_nothing_left(house, server, "ot now")


@pytest.mark.parametrize("where", ["the rows are read", "define", "start", "apply_port", "plug", "the rest of the start", "resume"])
async def test_killed_in_the_midst_of_a_boot_it_goes_on(house, monkeypatch, where):
    killed = asyncio.Event()

    async def dies():
        house.cloud.parts.service(Runner)._stopping = True
        killed.set()
        raise Killed
    if where == "the rest of the start":
        after_its_taps(monkeypatch, house, [dies])
    elif where == "the rows are read":
        before(monkeypatch, boot_spec, "load", dies)
    else:
        before(monkeypatch, house.driver if hasattr(house.driver, where) else network(house), where, dies)
    server = await create(house, "")
    async with asyncio.timeout(20):
        await killed.wait()
    monkeypatch.undo()
    await house.again()
    await house.cloud.settled()
    assert await house.status(server) == "ACTIVE"
    await house.require_agreement(server, "ACTIVE")
    assert set(await house.ports(server, "id")) <= await network(house).plugged()
    assert (await house.cloud.admin.delete(f"{C}/servers/{server}")).status == 204
    await house.cloud.settled()
    await house.require_agreement(server, None)


async def test_killed_in_the_midst_of_a_boot_that_is_then_not_wanted_leaves_nothing(house, monkeypatch):
    killed = asyncio.Event()

    async def dies():
        house.cloud.parts.service(Runner)._stopping = True
        killed.set()
        raise Killed
    after_its_taps(monkeypatch, house, [dies])
    server = await create(house, "")
    async with asyncio.timeout(20):
        await killed.wait()
    assert (await house.cloud.admin.delete(f"{C}/servers/{server}")).status == 204
    monkeypatch.undo()
    await house.again()
    await house.cloud.settled()
    await house.require_agreement(server, None)
