"""The contract of tests/unit/drivers/test_netdriver_contract.py, on the kernel."""

import pytest
import pytest_asyncio
from nd_cloud import sh

from cloudd.drivers.network.base import Part
from cloudd.drivers.network.linux import nat
from tests.unit.drivers.test_netdriver_contract import *  # noqa: F403 - its tests, with other fixtures


@pytest_asyncio.fixture
async def driver(cloud):
    return cloud.driver


@pytest.fixture
def make_tap(cloud):
    return lambda spec: sh("ip", "tuntap", "add", "mode", "tap", "name", spec.tap, namespace=cloud.host)


@pytest.fixture
def damage(cloud):
    def one(part, subject_id):
        names = cloud.driver.names
        if part is Part.FIREWALL:
            sh("nft", "delete", "table", *cloud.driver.firewall.bridge_table.split(), namespace=cloud.plane)
        elif part is Part.NETWORK:
            sh("ip", "link", "delete", names.bridge(subject_id), namespace=cloud.plane)
        elif part is Part.ROUTER:
            sh("nft", "flush", "table", *nat.TABLE.split(), namespace=names.router_namespace(subject_id))
        else:
            sh("ip", "link", "set", cloud.driver.firewall.wanted.ports[subject_id].tap, "nomaster", namespace=cloud.plane)
    return one


@pytest_asyncio.fixture
async def reopened(cloud):
    async def again():
        await cloud.restart()
        return cloud.driver
    return again
