"""What types and services say is obeyed when volumes are made."""

import itertools

import pytest

from cloudd import block
from cloudd.block.config import CONFIG, read_filters
from cloudd.core.errors import StartError
from tests.api.block.forms import B, words
from tests.api.block.room import Room

NUMBERS = itertools.count()


async def make(cloud, **specs):
    answer = await cloud.admin.post(f"{B}/types", {"volume_type": {"name": f"obeyed-{next(NUMBERS)}", "extra_specs": specs}})
    return answer.body["volume_type"]


@pytest.fixture
async def room(cloud):
    room = await Room.make(cloud)
    yield room
    await room.clean()


async def test_sizes_that_a_type_allows(cloud, room):
    made = await make(cloud, **{"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "3"})
    for size, status in ((1, 400), (2, 202), (3, 202), (4, 400)):
        answer = await room.create(size=size, volume_type=made["id"])
        assert answer.status == status, answer.content
        assert status == 202 or f"'{size}'" in words(answer)


async def test_zones_that_a_type_allows(cloud, room):
    there, elsewhere = await make(cloud, **{"RESKEY:availability_zones": "moon,nova"}), await make(cloud, **{
        "RESKEY:availability_zones": "moon"})
    assert (await room.create(volume_type=there["name"])).status == 202
    refused = await room.create(volume_type=elsewhere["name"])
    assert refused.status == 400 and "moon" in words(refused)


async def test_no_volume_of_an_encrypted_type_is_made_in_the_clear(cloud, room):
    made, plain = await make(cloud), await room.volume()
    luks = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    assert (await cloud.admin.post(f"{B}/types/{made['id']}/encryption", luks)).status == 200
    assert (await room.create(volume_type=made["id"])).status == 400
    assert (await room.act(plain, "os-retype", {"new_type": made["id"], "migration_policy": "never"})).status == 400


async def test_an_operator_says_what_users_filter_lists_by(cloud, room, tmp_path):
    volume = await room.volume(name="filtered", description="by description")
    path = f"{B}/volumes?description=by description"
    assert (await room.user.get(path)).status == 400
    file = tmp_path / "filters.json"
    file.write_text('{"volume": ["description", "name~"], "message": []}')
    kept, CONFIG.filters = CONFIG.filters, read_filters(str(file))
    try:
        assert [row["id"] for row in (await room.user.get(path)).body["volumes"]] == [volume]
        assert [row["id"] for row in (await room.user.get(f"{B}/volumes?name~=ilter")).body["volumes"]] == [volume]
        for refused in ("volumes?status=available", f"messages?resource_uuid={volume}"):
            assert (await room.user.get(f"{B}/{refused}")).status == 400
        assert (await room.at("3.30").get(f"{B}/volumes?status=available")).status == 200
        rows = (await room.user.get(f"{B}/resource_filters?resource=volume")).body["resource_filters"]
        assert rows == [{"resource": "volume", "filters": ["description", "name~"]}]
    finally:
        CONFIG.filters = kept


@pytest.mark.parametrize("text", ["", "[]", '{"volume": "name"}', '{"volume": [1]}'])
def test_a_file_of_filters_that_cannot_be_read_stops_the_start(tmp_path, text):
    file = tmp_path / "filters.json"
    file.write_text(text)
    with pytest.raises(StartError, match="resource_filters"):
        read_filters(str(file))


async def test_a_retype_obeys_them_too(cloud, room):
    made = await make(cloud, **{"provisioning:min_vol_size": "2"})
    answer = await room.act(await room.volume(), "os-retype", {"new_type": made["id"], "migration_policy": "never"})
    assert answer.status == 400 and "minimum" in words(answer)


async def test_a_volume_of_a_private_type_needs_access(cloud, room):
    made = (await cloud.admin.post(f"{B}/types", {"volume_type": {
        "name": f"obeyed-{next(NUMBERS)}", "os-volume-type-access:is_public": False}})).body["volume_type"]
    assert (await room.create(volume_type=made["id"])).status == 404
    await cloud.admin.post(f"{B}/types/{made['id']}/action", {"addProjectAccess": {"project": room.user.project_id}})
    assert (await room.show(await room.volume(volume_type=made["id"])))["volume_type"] == made["name"]


async def test_the_project_s_default_type_is_taken(cloud, room):
    made, path = await make(cloud), f"{B}/default-types/{room.user.project_id}"
    await room.admin.put(path, {"default_type": {"volume_type": made["id"]}})
    assert (await room.show(await room.volume()))["volume_type"] == made["name"]
    await room.admin.delete(path)


async def test_a_disabled_back_end_takes_no_volumes_and_the_message_says_so(cloud, room):
    which = {"host": f"{CONFIG.host}@simulated", "binary": "cinder-volume"}
    await cloud.admin.put(f"{B}/os-services/disable-log-reason", {**which, "disabled_reason": "new disks come"})
    volume = (await room.create()).body["volume"]["id"]
    await cloud.settled()
    await cloud.admin.put(f"{B}/os-services/enable", which)
    assert await room.status(volume) == "error"
    message = (await room.user.get(f"{B}/messages?resource_uuid={volume}")).body["messages"][0]
    assert message["event_id"] == "VOLUME_VOLUME_001_003" and "new disks come" in message["user_message"]
    assert (await room.show(await room.volume()))["status"] == "available"


async def test_limits_of_a_type_are_obeyed(cloud, room):
    made = await make(cloud)
    await cloud.admin.put(f"{B}/os-quota-sets/{room.user.project_id}", {"quota_set": {f"volumes_{made['name']}": 1}})
    assert (await room.create(volume_type=made["id"])).status == 202
    refused = await room.create(volume_type=made["id"])
    assert refused.status == 413 and f"volumes_{made['name']}" in words(refused)
    assert (await room.create()).status == 202


async def test_a_connection_tells_the_limits_of_the_type(cloud, room):
    made = await make(cloud)
    specs = {"name": f"obeyed-{next(NUMBERS)}", "total_iops_sec_per_gb": "10", "total_iops_sec_per_gb_min": "25", "other": "kept"}
    qos = (await cloud.admin.post(f"{B}/qos-specs", {"qos_specs": specs})).body["qos_specs"]["id"]
    await cloud.admin.get(f"{B}/qos-specs/{qos}/associate?vol_type_id={made['id']}")
    for size, limit in ((2, 25), (3, 30)):
        volume = await room.volume(volume_type=made["id"], size=size)
        answer = await room.act(volume, "os-initialize_connection", {"connector": {"host": "here"}})
        assert answer.body["connection_info"]["data"]["qos_specs"] == {"total_iops_sec": limit}
    answer = await room.user.post(f"{B}/attachments", {"attachment": {"volume_uuid": volume, "connector": {"host": "here"}}})
    assert answer.body["attachment"]["connection_info"]["data"]["qos_specs"] == {"total_iops_sec": 30}
    opened = await block.connect(cloud.parts, answer.body["attachment"]["id"])
    assert (opened.limits.total_iops_sec, opened.limits.read_iops_sec) == (30, 0)
    await room.user.delete(f"{B}/attachments/{answer.body['attachment']['id']}")
    answer = await room.act(await room.volume(), "os-initialize_connection", {"connector": {"host": "here"}})
    assert answer.body["connection_info"]["data"]["qos_specs"] is None


async def test_a_volume_that_no_pool_took_goes_at_once_so_that_its_type_can(cloud, room):
    """Tempest deletes the type as soon as the deletion of the volume was accepted."""
    made = await make(cloud, storage_protocol="no-such")
    volume = (await room.create(volume_type=made["id"])).body["volume"]["id"]
    await cloud.settled()
    assert (await room.user.delete(f"{B}/volumes/{volume}")).status == 202
    assert (await cloud.admin.delete(f"{B}/types/{made['id']}")).status == 202
    assert await room.status(volume) is None
