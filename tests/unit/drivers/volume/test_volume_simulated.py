"""What the simulated back end does beside its contract: faults on demand, room that is gone, deadlines as the daemon gives them."""

import pytest

from cloudd.core.work.deadlines import Deadlines
from cloudd.drivers.volume.base import (
    BackendDown,
    BackendFull,
    Disk,
    FromSnapshot,
    LiveSnapshots,
    StillNeeded,
    VolumeConfig,
    VolumeDriver,
    VolumeError,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.simulated import SimulatedVolumes
from tests.unit.drivers.volume.volume_rig import GIB, MIB, refused


@pytest.fixture
def make(tmp_path):
    async def opened(words: str = "", name: str = "sim") -> SimulatedVolumes:
        driver = SimulatedVolumes(VolumeConfig(name, words, str(tmp_path)))
        await driver.open()
        return driver
    return opened


async def test_the_nth_call_fails_once(make):
    driver = await make()
    driver.fail("create_volume", 2)
    driver.fail("stats", error=BackendDown("away"))
    await driver.create_volume(VolumeSpec("one", MIB))
    with refused(VolumeError, "simulated back end was told to fail at create_volume"):
        await driver.create_volume(VolumeSpec("two", MIB))
    with refused(BackendDown, "away"):
        await driver.stats()
    await driver.create_volume(VolumeSpec("two", MIB))
    assert (await driver.stats()).volumes == 2


async def test_a_call_or_a_disk_that_hangs_is_given_up(make):
    driver = await make()
    short = Deadlines({"volume.delete_volume": 0.05, "volume.read": 0.05})
    short.guard(driver, VolumeDriver, "volume", VolumeError, makes=Disk)
    await driver.create_volume(VolumeSpec("one", MIB))
    driver.hang("delete_volume")
    with refused(VolumeError, "volume.delete_volume did not end within 0.05 seconds"):
        await driver.delete_volume("one")
    driver.heal()
    disk = await driver.open_disk(VolumeRef("one"), write=True)
    assert [extent async for extent in disk.extents()] and await disk.read(0, 512) == bytes(512)
    await disk.close()
    await driver.delete_volume("one")


async def test_room_that_others_take_is_not_promised(make):
    driver = await make("gib=10")
    driver.others_take(8 * GIB)
    assert (await driver.stats()).free == 2 * GIB
    with refused(BackendFull, str(3 * GIB), str(2 * GIB)):
        await driver.create_volume(VolumeSpec("one", 3 * GIB, thick=True))
    await driver.create_volume(VolumeSpec("one", 2 * GIB, thick=True))
    assert (await driver.stats()).free == 0


async def test_its_words_say_what_it_plays(make):
    assert (await make("switch")).caps().live_snapshots is LiveSnapshots.SWITCH
    assert (await make("nolive")).caps().live_snapshots is LiveSnapshots.NONE
    assert (await make()).caps().live_snapshots is LiveSnapshots.STILL
    hanging = await make("hang+gib=5", "other")
    assert hanging.caps().clones_hang and (await hanging.stats()).total == 5 * GIB
    with pytest.raises(ValueError, match="does not know quick; it knows hang"):
        await make("quick")


async def test_back_ends_are_kept_apart_and_outlive_the_daemon(make):
    one, other = await make("", "one"), await make("", "other")
    await one.create_volume(VolumeSpec("v", MIB))
    assert not (await other.list()).volumes
    await one.close()
    assert [volume.id for volume in (await (await make("", "one")).list()).volumes] == ["v"]


async def test_what_hangs_on_what_is_told_after_a_restart_as_well(make):
    driver = await make("hang")
    await driver.create_volume(VolumeSpec("v", MIB))
    await driver.create_snapshot("v", "s")
    assert (await driver.create_volume(VolumeSpec("c", MIB), FromSnapshot("s"))).depth == 2
    await driver.close()
    driver = await make("hang")
    for delete, by in ((driver.delete_snapshot("s"), ("c",)), (driver.delete_volume("v"), ("s",))):
        with refused(StillNeeded) as caught:
            await delete
        assert caught[0].by == by
    await driver.delete_volume("c")
    await driver.delete_snapshot("s")
    await driver.delete_volume("v")
