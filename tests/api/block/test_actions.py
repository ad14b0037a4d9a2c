"""What is done with a volume: extended, reverted, reimaged, retyped, made an image of, flagged, reset, let go and taken over."""

import pytest

from cloudd.drivers.volume.base import VolumeRef
from tests.api.block.room import V

GIB = 1 << 30


async def content(driver, volume, length=512):
    disk = await driver.open_disk(VolumeRef(volume))
    try:
        return await disk.read(0, length)
    finally:
        await disk.close()


async def write(driver, volume, data):
    disk = await driver.open_disk(VolumeRef(volume), write=True)
    await disk.write(0, data)
    await disk.close()


async def test_a_volume_grows_and_never_shrinks(room, driver):
    volume = await room.volume()
    assert (await room.act(volume, "os-extend", {"new_size": 3})).status == 202
    shown = await room.show(volume)
    assert (shown["status"], shown["size"]) == ("available", 3) and (await driver.volume(volume)).size == 3 * GIB
    for size in (3, 2, 0, -1, 2**31, 2**63, "x", "2"):
        answer = await room.act(volume, "os-extend", {"new_size": size})
        assert answer.status == 400, (size, answer.content)
    smaller = await room.act(volume, "os-extend", {"new_size": 1})
    assert b"must be greater than current size" in smaller.content
    assert (await room.act(volume, "os-extend", {"new_size": "4"})).status == 202
    assert (await room.show(volume))["size"] == 4


async def test_an_extension_counts_at_once_and_is_given_back_when_it_fails(room, driver):
    volume = await room.volume(size=500)
    assert (await room.act(volume, "os-extend", {"new_size": 1001})).status == 413
    driver.fail("extend_volume")
    assert (await room.act(volume, "os-extend", {"new_size": 1000})).status == 202
    assert (await room.show(volume))["status"] == "available" and (await room.show(volume))["size"] == 500
    assert "could not be extended to 1000 GiB" in await room.fault(volume)
    assert (await room.create(size=500)).status == 202


async def test_a_volume_in_use_grows_from_3_42_on(room):
    volume = await room.volume()
    await room.act(volume, "os-attach", {"host_name": "elsewhere", "mountpoint": "/dev/vdb"})
    assert (await room.at("3.41").post(f"{V}/volumes/{volume}/action", {"os-extend": {"new_size": 2}})).status == 400
    assert (await room.act(volume, "os-extend", {"new_size": 2})).status == 202
    shown = await room.show(volume)
    assert (shown["status"], shown["size"]) == ("in-use", 2)
    done = await room.act(volume, "os-extend_volume_completion", {"error": False}, room.admin)
    assert done.status == 400 and b"not being extended" in done.content


async def test_a_volume_goes_back_to_its_newest_snapshot_only(room, driver):
    volume = await room.volume()
    await write(driver, volume, b"\1" * 512)
    old = await room.snapshot(volume)
    await write(driver, volume, b"\2" * 512)
    new = await room.snapshot(volume)
    await write(driver, volume, b"\3" * 512)
    wrong = await room.act(volume, "revert", {"snapshot_id": old})
    assert wrong.status == 400 and new.encode() in wrong.content
    assert (await room.act(volume, "revert", {"snapshot_id": new})).status == 202
    assert await content(driver, volume) == b"\2" * 512 and await room.status(volume) == "available"
    assert (await room.user.get(f"{V}/snapshots/{new}")).body["snapshot"]["status"] == "available"
    await room.act(volume, "os-extend", {"new_size": 2})
    assert (await room.act(volume, "revert", {"snapshot_id": new})).status == 400
    assert (await room.at("3.39").post(f"{V}/volumes/{volume}/action", {"revert": {"snapshot_id": new}})).status == 404


async def test_a_revert_of_what_is_in_use_is_a_conflict_and_a_failed_one_changes_nothing(room, driver):
    volume = await room.volume()
    snapshot = await room.snapshot(volume)
    driver.fail("revert_volume")
    assert (await room.act(volume, "revert", {"snapshot_id": snapshot})).status == 202
    assert await room.status(volume) == "available" and "could not be reverted" in await room.fault(volume)
    await room.act(volume, "os-attach", {"host_name": "elsewhere", "mountpoint": "/dev/vdb"})
    assert (await room.act(volume, "revert", {"snapshot_id": snapshot})).status == 409


async def test_an_image_is_written_over_a_volume_and_its_snapshots_stay(room, driver):
    volume = await room.volume()
    await write(driver, volume, b"\1" * 8192)
    snapshot = await room.snapshot(volume)
    image = await room.image(b"\5" * 4096, name="new")
    assert (await room.act(volume, "os-reimage", {"image_id": image})).status == 202
    assert await content(driver, volume, 8192) == b"\5" * 4096 + b"\0" * 4096
    shown = await room.show(volume)
    assert (shown["status"], shown["bootable"], shown["volume_image_metadata"]["image_name"]) == ("available", "true", "new")
    assert [info.id for info in (await driver.list()).volumes if info.id == volume] == [volume]
    assert (await room.act(volume, "revert", {"snapshot_id": snapshot})).status == 202
    assert await content(driver, volume) == b"\1" * 512


