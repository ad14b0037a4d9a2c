"""What every volume driver keeps to. Imported where it is run: beside here on the simulated ones and on files, in tests/guest on LVM."""

import asyncio
import itertools

from cloudd.drivers.volume.base import (
    Access,
    BadImage,
    FromFile,
    FromImage,
    FromSnapshot,
    FromVolume,
    Limits,
    LiveSnapshots,
    SnapshotRef,
    StillNeeded,
    Unsupported,
    VolumeBusy,
    VolumeError,
    VolumeMissing,
    VolumeRef,
    VolumeSpec,
)
from tests.unit.drivers.volume.volume_rig import ABSENT, GIB, LUKS, MIB, SECRET, new_id, page, refused

# -- volumes ------------------------------------------------------------------------------------------------------------


async def test_a_blank_volume_reads_zeros_everywhere_and_takes_no_room(rig):
    made = await rig.volume(8 << 40)
    assert (made.size, made.depth, made.encrypted) == (8 << 40, 1, False) and made.allocated < 8 * MIB
    for offset in (0, 4 << 40, (8 << 40) - 512):
        assert await rig.read(made.id, offset) == bytes(512)


async def test_what_is_written_is_read_after_a_restart(rig):
    volume_id = await rig.written(page("a"), 3 * MIB)
    await rig.reopen()
    assert await rig.read(volume_id, 3 * MIB, 4096) == page("a") and await rig.read(volume_id, 0, 4096) == bytes(4096)


async def test_every_verb_may_be_repeated(rig):
    driver, spec, snapshot_id = rig.driver, VolumeSpec(new_id(), 8 * MIB), new_id()
    assert (await driver.create_volume(spec)).id == spec.id
    await rig.write(spec.id, page("kept"))
    assert (await driver.create_volume(spec)).size == 8 * MIB
    assert await rig.read(spec.id, 0, 4096) == page("kept")
    for _ in range(2):
        assert (await driver.extend_volume(spec.id, 16 * MIB)).size == 16 * MIB
    for _ in range(2):
        assert (await driver.create_snapshot(spec.id, snapshot_id)).volume_id == spec.id
    for _ in range(2):
        await driver.connect(spec.id)
    for _ in range(2):
        await driver.disconnect(spec.id)
        await driver.delete_snapshot(snapshot_id)
    for _ in range(2):
        await driver.delete_volume(spec.id)
    await driver.drop_image(ABSENT)
    await driver.tidy()


async def test_what_is_not_there(rig):
    driver = rig.driver
    calls = (driver.volume(ABSENT), driver.snapshot(ABSENT), driver.extend_volume(ABSENT, GIB), driver.connect(ABSENT),
             driver.create_snapshot(ABSENT, new_id()), driver.merge_volume(ABSENT), driver.open_disk(VolumeRef(ABSENT)),
             driver.open_disk(SnapshotRef(ABSENT)), driver.export(SnapshotRef(ABSENT), rig.folder / "x"),
             driver.unmanage(VolumeRef(ABSENT)),
             *(rig.volume(8 * MIB, source) for source in (FromImage(ABSENT), FromSnapshot(ABSENT), FromVolume(ABSENT))))
    for call in calls:
        with refused(VolumeMissing, ABSENT):
            await call
    await driver.delete_volume(ABSENT)
    await driver.delete_snapshot(ABSENT)
    assert not (await driver.list()).volumes


async def test_ids_that_are_paths_are_refused(rig):
    for name in ("../x", "a/b", "", ".x", "a" * 65, "a\0b"):
        with refused(VolumeError):
            await rig.driver.create_volume(VolumeSpec(name, 8 * MIB))
        with refused(VolumeError):
            await rig.driver.cache_image(name, rig.file("image", b"x" * 512), "raw")


async def test_sizes_that_cannot_be(rig):
    made = await rig.volume(8 * MIB)
    for size in (0, -512, 1000):
        with refused(VolumeError, str(size)):
            await rig.volume(size)
    with refused(VolumeError, "do not shrink"):
        await rig.driver.extend_volume(made.id, 4 * MIB)
    with refused(VolumeError):
        await rig.driver.extend_volume(made.id, 8 * MIB + 1)
    assert (await rig.driver.volume(made.id)).size == 8 * MIB


