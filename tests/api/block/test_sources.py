"""Volumes from images, snapshots and each other: what fits, what is kept, what fails in words."""

import orjson
import pytest

from cloudd.block.config import CONFIG
from cloudd.drivers.volume.base import VolumeRef
from tests.api.block.room import V

GIB = 1 << 30


async def test_a_volume_from_an_image_is_bootable_and_keeps_what_the_image_says(room, driver):
    image = await room.image(b"\7" * 5000, hw_disk_bus="scsi")
    volume = await room.volume(imageRef=image)
    shown = await room.show(volume)
    assert shown["bootable"] == "true" and shown["volume_image_metadata"]["hw_disk_bus"] == "scsi"
    assert shown["volume_image_metadata"]["image_id"] == image and shown["volume_image_metadata"]["size"] == "5000"
    assert (await driver.volume(volume)).size == GIB
    disk = await driver.open_disk(VolumeRef(volume))
    assert (await disk.read(4096, 1024)) == b"\7" * 904 + b"\0" * 120
    await disk.close()


async def test_an_image_may_be_meant_by_its_name(room):
    await room.image(name="only one of that name")
    volume = await room.volume(imageRef="only one of that name")
    assert (await room.show(volume))["volume_image_metadata"]["image_name"] == "only one of that name"
    assert (await room.create(imageRef="none of that name")).status == 400


async def test_ten_volumes_of_one_image_fetch_it_once(room, driver, monkeypatch):
    image, calls = await room.image(), []
    cache = driver.cache_image

    async def counted(*args):
        calls.append(args)
        return await cache(*args)
    monkeypatch.setattr(driver, "cache_image", counted)
    made = [await room.create(imageRef=image) for _ in range(5)]
    await room.cloud.settled()
    assert [await room.status(one.body["volume"]["id"]) for one in made] == ["available"] * 5
    assert len(calls) == 1


@pytest.mark.parametrize(("image", "size", "words"), [
    ({"min_disk": 3}, 2, b"minDisk size 3GB"), ({"status": "queued"}, 1, b"is not active")])
async def test_an_image_that_does_not_fit_is_refused_at_once(room, image, size, words):
    if "status" in image:
        body = {"name": "empty", "disk_format": "raw", "container_format": "bare"}
        image_id = (await room.user.post("/image/v2/images", body)).body["id"]
    else:
        image_id = await room.image(**image)
    answer = await room.create(imageRef=image_id, size=size)
    assert answer.status == 400 and words in answer.content


async def test_a_hostile_image_makes_no_volume_and_says_why(room, driver):
    driver.fail("cache_image")
    image = await room.image()
    answer = await room.create(imageRef=image)
    await room.cloud.settled()
    volume = answer.body["volume"]["id"]
    assert await room.status(volume) == "error"
    assert (await room.fault(volume)).startswith("The volume could not be created: ")
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 202
    await room.cloud.settled()
    assert await room.status(volume) is None


async def test_the_type_that_an_image_names_is_the_volumes(room):
    image = await room.image(cinder_img_volume_type="__DEFAULT__")
    assert (await room.show(await room.volume(imageRef=image)))["volume_type"] == "__DEFAULT__"
    other = await room.image(cinder_img_volume_type="no such type")
    assert (await room.create(imageRef=other)).status == 404


async def test_clones_have_the_size_and_the_data_of_their_source(room, driver):
    source = await room.volume(imageRef=await room.image(b"\1" * 4096))
    snapshot = await room.snapshot(source)
    by_source, by_snapshot = await room.volume(source_volid=source, size=None), await room.volume(snapshot_id=snapshot, size=2)
    assert ((await room.show(by_source))["size"], (await room.show(by_snapshot))["size"]) == (1, 2)
    assert (await room.show(by_snapshot))["bootable"] == "true" and (await room.show(by_source))["source_volid"] == source
    for volume in (by_source, by_snapshot):
        disk = await driver.open_disk(VolumeRef(volume))
        assert await disk.read(0, 512) == b"\1" * 512
        await disk.close()


async def test_a_clone_is_no_smaller_than_its_source(room):
    source = await room.volume(size=2)
    snapshot = await room.snapshot(source)
    assert (await room.create(source_volid=source, size=1)).status == 400
    assert (await room.create(snapshot_id=snapshot, size=1)).status == 400
    both = await room.create(source_volid=source, snapshot_id=snapshot)
    assert both.status == 400 and b"May specify only one of" in both.content


async def test_a_source_can_be_deleted_while_and_after_it_is_cloned(room):
    source = await room.volume()
    clone = (await room.create(source_volid=source)).body["volume"]["id"]
    assert (await room.user.delete(f"{V}/volumes/{source}")).status == 202
    await room.cloud.settled()
    assert (await room.status(source), await room.status(clone)) == (None, "available")


async def test_an_image_of_a_server_whose_disk_was_a_volume_stands_for_its_snapshot(room):
    snapshot = await room.snapshot(await room.volume())
    devices = orjson.dumps([{"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot, "volume_size": 1}]).decode()
    image = await room.image(b"", block_device_mapping=devices)
    assert (await room.show(await room.volume(imageRef=image)))["snapshot_id"] == snapshot
    before = await room.at("3.45").post(f"{V}/volumes", {"volume": {"imageRef": image, "size": 1}})
    assert before.status == 202 and before.body["volume"]["snapshot_id"] is None


async def test_what_no_pool_can_take_is_in_error_with_each_pools_figures(room):
    answer = await room.create(size=900)
    assert answer.status == 202
    await room.cloud.settled()
    assert await room.status(answer.body["volume"]["id"]) == "available"          # thin: 1000 GiB promised 20 times
    before, CONFIG.over_subscription, CONFIG.reserved = CONFIG.over_subscription, 1.0, 10
    try:
        refused = (await room.create(size=10)).body["volume"]["id"]
        await room.cloud.settled()
        assert await room.status(refused) == "error"
        words = await room.fault(refused)
        assert "@simulated#simulated: it has room for" in words and "asked was 10 GiB" in words
    finally:
        CONFIG.over_subscription, CONFIG.reserved = before, 0


async def test_hints_keep_volumes_together_and_apart(room):
    one = await room.volume()
    assert (await room.show(await room.volume(hints={"same_host": [one]})))["status"] == "available"
    apart = (await room.create(hints={"different_host": one})).body["volume"]["id"]
    await room.cloud.settled()
    assert await room.status(apart) == "error" and "the scheduler hints exclude it" in await room.fault(apart)
    assert (await room.create(hints={"same_host": "no id"})).status == 400
