"""Snapshots: taken of volumes at rest and in use, changed, deleted whatever stands on them, let go and taken over."""

import pytest

from cloudd.block.backends import place
from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.simulated import SimulatedVolumes
from tests.api.block.room import V

BASE = {"id", "created_at", "updated_at", "name", "description", "volume_id", "status", "size", "metadata"}
EXTENDED = {"os-extended-snapshot-attributes:progress", "os-extended-snapshot-attributes:project_id"}


async def shown(room, snapshot, version="3.71"):
    answer = await room.at(version).get(f"{V}/snapshots/{snapshot}")
    return answer.body["snapshot"] if answer.status == 200 else None


async def act(room, snapshot, action, value=None, by=None):
    answer = await (by or room.user).post(f"{V}/snapshots/{snapshot}/action", {action: value})
    await room.cloud.settled()
    return answer


async def test_a_snapshot_becomes_available_and_shows_each_version_its_members(room):
    volume = await room.volume(size=2)
    snapshot = await room.snapshot(volume, name="then", description="as it was", metadata={"a": "b"})
    told = await shown(room, snapshot)
    assert (told["status"], told["size"], told["metadata"], told["name"]) == ("available", 2, {"a": "b"}, "then")
    assert told["os-extended-snapshot-attributes:progress"] == "100%"
    for version, more in (("3.0", set()), ("3.14", {"group_snapshot_id"}), ("3.41", {"group_snapshot_id", "user_id"}),
                          ("3.65", {"group_snapshot_id", "user_id", "consumes_quota"})):
        assert set(await shown(room, snapshot, version)) == BASE | EXTENDED | more
    assert set((await room.user.get(f"{V}/snapshots")).body["snapshots"][0]) == BASE
    assert (await room.cloud.demo.get(f"{V}/snapshots/{snapshot}")).status == 404


async def test_of_a_volume_in_use_it_is_taken_by_force_or_from_3_66_on_anyway(room):
    volume = await room.volume()
    await room.act(volume, "os-attach", {"host_name": "elsewhere", "mountpoint": "/dev/vdb"})
    for version, body, status in (("3.65", {}, 400), ("3.65", {"force": True}, 202), ("3.66", {}, 202), ("3.66", {"force": True}, 202),
                                  ("3.66", {"force": False}, 400)):
        answer = await room.at(version).post(f"{V}/snapshots", {"snapshot": {"volume_id": volume, **body}})
        assert answer.status == status, (version, body, answer.content)


async def test_what_is_written_down_can_be_changed(room):
    snapshot = await room.snapshot(await room.volume())
    url = f"{V}/snapshots/{snapshot}"
    assert (await room.user.put(url, {"snapshot": {"name": "new", "display_description": "words"}})).body["snapshot"]["name"] == "new"
    for body in ({}, {"status": "x"}, {"name": 5}):
        assert (await room.user.put(url, {"snapshot": body})).status == 400
    assert (await room.user.post(f"{url}/metadata", {"metadata": {"a": "1"}})).body == {"metadata": {"a": "1"}}
    assert (await room.user.put(f"{url}/metadata", {"metadata": {"b": "2"}})).body == {"metadata": {"b": "2"}}
    assert (await room.user.put(f"{url}/metadata/b", {"meta": {"b": "3"}})).body == {"meta": {"b": "3"}}
    assert (await room.user.get(f"{url}/metadata/b")).body == {"meta": {"b": "3"}}
    assert (await room.user.delete(f"{url}/metadata/b")).status == 200 and (await room.user.get(f"{url}/metadata/b")).status == 404
    assert (await room.user.get(f"{url}/metadata")).body == {"metadata": {}}


async def test_a_snapshot_goes_whatever_stands_on_it_and_its_clone_stays(room, driver):
    volume = await room.volume()
    snapshot = await room.snapshot(volume)
    clone = await room.volume(snapshot_id=snapshot)
    assert (await room.user.delete(f"{V}/snapshots/{snapshot}")).status == 202
    await room.cloud.settled()
    assert await shown(room, snapshot) is None and await room.status(clone) == "available"
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 202


async def test_where_clones_hang_on_their_snapshots_they_are_made_to_stand_by_themselves(room, tmp_path):
    hanging = SimulatedVolumes(VolumeConfig("hanging", "hang", str(tmp_path)))
    async with room.backend(hanging) as kind:
        volume = await room.volume(volume_type=kind)
        snapshot = await room.snapshot(volume)
        clone = await room.volume(snapshot_id=snapshot)
        assert (await hanging.volume(clone)).depth == 2
        await room.user.delete(f"{V}/snapshots/{snapshot}")
        await room.cloud.settled()
        assert await shown(room, snapshot) is None and (await hanging.volume(clone)).depth == 1
        await room.clean()
        assert (await hanging.list()).volumes == ()