async def test_the_new_part_of_an_extended_volume_reads_zeros(rig):
    volume_id = await rig.written(page("end"), 8 * MIB - 4096)
    await rig.driver.extend_volume(volume_id, 24 * MIB)
    assert await rig.read(volume_id, 8 * MIB - 4096, 8192) == page("end") + bytes(4096)
    await rig.write(volume_id, page("new"), 24 * MIB - 4096)
    assert await rig.read(volume_id, 24 * MIB - 4096, 4096) == page("new")


async def test_a_volume_over_what_another_one_left_reads_zeros(rig):
    first = await rig.written(page("secret"))
    await rig.driver.delete_volume(first)
    second = await rig.volume(8 * MIB)
    assert await rig.read(second.id, 0, 4096) == bytes(4096)


async def test_many_volumes_at_once(rig):
    made = await asyncio.gather(*(rig.volume(GIB) for _ in range(20)))
    assert {one.id for one in (await rig.driver.list()).volumes} == {one.id for one in made}


# -- copies -------------------------------------------------------------------------------------------------------------


async def test_copies_are_what_their_sources_were_and_go_their_own_ways(rig):
    source = await rig.written(page("first"))
    snapshot_id = await rig.snapshot(source)
    await rig.write(source, page("second"))
    copy = await rig.volume(16 * MIB, FromVolume(source))
    clone = await rig.volume(16 * MIB, FromSnapshot(snapshot_id))
    assert await rig.read(copy.id, 0, 4096) == page("second") and await rig.read(clone.id, 0, 4096) == page("first")
    assert copy.size == clone.size == 16 * MIB and await rig.read(clone.id, 16 * MIB - 512) == bytes(512)
    await rig.write(copy.id, page("copy"))
    await rig.write(clone.id, page("clone"))
    assert await rig.read(source, 0, 4096) == page("second") and await rig.of_snapshot(snapshot_id, 0, 4096) == page("first")
    await rig.reopen()
    assert await rig.read(copy.id, 0, 4096) == page("copy") and await rig.read(clone.id, 0, 4096) == page("clone")


async def test_a_copy_smaller_than_its_source_is_refused(rig):
    source = await rig.volume(8 * MIB)
    snapshot_id = await rig.snapshot(source.id)
    image = rig.file("image", page("image"), 8 * MIB)
    await rig.driver.cache_image("image", image, "raw")
    for what in (FromVolume(source.id), FromSnapshot(snapshot_id), FromImage("image"), FromFile(image, "raw")):
        with refused(VolumeError, str(8 * MIB)):
            await rig.volume(4 * MIB, what)
    assert [one.id for one in (await rig.driver.list()).volumes] == [source.id]


async def test_sources_can_be_deleted_in_any_order(rig):
    """Where clones hang, the driver says what on, and frees them when asked."""
    for order in itertools.permutations(range(3)):
        source = await rig.written(page("kept"))
        snapshot_id = await rig.snapshot(source)
        clone = await rig.volume(8 * MIB, FromSnapshot(snapshot_id))
        if rig.driver.caps().clones_hang:
            with refused(StillNeeded, clone.id) as caught:
                await rig.driver.delete_snapshot(snapshot_id)
            assert caught[0].by == (clone.id,)
            with refused(StillNeeded, snapshot_id):
                await rig.driver.delete_volume(source)
            await rig.driver.merge_volume(clone.id, alone=True)
            await rig.driver.delete_snapshot(snapshot_id)
        doings = (lambda source=source: rig.driver.delete_volume(source),
                  lambda snapshot_id=snapshot_id: rig.driver.delete_snapshot(snapshot_id),
                  lambda clone=clone: rig.driver.merge_volume(clone.id))
        for number in order:
            await doings[number]()
            assert await rig.read(clone.id, 0, 4096) == page("kept")
        await rig.driver.delete_volume(clone.id)
        there = await rig.driver.list()
        assert not there.volumes and not there.snapshots and not there.leftovers


