"""What only the simulated network driver can do: fail on demand, lose everything, keep state in files."""

import pytest

from cloudd.drivers.network.base import NetworkConfig, NetworkDriverError, TapMissing
from cloudd.drivers.network.simulated import SimulatedNetworkDriver
from tests.unit.drivers.test_netdriver_contract import everything, ignore, tenant

pytestmark = pytest.mark.asyncio


async def opened(folder):
    driver = SimulatedNetworkDriver(NetworkConfig("sim", str(folder)))
    await driver.open(ignore, ignore)
    return driver


async def test_the_nth_call_fails_once(tmp_path):
    driver = await opened(tmp_path)
    driver.fail("apply_network", 2)
    driver.fail("plug", 1, TapMissing("gone"))
    first, second = tenant(), tenant()
    await driver.apply_network(first)
    with pytest.raises(NetworkDriverError):
        await driver.apply_network(second)
    assert (await driver.list()).networks == {first.id}
    await driver.apply_network(second)
    with pytest.raises(TapMissing):
        await driver.plug("any")


async def test_another_process_finds_what_exists_and_a_reboot_loses_it(tmp_path):
    spec = everything()
    driver = await opened(tmp_path)
    await driver.restore(spec)
    await driver.plug(spec.ports[0].id)
    other = await opened(tmp_path)
    assert await other.list() == await driver.list()
    assert await other.restore(spec) == type(await other.restore(spec))()
    other.reboot()
    assert len((await other.restore(spec)).created) == 3
    assert await other.plugged() == frozenset()


async def test_a_missing_tap(tmp_path):
    spec = everything()
    driver = await opened(tmp_path)
    await driver.restore(spec)
    driver.missing_taps.add(spec.ports[0].id)
    with pytest.raises(TapMissing):
        await driver.plug(spec.ports[0].id)
