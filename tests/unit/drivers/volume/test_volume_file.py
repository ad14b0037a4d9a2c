"""The file driver's own: what is shared by what, what is let go when, what it does with a directory."""

import asyncio
import os

import pytest

from cloudd.core.disks import locks
from cloudd.drivers.volume.base import (
    Access,
    BackendDown,
    FromImage,
    FromSnapshot,
    FromVolume,
    SnapshotRef,
    Unsupported,
    VolumeBusy,
    VolumeConfig,
    VolumeError,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.file import FileVolumes, making, merging
from tests.unit.drivers.volume.volume_guest import opened
from tests.unit.drivers.volume.volume_rig import GIB, LUKS, MIB, SECRET, Rig, new_id, page, refused


@pytest.fixture
async def rig(tmp_path):
    config = VolumeConfig("file", str(tmp_path / "v"), str(tmp_path / "state"))
    (tmp_path / "files").mkdir()
    made = await Rig(FileVolumes, config, tmp_path / "files", tmp_path / "v", opened).open()
    yield made
    await made.driver.close()


@pytest.fixture
def layered(rig):
    """The directory of the tests may share blocks: these are of one that does not."""
    rig.driver.maker.reflinks = False
    return rig


def count(rig) -> int:
    return len(list(rig.driver.layers.folder.glob("*.json")))


async def test_a_layer_goes_with_the_last_that_needs_it(layered):
    rig, driver = layered, layered.driver
    await driver.cache_image("image", rig.file("image", page("i") * 256), "raw")
    first, second = [await rig.volume(8 * MIB, FromImage("image")) for _ in range(2)]
    snapshot_id = await rig.snapshot(first.id)
    assert count(rig) == 4
    await driver.drop_image("image")
    await driver.delete_volume(second.id)
    assert count(rig) == 3
    await driver.delete_volume(first.id)
    assert count(rig) == 2 and await rig.of_snapshot(snapshot_id, 0, 4096) == page("i")
    await driver.delete_snapshot(snapshot_id)
    assert count(rig) == 0 and not list(driver.layers.folder.iterdir())


async def test_a_snapshot_that_is_read_while_it_is_deleted_is_read_to_its_end(layered):
    rig = layered
    snapshot_id = await rig.snapshot(await rig.written(page("a")))
    disk = await rig.driver.open_disk(SnapshotRef(snapshot_id))
    await rig.driver.delete_snapshot(snapshot_id)
    assert await disk.read(0, 4096) == page("a")
    await disk.close()


async def test_a_snapshot_that_is_deleted_while_it_is_cloned_gives_a_whole_clone(layered):
    rig = layered
    volume_id = await rig.written(page("a"))
    for _ in range(5):
        snapshot_id = await rig.snapshot(volume_id)
        clone, _ = await asyncio.gather(rig.volume(8 * MIB, FromSnapshot(snapshot_id)), rig.driver.delete_snapshot(snapshot_id))
        assert await rig.read(clone.id, 0, 4096) == page("a")
    await rig.reopen()
    assert await rig.read(clone.id, 0, 4096) == page("a")


async def test_twenty_snapshots_taken_and_deleted_leave_one_layer(layered):
    rig = layered
    volume_id = await rig.written(page("0"))
    for number in range(1, 21):
        snapshot_id = await rig.snapshot(volume_id)
        await rig.write(volume_id, page(str(number)), number * 8192)
        await rig.driver.delete_snapshot(snapshot_id)
        if number % 5 == 0:
            await rig.driver.merge_volume(volume_id)
    assert count(rig) == 1 and (await rig.driver.volume(volume_id)).depth == 1
    assert [await rig.read(volume_id, number * 8192, 4096) for number in range(21)] == [page(str(number)) for number in range(21)]


async def test_a_merge_gives_way_to_whoever_wants_the_volume(layered, monkeypatch):
    rig, begun = layered, asyncio.Event()
    volume_id = await rig.written(page("a"))
    await rig.driver.delete_snapshot(await rig.snapshot(volume_id))

    async def slow(layers, pair, passphrase):
        begun.set()
        await asyncio.Event().wait()
    monkeypatch.setattr(merging, "merge", slow)
    merge = asyncio.create_task(rig.driver.merge_volume(volume_id))
    await begun.wait()
    await rig.driver.connect(volume_id)
    with refused(VolumeBusy, "was wanted"):
        await merge
    monkeypatch.undo()
    with refused(VolumeBusy, volume_id):
        await rig.driver.merge_volume(volume_id)
    await rig.driver.disconnect(volume_id)
    assert (await rig.driver.merge_volume(volume_id)).depth == 1 and await rig.read(volume_id, 0, 4096) == page("a")


async def test_layers_that_a_guest_of_another_volume_reads_are_not_merged(layered):
    rig = layered
    volume_id = await rig.written(page("a"))
    gone = await rig.snapshot(volume_id)
    await rig.write(volume_id, page("b"), 8192)
    kept = await rig.snapshot(volume_id)
    clone = await rig.volume(8 * MIB, FromSnapshot(kept))
    await rig.driver.delete_snapshot(gone)
    async with opened(rig.driver, await rig.driver.connect(clone.id)):
        rig.driver.family.connected.clear()                          # as after a restart
        with refused(VolumeBusy):
            await rig.driver.merge_volume(volume_id)
    assert await rig.read(clone.id, 8192, 4096) == page("b")


async def test_a_guest_goes_on_in_the_new_layer_and_the_snapshot_is_what_it_left(layered):
    """A switch as the hypervisor does it; and one that the guest never made, which is given up."""
    rig = layered
    volume_id, snapshot_id = await rig.written(page("a")), new_id()
    async with opened(rig.driver, await rig.driver.connect(volume_id)) as guest:
        await guest.write(8192, page("by the guest"))
    above = await rig.driver.prepare_snapshot(volume_id, snapshot_id, Access())
    async with opened(rig.driver, above) as guest:
        await rig.driver.create_snapshot(volume_id, snapshot_id, in_use=True)
        await guest.write(8192, page("later"))
    assert await rig.of_snapshot(snapshot_id, 8192, 4096) == page("by the guest") and await rig.read(volume_id, 8192, 4096) == page("later")

    old = await rig.driver.connect(volume_id)
    async with opened(rig.driver, old) as guest:
        await rig.driver.prepare_snapshot(volume_id, "given-up", Access())
        await rig.driver.delete_snapshot("given-up")
        await guest.write(8192, page("still there"))
        for call in (rig.driver.create_snapshot(volume_id, new_id()), rig.driver.delete_volume(volume_id),
                     rig.volume(8 * MIB, FromVolume(volume_id))):
            with refused(VolumeBusy, volume_id):
                await call
    assert await rig.read(volume_id, 8192, 4096) == page("still there")


async def test_a_chain_that_is_full_is_told_to_a_running_guests_owner(layered):
    rig = layered
    volume_id = (await rig.volume()).id
    for _ in range(rig.config.chain_max - 1):
        await rig.snapshot(volume_id)
    with refused(Unsupported, "8 layers", "stop its server"):
        await rig.driver.prepare_snapshot(volume_id, new_id(), Access())
    await rig.snapshot(volume_id)
    assert (await rig.driver.volume(volume_id)).depth <= 8


async def test_an_extension_that_a_crash_cut_short_is_finished(layered):
    rig = layered
    for kind in ({}, {"thick": True}):
        volume_id = await rig.written(page("a"), **kind)
        layer = rig.driver.layers.of_volume(volume_id)
        await rig.driver.layers.save(making.replace(layer, size=16 * MIB))
        await rig.reopen()
        assert await rig.read(volume_id, 16 * MIB - 512) == bytes(512)


async def test_a_volume_that_a_guest_has_open_is_lengthened_by_who_has_it(layered):
    rig = layered
    volume_id = await rig.written(page("a"))
    async with opened(rig.driver, await rig.driver.connect(volume_id)):
        assert (await rig.driver.extend_volume(volume_id, 32 * MIB)).size == 32 * MIB
    await rig.reopen()
    assert (await rig.driver.connect(volume_id)).size == 32 * MIB and await rig.read(volume_id, 32 * MIB - 512) == bytes(512)


async def test_what_several_guests_have_stays_raw(layered):
    rig = layered
    made = await rig.volume(8 * MIB, shared=True)
    await rig.write(made.id, page("a"))
    snapshot_id = await rig.snapshot(made.id)
    await rig.write(made.id, page("b"))
    assert (await rig.driver.connect(made.id, Access(shareable=True))).format == "raw"
    await rig.driver.disconnect(made.id)
    await rig.driver.revert_volume(made.id, snapshot_id)
    connection = await rig.driver.connect(made.id, Access(shareable=True))
    assert (connection.format, connection.beneath) == ("raw", ()) and await rig.read(made.id, 0, 4096) == page("a")
    copy = await rig.volume(8 * MIB, FromVolume(made.id))
    assert await rig.read(copy.id, 0, 4096) == page("a") and (await rig.driver.connect(made.id)).format == "raw"
    with refused(VolumeError, "several servers"):
        await rig.driver.connect((await rig.volume()).id, Access(shareable=True))


async def test_encrypted_layers_merge_with_their_passphrase_only(layered):
    rig = layered
    volume_id = await rig.written(page("a"), encryption=LUKS)
    snapshot_id = await rig.snapshot(volume_id)
    await rig.write(volume_id, page("b"), MIB)
    await rig.driver.delete_snapshot(snapshot_id)
    with refused(VolumeError, "passphrase"):
        await rig.driver.merge_volume(volume_id)
    assert (await rig.driver.merge_volume(volume_id, passphrase=SECRET)).depth == 1
    assert await rig.read(volume_id, 0, 4096) == page("a") and await rig.read(volume_id, MIB, 4096) == page("b")


async def test_a_deep_encrypted_chain_takes_the_passphrase_to_get_less_deep(layered):
    rig = layered
    volume_id = await rig.written(page("a"), encryption=LUKS)
    for number in range(7):
        await rig.snapshot(volume_id)
        await rig.write(volume_id, page(str(number)), MIB + number * 8192)
    with refused(VolumeError, "passphrase"):
        await rig.snapshot(volume_id)
    await rig.driver.create_snapshot(volume_id, new_id(), passphrase=SECRET)
    assert (await rig.driver.volume(volume_id)).depth <= 2
    assert await rig.read(volume_id, 0, 4096) == page("a") and await rig.read(volume_id, MIB + 6 * 8192, 4096) == page("6")


async def test_one_directory_has_one_back_end(rig):
    with refused(VolumeError, "another back end"):
        await FileVolumes(rig.config).open()
    with pytest.raises(ValueError, match="no directory"):
        FileVolumes(VolumeConfig("file", "volumes", ""))


async def test_a_file_that_nobody_knows_is_told_and_tidied(rig):
    (rig.driver.layers.folder / "11111111-1111-4111-8111-111111111111.qcow2").write_bytes(b"left by a crash")
    await rig.reopen()
    assert (await rig.driver.list()).leftovers
    await rig.driver.tidy()
    assert not (await rig.driver.list()).leftovers


async def test_a_record_or_a_layer_that_is_lost_hurts_only_its_volume(layered):
    rig = layered
    whole, damaged = await rig.written(page("a")), await rig.written(page("b"))
    await rig.snapshot(damaged)
    beneath = rig.driver.layers.of_volume(damaged).parent
    (rig.driver.layers.folder / f"{beneath}.json").unlink()
    await rig.reopen()
    assert {one.id for one in (await rig.driver.list()).volumes} == {whole, damaged}
    assert await rig.read(whole, 0, 4096) == page("a")
    with refused(VolumeError, "damaged"):
        await rig.read(damaged)


async def test_a_directory_that_takes_no_files_is_not_healthy(rig, monkeypatch):
    def refuse():
        raise OSError(30, os.strerror(30))
    monkeypatch.setattr(rig.driver.directory, "takes_files", refuse)
    with refused(BackendDown, "Read-only file system"):
        await rig.driver.health()


async def test_the_daemons_own_writing_keeps_guests_out(rig):
    volume_id = (await rig.volume()).id
    disk = await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    assert locks.is_written(rig.driver.layers.path(rig.driver.layers.of_volume(volume_id)))
    with refused(VolumeBusy, volume_id):
        await rig.driver.connect(volume_id)
    await disk.close()
    await rig.driver.connect(volume_id)


async def test_a_change_that_is_cancelled_is_done_or_not(layered):
    rig = layered
    volume_id = await rig.written(page("a"))
    for turns in range(1, 40, 3):
        task = asyncio.create_task(rig.driver.create_snapshot(volume_id, new_id()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert len((await rig.driver.list()).volumes) == 1
        assert await rig.read(volume_id, 0, 4096) == page("a")
    before = await rig.driver.list()
    await rig.reopen()
    after = await rig.driver.list()
    assert after.volumes == before.volumes and set(after.snapshots) == set(before.snapshots)


async def test_a_volume_without_room_for_it_leaves_nothing(rig):
    free = (await rig.driver.stats()).free
    with refused(VolumeError, str(free // GIB * GIB + GIB)):
        await rig.driver.create_volume(VolumeSpec(new_id(), free // GIB * GIB + GIB, thick=True))
    there = await rig.driver.list()
    assert not there.volumes and not there.leftovers


async def test_headers_name_what_layers_stand_on_for_people_who_look(layered):
    """After merges both ways, and when a chain became too deep."""
    rig = layered
    volume_id, snapshots = await rig.written(page("0")), []
    for number in range(1, 11):
        snapshots.append(await rig.snapshot(volume_id))
        await rig.write(volume_id, page(str(number)) * (64 if number % 3 else 1), MIB)
    clone = await rig.volume(8 * MIB, FromSnapshot(snapshots[4]))
    for number in (1, 3, 6):
        await rig.driver.delete_snapshot(snapshots[number])
    for one in (volume_id, clone.id):
        await rig.driver.merge_volume(one)
    for layer in rig.driver.layers:
        head, parent = rig.driver.layers.path(layer).read_bytes()[:4096], rig.driver.layers.get(layer.parent)
        names = [other.file.encode() for other in rig.driver.layers if other.file.encode() in head]
        assert names == ([parent.file.encode()] if parent else [])