async def test_a_snapshot_outlives_its_volume(rig):
    if rig.driver.caps().clones_hang:
        return
    volume_id = await rig.written(page("a"))
    snapshot_id = await rig.snapshot(volume_id)
    await rig.driver.delete_volume(volume_id)
    await rig.reopen()
    assert await rig.of_snapshot(snapshot_id, 0, 4096) == page("a")
    assert (await rig.driver.snapshot(snapshot_id)).volume_id == volume_id


async def test_a_chain_of_clones_and_snapshots_is_never_deeper_than_it_may_be(rig):
    volume_id, most = await rig.written(page("0"), 0), rig.config.chain_max
    snapshots = []
    for number in range(1, 2 * most + 2):
        snapshots.append(await rig.snapshot(volume_id))
        await rig.write(volume_id, page(str(number)), number * 8192)
        assert (await rig.driver.volume(volume_id)).depth <= most
    for number in range(2 * most + 2):
        assert await rig.read(volume_id, number * 8192, 4096) == page(str(number))
    for number, snapshot_id in enumerate(snapshots, 1):
        assert await rig.of_snapshot(snapshot_id, (number - 1) * 8192, 4096) == page(str(number - 1))
        assert await rig.of_snapshot(snapshot_id, number * 8192, 4096) == bytes(4096)
    clone_of, made = volume_id, []
    for _ in range(most + 1):
        made.append(await rig.volume(8 * MIB, FromVolume(clone_of)))
        clone_of = made[-1].id
        if not rig.driver.caps().clones_hang:
            assert made[-1].depth <= most and await rig.read(clone_of, 8192, 4096) == page("1")


async def test_merging_keeps_what_is_read_and_leaves_one_layer(rig):
    volume_id = await rig.written(page("0"), 0)
    for number in range(1, 5):
        snapshot_id = await rig.snapshot(volume_id)
        await rig.write(volume_id, page(str(number)), number * 8192)
        await rig.driver.delete_snapshot(snapshot_id)
        merged = await rig.driver.merge_volume(volume_id)
        assert merged.depth == 1
        for past in range(number + 1):
            assert await rig.read(volume_id, past * 8192, 4096) == page(str(past))
    await rig.reopen()
    assert await rig.read(volume_id, 4 * 8192, 4096) == page("4") and not (await rig.driver.list()).leftovers


# -- snapshots ----------------------------------------------------------------------------------------------------------


async def test_reverting(rig):
    volume_id = await rig.written(page("then"))
    snapshot_id = await rig.snapshot(volume_id)
    await rig.write(volume_id, page("now"))
    await rig.driver.extend_volume(volume_id, 16 * MIB)
    for _ in range(2):
        assert (await rig.driver.revert_volume(volume_id, snapshot_id)).size == 16 * MIB
        assert await rig.read(volume_id, 0, 4096) == page("then") and await rig.read(volume_id, 16 * MIB - 512) == bytes(512)
        await rig.write(volume_id, page("after"))
    assert await rig.of_snapshot(snapshot_id, 0, 4096) == page("then")
    other = await rig.volume(8 * MIB)
    with refused(VolumeError, other.id):
        await rig.driver.revert_volume(other.id, snapshot_id)


async def test_a_snapshot_cannot_be_written(rig):
    snapshot_id = await rig.snapshot(await rig.written(page("a")))
    with refused(VolumeError):
        await rig.driver.open_disk(SnapshotRef(snapshot_id), write=True)


async def test_what_is_open_is_left_alone(rig):
    driver = rig.driver
    volume_id = await rig.written(page("a"))
    snapshot_id = await rig.snapshot(volume_id)
    async with rig.guest(volume_id):
        calls = (lambda: driver.delete_volume(volume_id), lambda: driver.revert_volume(volume_id, snapshot_id),
                 lambda: driver.create_snapshot(volume_id, new_id()), lambda: driver.unmanage(VolumeRef(volume_id)),
                 lambda: driver.open_disk(VolumeRef(volume_id), write=True))
        for call in calls:
            with refused(VolumeBusy, volume_id):
                await call()
        assert (await driver.extend_volume(volume_id, 16 * MIB)).size == 16 * MIB
    assert await rig.read(volume_id, 0, 4096) == page("a")
    assert (await driver.connect(volume_id)).size == 16 * MIB
    await driver.delete_snapshot(snapshot_id)
    await driver.delete_volume(volume_id)