async def test_a_failed_snapshot_is_in_error_with_words_and_can_be_deleted(room, driver):
    volume = await room.volume()
    driver.fail("create_snapshot")
    snapshot = await room.snapshot(volume)
    assert (await shown(room, snapshot))["status"] == "error"
    assert (await room.user.delete(f"{V}/snapshots/{snapshot}")).status == 202
    await room.cloud.settled()
    assert await shown(room, snapshot) is None


async def test_a_snapshot_that_could_not_be_deleted_can_be_deleted_again(room, driver):
    snapshot = await room.snapshot(await room.volume())
    driver.fail("delete_snapshot")
    await room.user.delete(f"{V}/snapshots/{snapshot}")
    await room.cloud.settled()
    assert (await shown(room, snapshot))["status"] == "error_deleting"
    assert (await room.user.delete(f"{V}/snapshots/{snapshot}")).status == 202
    await room.cloud.settled()
    assert await shown(room, snapshot) is None


@pytest.mark.parametrize("status", ["creating", "available", "deleting", "error", "error_deleting"])
async def test_administrators_set_statuses_and_delete_by_force(room, status):
    snapshot = await room.snapshot(await room.volume())
    assert (await act(room, snapshot, "os-reset_status", {"status": status})).status == 403
    assert (await act(room, snapshot, "os-reset_status", {"status": status}, room.admin)).status == 202
    assert (await shown(room, snapshot))["status"] == status
    for wrong in ({"status": "updating"}, {"status": "strange"}, {}):
        assert (await act(room, snapshot, "os-reset_status", wrong, room.admin)).status == 400
    deletable = status in ("available", "error", "error_deleting")
    assert (await room.user.delete(f"{V}/snapshots/{snapshot}")).status == (202 if deletable else 400)
    assert (await act(room, snapshot, "os-force_delete", {}, room.admin)).status in (202, 404)
    assert await shown(room, snapshot) is None


async def test_a_service_tells_how_it_goes_on(room):
    snapshot = await room.snapshot(await room.volume())
    assert (await act(room, snapshot, "os-update_snapshot_status", {"status": "error"})).status == 400
    await act(room, snapshot, "os-reset_status", {"status": "creating"}, room.admin)
    assert (await act(room, snapshot, "os-update_snapshot_status", {"status": "deleting"})).status == 400
    assert (await act(room, snapshot, "os-update_snapshot_status", {"status": "creating", "progress": "50%"})).status == 202
    assert (await shown(room, snapshot))["os-extended-snapshot-attributes:progress"] == "50%"
    assert (await act(room, snapshot, "os-update_snapshot_status", {"status": "available"})).status == 202


async def test_quotas_count_snapshots_and_their_gigabytes(room):
    volume = await room.volume(size=400)
    await room.snapshot(volume)
    answer = await room.user.post(f"{V}/snapshots", {"snapshot": {"volume_id": volume}})
    assert answer.status == 413 and "gigabytes" in answer.body["overLimit"]["message"]


async def test_a_snapshot_is_let_go_and_taken_over_again(room):
    volume = await room.volume()
    snapshot = await room.snapshot(volume)
    assert (await act(room, snapshot, "os-unmanage", {})).status == 403
    assert (await act(room, snapshot, "os-unmanage", {}, room.admin)).status == 202
    assert await shown(room, snapshot) is None
    url = f"{V}/manageable_snapshots/detail?host={place('simulated').replace('#', '%23')}"
    found = (await room.admin.get(url)).body["manageable-snapshots"]
    mine = next(one for one in found if one["source_reference"] == {"source-name": volume} and one["safe_to_manage"])
    assert snapshot in mine["reference"]["source-name"]
    body = {"snapshot": {"volume_id": volume, "ref": {"source-id": snapshot}, "name": "back"}}
    answer = await room.admin.post(f"{V}/manageable_snapshots", body)
    assert answer.status == 202, answer.content
    await room.cloud.settled()
    back = (await room.admin.get(f"{V}/snapshots/{answer.body['snapshot']['id']}")).body["snapshot"]
    assert (back["status"], back["name"]) == ("available", "back")
    assert (await room.admin.delete(f"{V}/snapshots/{back['id']}")).status == 202


@pytest.mark.parametrize("body", [{"volume_id": None}, {"volume_id": "x"}, {}, {"volume_id": "x", "strange": 1}])
async def test_bad_bodies_are_refused(room, body):
    assert (await room.user.post(f"{V}/snapshots", {"snapshot": body})).status in (400, 404)
