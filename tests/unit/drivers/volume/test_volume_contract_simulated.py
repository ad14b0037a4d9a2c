"""The contract of volume drivers on the simulated back ends: one as volumes of LVM are, one as Ceph's, one as qcow2's."""

import contextlib

import pytest_asyncio

from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.simulated import SimulatedVolumes
from tests.unit.drivers.volume.volume_contract import *  # noqa: F403
from tests.unit.drivers.volume.volume_rig import MIB, Rig


@contextlib.asynccontextmanager
async def opened(driver, connection):
    driver.guest_opens(connection.volume_id)
    try:
        yield
    finally:
        driver.guest_closes(connection.volume_id)


@pytest_asyncio.fixture(params=["", "hang", "switch", "nolive"])
async def rig(request, tmp_path):
    config = VolumeConfig("fast", request.param, str(tmp_path / "state"), image_cache_max_bytes=16 * MIB)
    folder = tmp_path / "files"
    folder.mkdir()
    made = await Rig(SimulatedVolumes, config, folder, tmp_path / "state/simulated-volumes/fast/loose", opened).open()
    yield made
    made.driver.heal()
    await made.clear()
    await made.driver.close()