async def test_a_reserved_volume_is_reimaged_when_that_is_said_and_stays_reserved(room):
    volume, image = await room.volume(), await room.image()
    await room.user.post(f"{V}/attachments", {"attachment": {"volume_uuid": volume}})
    assert (await room.act(volume, "os-reimage", {"image_id": image})).status == 400
    assert (await room.act(volume, "os-reimage", {"image_id": image, "reimage_reserved": True})).status == 202
    assert await room.status(volume) == "reserved"
    assert (await room.at("3.67").post(f"{V}/volumes/{volume}/action", {"os-reimage": {"image_id": image}})).status == 404


async def test_a_failed_reimage_leaves_the_volume_in_error_with_words_and_nothing_beside_it(room, driver):
    volume, image = await room.volume(), await room.image()
    driver.fail("open_disk", 2)
    before = len((await driver.list()).volumes)
    await room.act(volume, "os-reimage", {"image_id": image})
    assert await room.status(volume) == "error" and "could not be written over" in await room.fault(volume)
    assert len((await driver.list()).volumes) == before
    assert (await room.act(volume, "os-reimage", {"image_id": image})).status == 202
    assert await room.status(volume) == "available"


async def test_an_image_is_made_of_a_volume_with_what_it_had_from_its_own(room, driver):
    volume = await room.volume(imageRef=await room.image(b"\4" * 4096, os_distro="debian"))
    answer = await room.act(volume, "os-volume_upload_image", {"image_name": "copy", "visibility": "private", "protected": False})
    assert answer.status == 202, answer.content
    told = answer.body["os-volume_upload_image"]
    assert (told["status"], told["disk_format"], told["container_format"], told["image_name"]) == ("uploading", "raw", "bare", "copy")
    image = (await room.user.get(f"/image/v2/images/{told['image_id']}")).body
    assert (image["status"], image["size"], image["os_distro"]) == ("active", GIB, "debian") and "image_name" not in image
    assert await room.status(volume) == "available"
    again = await room.volume(imageRef=told["image_id"])
    assert await content(driver, again, 4096) == b"\4" * 4096


async def test_an_upload_that_fails_leaves_no_image_and_the_volume_as_it_was(room, driver):
    volume = await room.volume()
    driver.fail("export")
    answer = await room.act(volume, "os-volume_upload_image", {"image_name": "copy"})
    assert await room.status(volume) == "available" and "No image could be made" in await room.fault(volume)
    assert (await room.user.get(f"/image/v2/images/{answer.body['os-volume_upload_image']['image_id']}")).status == 404


@pytest.mark.parametrize(("body", "status"), [
    ({}, 400), ({"image_name": ""}, 400), ({"image_name": "i" * 256}, 400), ({"image_name": "i", "disk_format": "strange"}, 400),
    ({"image_name": "i", "container_format": "ovf"}, 400), ({"image_name": "i", "visibility": "public"}, 403)])
async def test_uploads_that_cannot_be_are_refused_with_nothing_changed(room, body, status):
    volume = await room.volume()
    assert (await room.act(volume, "os-volume_upload_image", body)).status == status
    assert await room.status(volume) == "available"
    assert (await room.at("3.0").post(f"{V}/volumes/{volume}/action",
                                      {"os-volume_upload_image": {"image_name": "i", "protected": True}})).status == 400


async def test_a_volume_in_use_is_uploaded_by_force(room):
    volume = await room.volume()
    await room.act(volume, "os-attach", {"host_name": "elsewhere", "mountpoint": "/dev/vdb"})
    assert (await room.act(volume, "os-volume_upload_image", {"image_name": "i"})).status == 400
    assert (await room.act(volume, "os-volume_upload_image", {"image_name": "i", "force": True, "disk_format": "qcow2"})).status == 202
    assert await room.status(volume) == "in-use"


async def test_flags_are_set_and_shown(room):
    volume = await room.volume()
    for sent, shown in ((True, "true"), ("0", "false"), ("Yes", "true")):
        assert (await room.act(volume, "os-set_bootable", {"bootable": sent})).status == 200
        assert (await room.show(volume))["bootable"] == shown
    assert (await room.act(volume, "os-update_readonly_flag", {"readonly": True})).status == 202
    assert (await room.show(volume))["metadata"] == {"readonly": "True"}
    assert (await room.act(volume, "os-attach", {"host_name": "h", "mountpoint": "/dev/vdb", "mode": "rw"})).status == 400
    assert (await room.act(volume, "os-set_bootable", {"bootable": "perhaps"})).status == 400


async def test_image_metadata_is_shown_set_and_unset(room):
    volume = await room.volume()
    assert (await room.act(volume, "os-show_image_metadata", {})).body == {"metadata": {}}
    assert (await room.act(volume, "os-set_image_metadata", {"metadata": {"a": "b", "c": "d"}})).body == {"metadata": {"a": "b", "c": "d"}}
    assert (await room.act(volume, "os-unset_image_metadata", {"key": "a"})).status == 200
    assert (await room.act(volume, "os-unset_image_metadata", {"key": "a"})).status == 404
    assert (await room.show(volume))["volume_image_metadata"] == {"c": "d"}


