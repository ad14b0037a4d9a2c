"""The contract of volume drivers on files of an XFS, which share blocks; and what goes for those alone."""

import shutil
import subprocess

import pytest
import pytest_asyncio

from cloudd.drivers.volume.base import FromImage, FromSnapshot, FromVolume, LiveSnapshots, VolumeConfig
from cloudd.drivers.volume.file import FileVolumes
from tests.unit.drivers.volume.volume_contract import *  # noqa: F403
from tests.unit.drivers.volume.volume_guest import opened
from tests.unit.drivers.volume.volume_rig import LUKS, MIB, Rig, new_id, page

GIB = 1 << 30


@pytest.fixture(scope="module")
def xfs(tmp_path_factory):
    if shutil.which("mkfs.xfs") is None:
        pytest.skip("mkfs.xfs is missing; install xfsprogs")
    folder = tmp_path_factory.mktemp("xfs")
    disk, place = folder / "disk", folder / "place"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(4 * GIB)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest_asyncio.fixture
async def rig(xfs, tmp_path):
    config = VolumeConfig("file", str(xfs / new_id()), str(tmp_path / "state"), image_cache_max_bytes=16 * MIB)
    folder = tmp_path / "files"
    folder.mkdir()
    made = await Rig(FileVolumes, config, folder, xfs / config.address, opened).open()
    yield made
    await made.clear()
    await made.driver.close()
    shutil.rmtree(config.address)


async def test_everything_is_raw_and_stands_by_itself(rig):
    """But for what is compressed, nothing is copied: blocks are shared."""
    driver = rig.driver
    assert driver.caps().live_snapshots is LiveSnapshots.STILL and dict(driver.caps().notes)["format"] == "raw"
    await driver.cache_image("image", rig.file("image", page("image") * 1024, 8 * MIB), "raw")
    volume_id = (await rig.volume(64 * MIB, FromImage("image"))).id
    snapshot_id = await rig.snapshot(volume_id)
    before = await driver.stats()
    copies = [await rig.volume(64 * MIB, FromSnapshot(snapshot_id)), await rig.volume(64 * MIB, FromVolume(volume_id))]
    assert {(await driver.connect(one.id)).format for one in copies} == {"raw"} and {one.depth for one in copies} == {1}
    assert (await driver.stats()).free > before.free - 2 * MIB
    assert [(await driver.connect(one.id)).beneath for one in copies] == [(), ()]


async def test_a_snapshot_while_the_guest_stands_still(rig):
    volume_id, snapshot_id = await rig.written(page("a")), new_id()
    async with opened(rig.driver, await rig.driver.connect(volume_id)) as guest:
        await guest.write(8192, page("by the guest"))
        await rig.driver.create_snapshot(volume_id, snapshot_id, in_use=True)
        copy = await rig.volume(8 * MIB, FromVolume(volume_id))
        await guest.write(8192, page("later"))
    assert await rig.of_snapshot(snapshot_id, 8192, 4096) == page("by the guest") == await rig.read(copy.id, 8192, 4096)
    assert await rig.read(volume_id, 8192, 4096) == page("later")


async def test_an_encrypted_volume_shares_blocks_too(rig):
    volume_id = await rig.written(page("secret") * 1024, encryption=LUKS)
    before = await rig.driver.stats()
    snapshot_id = await rig.snapshot(volume_id)
    clone = await rig.volume(64 * MIB, FromSnapshot(snapshot_id), encryption=LUKS)
    assert (await rig.driver.stats()).free > before.free - MIB
    assert await rig.read(clone.id, 0, 4096) == page("secret")
