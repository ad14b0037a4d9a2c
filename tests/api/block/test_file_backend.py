"""The whole life of volumes on the file driver: what a user does over HTTP, and what then lies in the directory."""

import pytest

from cloudd.block.backends import place
from cloudd.drivers.volume.base import VolumeConfig, VolumeRef
from cloudd.drivers.volume.file import FileVolumes
from tests.api.block.room import V

GIB = 1 << 30


@pytest.fixture
def disks(tmp_path):
    return FileVolumes(VolumeConfig("disks", str(tmp_path / "volumes"), str(tmp_path)))


async def begins_with(driver, volume, data):
    disk = await driver.open_disk(VolumeRef(volume))
    try:
        return await disk.read(0, len(data)) == data
    finally:
        await disk.close()


async def write(driver, volume, data):
    disk = await driver.open_disk(VolumeRef(volume), write=True)
    try:
        await disk.write(0, data)
        await disk.flush()
    finally:
        await disk.close()


async def test_from_an_image_to_snapshots_clones_and_back(room, disks):
    first, second = b"\1" * 8192, b"\2" * 8192
    image = await room.image(first)
    async with room.backend(disks) as kind:
        volume = await room.volume(imageRef=image, volume_type=kind)
        assert await begins_with(disks, volume, first)
        snapshot = await room.snapshot(volume)
        await write(disks, volume, second)
        clone = await room.volume(snapshot_id=snapshot, size=2)
        assert await begins_with(disks, clone, first) and (await disks.volume(clone)).size == 2 * GIB
        copy = await room.volume(source_volid=volume)
        assert await begins_with(disks, copy, second)
        assert (await room.act(volume, "revert", {"snapshot_id": snapshot})).status == 202
        assert await begins_with(disks, volume, first)
        for gone in (f"snapshots/{snapshot}", f"volumes/{volume}"):
            assert (await room.user.delete(f"{V}/{gone}")).status == 202
            await room.cloud.settled()
            assert (await room.user.get(f"{V}/{gone}")).status == 404
        assert await begins_with(disks, clone, first) and await begins_with(disks, copy, second)
        await room.clean()
        left = await disks.list()
        assert (left.volumes, left.snapshots, left.leftovers) == ((), (), ())


async def test_extended_reimaged_and_made_an_image_of(room, disks):
    image, data = await room.image(b"\3" * 4096), b"\4" * 8192
    async with room.backend(disks) as kind:
        volume = await room.volume(volume_type=kind)
        await write(disks, volume, data)
        assert (await room.act(volume, "os-extend", {"new_size": 3})).status == 202
        assert (await room.show(volume))["size"] == 3 and (await disks.volume(volume)).size == 3 * GIB
        assert await begins_with(disks, volume, data)
        answer = await room.act(volume, "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2"})
        uploaded = (await room.user.get(f"/image/v2/images/{answer.body['os-volume_upload_image']['image_id']}")).body
        assert (uploaded["status"], uploaded["disk_format"]) == ("active", "qcow2"), await room.fault(volume)
        again = await room.volume(imageRef=uploaded["id"], volume_type=kind, size=3)
        assert await begins_with(disks, again, data)
        assert (await room.act(volume, "os-reimage", {"image_id": image})).status == 202
        assert await room.status(volume) == "available", await room.fault(volume)
        assert await begins_with(disks, volume, b"\3" * 4096 + b"\0" * 4096)


async def test_a_large_volume_takes_no_room_and_one_that_is_too_large_is_refused_with_figures(room, disks):
    async with room.backend(disks) as kind:
        project = room.user.project_id
        from cloudd.block.quotas import QUOTAS
        async with room.cloud.parts.database.write() as tx:
            await QUOTAS.set(tx, project, {"gigabytes": -1})
        volume = await room.volume(size=64, volume_type=kind)
        assert (await disks.volume(volume)).size == 64 * GIB and (await disks.volume(volume)).allocated < 1 << 24
        huge = (await room.create(size=2**30, volume_type=kind)).body["volume"]["id"]
        await room.cloud.settled()
        assert await room.status(huge) == "error" and "asked was 1073741824 GiB" in await room.fault(huge)
        assert not any(info.id == huge for info in (await disks.list()).volumes)


async def test_what_is_no_image_makes_no_volume_and_says_why(room, disks):
    image = await room.image(b"\0" * 4096, disk_format="raw")
    from cloudd.image.models import Image
    async with room.cloud.parts.database.write() as tx:
        (await tx.get_one(Image, image)).disk_format = "qcow2"
    async with room.backend(disks) as kind:
        volume = (await room.create(imageRef=image, volume_type=kind)).body["volume"]["id"]
        await room.cloud.settled()
        assert await room.status(volume) == "error" and "qcow2" in await room.fault(volume)
        assert (await disks.list()).volumes == ()


async def test_what_was_let_go_is_taken_over_by_its_name_or_its_id(room, disks):
    async with room.backend(disks) as kind:
        volume = await room.volume(volume_type=kind)
        await write(disks, volume, b"\5" * 512)
        snapshot = await room.snapshot(volume)
        assert (await room.admin.post(f"{V}/snapshots/{snapshot}/action", {"os-unmanage": None})).status == 202
        await room.cloud.settled()
        again = await room.admin.post(f"{V}/manageable_snapshots", {"snapshot": {"volume_id": volume, "ref": {"source-id": snapshot}}})
        await room.cloud.settled()
        shown = (await room.admin.get(f"{V}/snapshots/{again.body['snapshot']['id']}")).body["snapshot"]
        assert shown["status"] == "available"
        assert (await room.admin.delete(f"{V}/snapshots/{shown['id']}")).status == 202
        await room.cloud.settled()
        assert (await room.act(volume, "os-unmanage", {}, room.admin)).status == 202
        body = {"volume": {"host": place("disks"), "ref": {"source-id": volume}, "volume_type": kind}}
        back = (await room.admin.post(f"{V}/manageable_volumes", body)).body["volume"]["id"]
        await room.cloud.settled()
        assert (await room.admin.get(f"{V}/volumes/{back}")).body["volume"]["status"] == "available", await room.fault(back)
        assert await begins_with(disks, back, b"\5" * 512)
        assert (await room.admin.delete(f"{V}/volumes/{back}")).status == 202
        await room.cloud.settled()
