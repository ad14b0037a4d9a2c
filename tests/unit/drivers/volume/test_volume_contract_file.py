"""The contract of volume drivers on files, wherever the tests' files lie; tests/guest runs it where files share blocks."""

import pytest_asyncio

from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.file import FileVolumes
from tests.unit.drivers.volume.volume_contract import *  # noqa: F403
from tests.unit.drivers.volume.volume_guest import opened
from tests.unit.drivers.volume.volume_rig import MIB, Rig


@pytest_asyncio.fixture
async def rig(tmp_path):
    config = VolumeConfig("file", str(tmp_path / "volumes"), str(tmp_path / "state"), image_cache_max_bytes=16 * MIB)
    folder = tmp_path / "files"
    folder.mkdir()
    made = await Rig(FileVolumes, config, folder, tmp_path / "volumes", opened).open()
    yield made
    await made.clear()
    await made.driver.close()