async def test_what_a_guest_writes_is_read_only_where_that_makes_sense(rig):
    volume_id = await rig.written(page("a"))
    async with rig.guest(volume_id):
        if rig.driver.caps().online_copies:
            assert await rig.read(volume_id, 0, 4096) == page("a")
            return
        with refused(VolumeBusy, volume_id):
            await rig.driver.open_disk(VolumeRef(volume_id))
        with refused(VolumeBusy, volume_id):
            await rig.driver.export(VolumeRef(volume_id), rig.folder / "x")


async def test_two_read_at_once(rig):
    volume_id = await rig.written(page("a"))
    first, second = [await rig.driver.open_disk(VolumeRef(volume_id)) for _ in range(2)]
    assert await first.read(0, 4096) == await second.read(0, 4096) == page("a")
    await first.close()
    await second.close()


async def test_one_writes_at_a_time(rig):
    volume_id = await rig.written(page("a"))
    disk = await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    with refused(VolumeBusy, volume_id):
        await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    with refused(VolumeBusy, volume_id):
        await rig.driver.delete_volume(volume_id)
    await disk.close()
    await disk.close()
    await rig.driver.delete_volume(volume_id)


async def test_snapshots_of_a_volume_in_use(rig):
    """As `caps` says: while the guest stands still, or by switching it to a new layer, or not at all."""
    driver, how = rig.driver, rig.driver.caps().live_snapshots
    volume_id, snapshot_id = await rig.written(page("a")), new_id()
    async with rig.guest(volume_id):
        if how is LiveSnapshots.SWITCH:
            first = await driver.prepare_snapshot(volume_id, snapshot_id, Access(limits=Limits(total_iops_sec=100)))
            again = await driver.prepare_snapshot(volume_id, snapshot_id, Access(limits=Limits(total_iops_sec=100)))
            assert first == again == await driver.connect(volume_id, Access(limits=Limits(total_iops_sec=100)))
            await driver.create_snapshot(volume_id, snapshot_id, in_use=True)
        elif how is LiveSnapshots.STILL:
            with refused(Unsupported):
                await driver.prepare_snapshot(volume_id, snapshot_id, Access())
            await driver.create_snapshot(volume_id, snapshot_id, in_use=True)
        else:
            with refused(VolumeBusy, volume_id):
                await driver.create_snapshot(volume_id, snapshot_id, in_use=True)
            return
    await rig.write(volume_id, page("b"))
    assert await rig.of_snapshot(snapshot_id, 0, 4096) == page("a") and await rig.read(volume_id, 0, 4096) == page("b")


async def test_a_prepared_snapshot_that_is_given_up_leaves_nothing(rig):
    if rig.driver.caps().live_snapshots is not LiveSnapshots.SWITCH:
        return
    volume_id, snapshot_id = await rig.written(page("a")), new_id()
    await rig.driver.prepare_snapshot(volume_id, snapshot_id, Access())
    await rig.driver.delete_snapshot(snapshot_id)
    with refused(VolumeMissing):
        await rig.driver.snapshot(snapshot_id)
    assert await rig.read(volume_id, 0, 4096) == page("a")
    assert (await rig.driver.merge_volume(volume_id)).depth == 1 and await rig.read(volume_id, 0, 4096) == page("a")


# -- data ---------------------------------------------------------------------------------------------------------------


async def test_an_image_is_brought_once_and_makes_many_volumes(rig):
    image = rig.file("image", page("image"), 8 * MIB)
    first, *others = await asyncio.gather(*(rig.driver.cache_image("image", image, "raw") for _ in range(5)))
    assert first.size == 8 * MIB and {one.id for one in others} == {"image"}
    image.unlink()
    made = [await rig.volume(16 * MIB, FromImage("image")) for _ in range(2)]
    await rig.write(made[0].id, page("changed"))
    await rig.driver.drop_image("image")
    await rig.reopen()
    assert await rig.read(made[0].id, 0, 4096) == page("changed") and await rig.read(made[1].id, 0, 4096) == page("image")
    assert not (await rig.driver.list()).images


