"""The contract of tests/unit/drivers/test_netdriver_contract.py, on the kernel."""

import pytest
import pytest_asyncio
from nd_cloud import sh

from tests.unit.drivers.test_netdriver_contract import *  # noqa: F403 - its tests, with other fixtures


@pytest_asyncio.fixture
async def driver(cloud):
    return cloud.driver


@pytest.fixture
def make_tap(cloud):
    return lambda spec: sh("ip", "tuntap", "add", "mode", "tap", "name", spec.tap, namespace=cloud.host)


@pytest_asyncio.fixture
async def reopened(cloud):
    async def again():
        await cloud.restart()
        return cloud.driver
    return again
