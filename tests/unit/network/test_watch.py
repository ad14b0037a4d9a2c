"""The watch over the dataplane, on the simulated driver: what it mends, what it tells, and when it gives up."""

import asyncio

import pytest
import pytest_asyncio

from cloudd.core import tasks
from cloudd.drivers.network.base import NetworkConfig, NetworkDriverError, Part, Subject
from cloudd.drivers.network.simulated import SimulatedNetworkDriver
from cloudd.network.dataplane import watch
from cloudd.network.dataplane.watch import Watch
from tests.unit.drivers.test_netdriver_contract import everything, ignore

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def driver(tmp_path):
    made = SimulatedNetworkDriver(NetworkConfig("watch", str(tmp_path)))
    await made.open(ignore, ignore)
    made.spec = everything()
    await made.restore(made.spec)
    await made.plug(made.spec.ports[0].id)
    return made


def mends(driver):
    return [subject for method, subject in driver.calls if method == "mend"]


async def test_what_is_broken_is_mended_at_once_and_nothing_else(driver):
    router = driver.spec.routers[0].id
    task = tasks.start("watch", Watch(driver).run())
    driver.damage(Part.ROUTER, router)
    async with asyncio.timeout(10):
        while await driver.compare():
            await asyncio.to_thread(driver.holds, driver.spec.networks[0])
    task.cancel()
    await asyncio.wait([task])
    assert mends(driver) == [router]


async def test_what_nobody_told_of_is_found_at_the_next_look_at_everything(driver):
    driver.damage(Part.FIREWALL)
    driver.damage(Part.PORT, driver.spec.ports[0].id)
    await Watch(driver).look()
    assert await driver.compare() == () and mends(driver) == ["", driver.spec.ports[0].id]


async def test_it_looks_at_everything_though_news_come_all_the_time(driver, monkeypatch):
    monkeypatch.setattr(watch, "SECONDS", 0.0)
    assert await Watch(driver).touched() is None


async def test_what_cannot_be_mended_is_told_until_it_is_well(driver):
    seen = Watch(driver)
    network = driver.spec.networks[0].id
    driver.damage(Part.NETWORK, network)
    driver.fail("mend", 1, NetworkDriverError("no such bridge can be made"))
    await seen.look([Subject(Part.NETWORK, network)])
    assert seen.problems() == [f"network {network} cannot be mended: no such bridge can be made"]
    await seen.look()
    assert seen.problems() == [] and await driver.compare() == ()


async def test_what_was_mended_by_somebody_else_is_told_no_more(driver):
    seen = Watch(driver)
    router = driver.spec.routers[0]
    driver.damage(Part.ROUTER, router.id)
    driver.fail("mend")
    await seen.look()
    assert seen.problems()
    await driver.apply_router(router)
    await seen.look()
    assert seen.problems() == []


async def test_what_is_changed_again_and_again_is_told_and_not_fought_over(driver):
    seen = Watch(driver)
    subject = Subject(Part.ROUTER, driver.spec.routers[0].id)
    for _ in range(watch.OFTEN + 3):
        driver.damage(subject.part, subject.id)
        await seen.look([subject])
    assert len(mends(driver)) == watch.OFTEN
    assert "again and again" in seen.problems()[0]


async def test_a_watch_that_looks_at_nothing_is_itself_a_problem(driver):
    seen = Watch(driver)
    assert seen.problems() == []
    seen.looked -= watch.SECONDS * watch.LATE + 1
    assert "was not looked at" in seen.problems()[0]