async def test_the_cache_forgets_what_was_used_longest_ago(rig):
    room = rig.config.image_cache_max_bytes
    for number in range(3):
        await rig.driver.cache_image(f"image{number}", rig.file("image", bytes([number + 1]) * (room // 2 - MIB)), "raw")
        await asyncio.sleep(0)
    assert [one.id for one in (await rig.driver.list()).images] == ["image1", "image2"]


async def test_an_image_that_is_not_what_it_is_said_to_be(rig):
    qcow2 = rig.file("hostile", b"QFI\xfb" + (3).to_bytes(4, "big") + (512).to_bytes(8, "big") + (11).to_bytes(4, "big") + bytes(1000))
    plain = rig.file("plain", page("plain"))
    for path, format in ((qcow2, "qcow2"), (plain, "qcow2"), (qcow2, "raw"), (plain, "vmdk"), (plain, "json:{}")):
        with refused(BadImage):
            await rig.driver.cache_image("bad", path, format)
        with refused(BadImage):
            await rig.volume(8 * MIB, FromFile(path, format))
    there = await rig.driver.list()
    assert not there.images and not there.volumes and not there.leftovers


async def test_a_volume_from_a_file_leaves_the_file(rig):
    image = rig.file("image", page("image"), 5000)
    made = await rig.volume(8 * MIB, FromFile(image, "raw"))
    assert await rig.read(made.id, 0, 8192) == page("image") + bytes(4096) and image.stat().st_size == 5000


async def test_extents_are_whole_in_order_and_tell_the_holes(rig):
    volume_id = await rig.written(page("a"), 32 * MIB, size=64 * MIB)
    disk = await rig.driver.open_disk(VolumeRef(volume_id))
    found = [extent async for extent in disk.extents()]
    part = [extent async for extent in disk.extents(16 * MIB, 20 * MIB)]
    await disk.close()
    assert found[0].offset == 0 and sum(one.length for one in found) == disk.size == 64 * MIB
    assert all(one.offset + one.length == other.offset for one, other in itertools.pairwise(found))
    assert sum(one.length for one in found if one.data) <= 2 * MIB
    assert any(one.data and one.offset <= 32 * MIB < one.offset + one.length for one in found)
    assert part[0].offset == 16 * MIB and sum(one.length for one in part) == 20 * MIB


async def test_zeroing_a_piece(rig):
    volume_id = await rig.written(page("a") * 16, 0)
    disk = await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    await disk.zero(4096, 8192)
    await disk.zero(4 * MIB, 4 * MIB)
    assert await disk.read(0, 16384) == page("a") + bytes(8192) + page("a")
    await disk.close()


async def test_a_disk_has_an_end(rig):
    volume_id = await rig.written(page("a"))
    disk = await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    for call in (lambda: disk.read(8 * MIB, 512), lambda: disk.write(8 * MIB - 512, bytes(1024)), lambda: disk.zero(-512, 512)):
        with refused(VolumeError):
            await call()
    await disk.close()
    with refused(VolumeError):
        await disk.read(0, 512)


async def test_many_reads_and_writes_at_once(rig):
    volume_id = (await rig.volume(8 * MIB)).id
    disk = await rig.driver.open_disk(VolumeRef(volume_id), write=True)
    await asyncio.gather(*(disk.write(number * 4096, page(str(number))) for number in range(50)))
    assert await asyncio.gather(*(disk.read(number * 4096, 4096) for number in range(50))) == [page(str(n)) for n in range(50)]
    await disk.close()


async def test_what_has_changed_since_a_snapshot(rig):
    """Where a back end tells it, nothing that differs is left out, and not much that does not is told."""
    volume_id = await rig.written(page("a") * 16, 0, size=64 * MIB)
    first = await rig.snapshot(volume_id)
    assert await rig.driver.changed(VolumeRef(volume_id), first) in ((), None)
    await rig.write(volume_id, page("b"), 4096)
    second = await rig.snapshot(volume_id)
    await rig.write(volume_id, page("c"), 32 * MIB)
    for ref, since, places in ((VolumeRef(volume_id), first, (4096, 32 * MIB)), (VolumeRef(volume_id), second, (32 * MIB,)),
                               (SnapshotRef(second), first, (4096,)), (SnapshotRef(second), second, ())):
        found = await rig.driver.changed(ref, since)
        if found is not None:
            assert all(any(one.offset <= place < one.offset + one.length for one in found) for place in places)
            assert sum(one.length for one in found) <= len(places) * MIB
            assert all(one.offset + one.length <= other.offset for one, other in itertools.pairwise(found))
    other = await rig.written(page("a"))
    assert await rig.driver.changed(VolumeRef(other), first) is None
    with refused(VolumeMissing):
        await rig.driver.changed(VolumeRef(volume_id), ABSENT)


async def test_a_volume_is_exported_whole(rig):
    volume_id = await rig.written(page("a"), 4 * MIB)
    snapshot_id = await rig.snapshot(volume_id)
    await rig.write(volume_id, page("b"), 4 * MIB)
    for ref, mark in ((VolumeRef(volume_id), "b"), (SnapshotRef(snapshot_id), "a")):
        target = rig.folder / "exported"
        await rig.driver.export(ref, target)
        content = target.read_bytes()
        assert len(content) == 8 * MIB and content[4 * MIB:4 * MIB + 4096] == page(mark)
        assert target.stat().st_blocks * 512 < 4 * MIB
    await rig.driver.export(VolumeRef(volume_id), target, "qcow2", compress=True)
    assert target.read_bytes().startswith(b"QFI\xfb")


async def test_a_connection_says_all_that_a_hypervisor_has_to_know(rig):
    made = await rig.volume(8 * MIB, shared=True)
    access = Access(read_only=True, shareable=True, limits=Limits(read_iops_sec=5))
    found = await rig.driver.connect(made.id, access)
    assert (found.volume_id, found.size, found.read_only, found.shareable) == (made.id, 8 * MIB, True, True)
    assert found.limits == access.limits and found.encryption is None and found.format in ("raw", "qcow2") and found.path
    assert found == await rig.driver.connect(made.id, access)


# -- encryption ---------------------------------------------------------------------------------------------------------


async def test_an_encrypted_volume_and_its_copies_open_by_its_passphrase_only(rig):
    if "luks" not in rig.driver.caps().encryption:
        return
    volume_id = await rig.written(page("secret"), encryption=LUKS)
    snapshot_id = await rig.snapshot(volume_id)
    clone = await rig.volume(16 * MIB, FromSnapshot(snapshot_id), encryption=LUKS)
    await rig.write(volume_id, page("later"))
    assert (await rig.driver.volume(volume_id)).encrypted and clone.encrypted and (await rig.driver.snapshot(snapshot_id)).encrypted
    assert await rig.read(volume_id, 0, 4096) == page("later")
    assert await rig.of_snapshot(snapshot_id, 0, 4096) == page("secret") == await rig.read(clone.id, 0, 4096)
    for passphrase in (None, type(SECRET)(b"another")):
        with refused(VolumeError, "passphrase"):
            await rig.read(volume_id, passphrase=passphrase)
        with refused(VolumeError, "passphrase"):
            await rig.driver.export(SnapshotRef(snapshot_id), rig.folder / "x", passphrase=passphrase)
    await rig.driver.extend_volume(volume_id, 16 * MIB)
    with refused(VolumeError, "encrypt"):
        await rig.volume(16 * MIB, FromSnapshot(snapshot_id))
    connection = await rig.driver.connect(volume_id, Access(encryption=LUKS))
    assert connection.encryption == LUKS and connection.size == 16 * MIB


async def test_an_encrypted_volume_from_an_image(rig):
    if "luks" not in rig.driver.caps().encryption:
        return
    await rig.driver.cache_image("image", rig.file("image", page("image"), 8 * MIB), "raw")
    made = await rig.volume(8 * MIB, FromImage("image"), encryption=LUKS)
    assert made.encrypted and await rig.read(made.id, 0, 4096) == page("image")


async def test_encryption_without_a_passphrase_or_of_another_kind(rig):
    spec = VolumeSpec(new_id(), 8 * MIB, encryption=LUKS)
    with refused(VolumeError, "passphrase" if "luks" in rig.driver.caps().encryption else "luks"):
        await rig.driver.create_volume(spec)
    with refused(Unsupported, "plain"):
        await rig.volume(8 * MIB, encryption=type(LUKS)(provider="plain"))


# -- what is there already ----------------------------------------------------------------------------------------------


async def test_managing_and_unmanaging(rig):
    volume_id = await rig.written(page("a"))
    before = await rig.driver.list()
    reference = await rig.driver.unmanage(VolumeRef(volume_id))
    assert not (await rig.driver.list()).volumes
    found = {one.reference: one for one in await rig.driver.manageable()}
    assert found[reference].safe and found[reference].size == 8 * MIB and not found[reference].id
    await rig.reopen()
    await rig.driver.tidy()
    other = new_id()
    assert (await rig.driver.manage_volume(other, reference)).size == 8 * MIB
    assert (await rig.driver.manage_volume(other, reference)).size == 8 * MIB
    assert await rig.read(other, 0, 4096) == page("a") and len((await rig.driver.list()).volumes) == len(before.volumes)
    told = [one for one in await rig.driver.manageable() if one.id == other]
    assert len(told) == 1 and not told[0].safe and "managed" in told[0].reason
    with refused(VolumeMissing):
        await rig.driver.manage_volume(new_id(), reference)


async def test_unmanaging_a_volume_that_shares_layers_leaves_the_others_whole(rig):
    if rig.driver.caps().clones_hang:
        return
    source = await rig.written(page("a"))
    clone = await rig.volume(8 * MIB, FromVolume(source))
    reference = await rig.driver.unmanage(VolumeRef(clone.id))
    await rig.driver.delete_volume(source)
    await rig.reopen()
    await rig.driver.manage_volume(clone.id, reference)
    assert await rig.read(clone.id, 0, 4096) == page("a")


async def test_managing_snapshots(rig):
    if not rig.driver.caps().manage_snapshots:
        return
    volume_id = await rig.written(page("a"))
    snapshot_id = await rig.snapshot(volume_id)
    reference = await rig.driver.unmanage(SnapshotRef(snapshot_id))
    found = {one.reference: one for one in await rig.driver.manageable()}
    assert found[reference].safe and found[reference].of_volume == volume_id
    with refused(VolumeError):
        await rig.driver.manage_snapshot((await rig.volume()).id, new_id(), reference)
    other = new_id()
    assert (await rig.driver.manage_snapshot(volume_id, other, reference)).size == 8 * MIB
    assert await rig.of_snapshot(other, 0, 4096) == page("a")


async def test_references_that_are_paths(rig):
    for name in ("../x", "/etc/passwd", "a/b", "", ".", "..", "nothing", "json:{}", "a\0b"):
        with refused(VolumeMissing):
            await rig.driver.manage_volume(new_id(), name)


# -- the back end -------------------------------------------------------------------------------------------------------


async def test_statistics_and_inventory(rig):
    before = await rig.driver.stats()
    volume_id = await rig.written(page("a") * 256, size=GIB)
    snapshot_id = await rig.snapshot(volume_id)
    after, there = await rig.driver.stats(), await rig.driver.list()
    assert after.provisioned - before.provisioned == 2 * GIB and after.volumes == before.volumes + 1
    assert after.allocated >= before.allocated + MIB and 0 < after.free <= after.total
    assert [one.id for one in there.volumes] == [volume_id] and [one.id for one in there.snapshots] == [snapshot_id]
    await rig.driver.health()


async def test_a_thick_volume_has_its_room(rig):
    if not rig.driver.caps().thick:
        with refused(Unsupported):
            await rig.volume(8 * MIB, thick=True)
        return
    made = await rig.volume(8 * MIB, thick=True)
    assert made.allocated >= 8 * MIB and await rig.read(made.id) == bytes(512)
    free = (await rig.driver.stats()).free
    with refused(VolumeError, str(free // GIB * GIB + GIB)):
        await rig.volume(free // GIB * GIB + GIB, thick=True)