@pytest.mark.parametrize(("body", "status"), [
    ({"status": "error"}, 202), ({"status": "MAINTENANCE"}, 202), ({"attach_status": "detached"}, 202), ({"migration_status": "none"}, 202),
    ({"status": "deleting"}, 400), ({"status": "detaching"}, 400), ({"status": "error_deleting"}, 400), ({"status": "in-use"}, 400),
    ({"status": "strange"}, 400), ({"attach_status": "strange"}, 400), ({"migration_status": "strange"}, 400), ({}, 400),
    ({"status": None}, 400), ({"status": "error", "other": 1}, 400)])
async def test_statuses_are_set_by_administrators(room, body, status):
    volume = await room.volume()
    assert (await room.act(volume, "os-reset_status", body)).status in (400, 403)
    answer = await room.act(volume, "os-reset_status", body, room.admin)
    assert answer.status == status, answer.content
    if status == 202 and "status" in body:
        assert await room.status(volume) == body["status"].lower()


async def test_a_type_that_needs_no_move_is_given_at_once(room):
    types = {"shared": await room.type({"multiattach": "<is> True"}), "elsewhere": await room.type({"volume_backend_name": "elsewhere"})}
    volume = await room.volume()
    assert (await room.act(volume, "os-retype", {"new_type": "__DEFAULT__"})).status == 400
    assert (await room.act(volume, "os-retype", {"new_type": "none such"})).status == 404
    far = await room.act(volume, "os-retype", {"new_type": types["elsewhere"]})
    assert far.status == 400 and b"would have to move" in far.content
    assert (await room.act(volume, "os-retype", {"new_type": types["shared"], "migration_policy": "never"})).status == 202
    shown = await room.show(volume)
    assert shown["volume_type_id"] == types["shared"] and shown["multiattach"] is True
    nowhere = (await room.create(volume_type=types["elsewhere"])).body["volume"]["id"]
    await room.cloud.settled()
    assert "its volume_backend_name is simulated, asked was elsewhere" in await room.fault(nowhere)


async def test_a_volume_is_let_go_and_taken_over_again_with_its_data(room, driver):
    volume = await room.volume(size=2)
    await write(driver, volume, b"\6" * 512)
    assert (await room.act(volume, "os-unmanage", {})).status == 403
    assert (await room.act(volume, "os-unmanage", {}, room.admin)).status == 202
    assert await room.status(volume) is None
    from cloudd.block.backends import place
    host = place("simulated")
    listed = (await room.admin.get(f"{V}/manageable_volumes/detail?host={host.replace('#', '%23')}")).body["manageable-volumes"]
    mine = next(one for one in listed if one["reference"] == {"source-name": f"volume-{volume}"} and one["safe_to_manage"])
    assert (mine["size"], mine["cinder_id"]) == (2, None)
    body = {"volume": {"host": host, "ref": mine["reference"], "name": "again", "bootable": True, "metadata": {"a": "b"}}}
    answer = await room.admin.post(f"{V}/manageable_volumes", body)
    assert answer.status == 202 and answer.body["volume"]["status"] == "creating", answer.content
    await room.cloud.settled()
    taken = (await room.admin.get(f"{V}/volumes/{answer.body['volume']['id']}")).body["volume"]
    assert (taken["status"], taken["size"], taken["bootable"], taken["name"]) == ("available", 2, "true", "again")
    assert await content(driver, taken["id"]) == b"\6" * 512
    assert (await room.admin.delete(f"{V}/volumes/{taken['id']}")).status == 202


async def test_what_is_not_there_cannot_be_taken_over(room):
    from cloudd.block.backends import place
    for host, ref, status in ((None, "x", 400), ("no@where#here", "x", 503), (place("simulated"), {}, 400)):
        assert (await room.admin.post(f"{V}/os-volume-manage", {"volume": {"host": host, "ref": ref}})).status == status
    answer = await room.admin.post(f"{V}/os-volume-manage", {"volume": {"host": place("simulated"), "ref": {"source-name": "none"}}})
    assert answer.status == 202
    await room.cloud.settled()
    made = answer.body["volume"]["id"]
    assert (await room.admin.get(f"{V}/volumes/{made}")).body["volume"]["status"] == "error"
    assert "could not be managed" in await room.fault(made)
    assert (await room.admin.delete(f"{V}/volumes/{made}")).status == 202
    await room.cloud.settled()
    assert (await room.admin.get(f"{V}/volumes/{made}")).status == 404
    assert (await room.cloud.admin.at("3.7", "volume").get(f"{V}/manageable_volumes")).status == 404
    assert (await room.cloud.admin.at("3.7", "volume").get(f"{V}/os-volume-manage?host={place('simulated').split('#')[0]}")).status == 200
