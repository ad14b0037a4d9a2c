"""Attachments by both APIs: who may have a volume, what its status says, and how it is given back."""

import pytest

from cloudd.block.attachments import rules
from cloudd.block.models import Attachment, Volume
from cloudd.core import clock, ids
from cloudd.core.context import internal
from tests.api.block.room import V

SERVER, OTHER = ids.new_uuid(), ids.new_uuid()
CONNECTOR = {"host": "node-1", "mountpoint": "/dev/vdb", "ip": "192.0.2.1"}


async def attach(room, volume, server=SERVER, **values):
    body = {"volume_uuid": volume, "instance_uuid": server, **values}
    return await room.user.post(f"{V}/attachments", {"attachment": body})


async def shared_type(room):
    return await room.type({"multiattach": "<is> True"})


async def test_reserved_connected_completed_given_back(room):
    volume = await room.volume()
    made = (await attach(room, volume, mode="rw")).body["attachment"]
    assert (made["status"], made["instance"], made["attach_mode"], made["connection_info"]) == ("reserved", SERVER, "rw", {})
    shown = await room.show(volume)
    assert shown["status"] == "reserved" and shown["attachments"] == []
    url = f"{V}/attachments/{made['id']}"
    connected = (await room.user.put(url, {"attachment": {"connector": CONNECTOR}})).body["attachment"]
    assert connected["status"] == "attaching" and connected["connection_info"]["data"]["volume_id"] == volume
    assert await room.status(volume) == "attaching"
    assert (await room.user.post(f"{url}/action", {"os-complete": None})).status == 204
    shown = await room.show(volume)
    assert shown["status"] == "in-use" and [one["device"] for one in shown["attachments"]] == ["/dev/vdb"]
    assert shown["attachments"][0]["host_name"] is None and shown["attachments"][0]["server_id"] == SERVER
    by_admin = (await room.admin.get(f"{V}/volumes/{volume}")).body["volume"]
    assert by_admin["attachments"][0]["host_name"] == "node-1"
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 400
    assert (await room.user.delete(url)).body == {"attachments": []}
    assert await room.status(volume) == "available" and (await room.user.get(url)).status == 404


async def test_nothing_told_of_a_connection_is_a_place_on_the_machine(room):
    volume = await room.volume()
    made = await attach(room, volume, connector=CONNECTOR)
    info = await room.act(volume, "os-initialize_connection", {"connector": CONNECTOR})
    for answer in (made, info):
        assert answer.status == 200 and str(room.cloud.parts.settings.server.state_dir).encode() not in answer.content


async def test_a_volume_is_reserved_for_one_only(room):
    volume = await room.volume()
    assert (await attach(room, volume)).status == 200
    refused = await attach(room, volume, OTHER)
    assert refused.status == 400 and b"current status is reserved" in refused.content
    assert (await attach(room, volume)).status == 200               # the same server: it is moving
    listed = (await room.user.get(f"{V}/attachments?volume_id={volume}")).body["attachments"]
    assert len(listed) == 2


async def test_a_second_connector_needs_multiattach(room):
    volume = await room.volume()
    first = (await attach(room, volume, connector=CONNECTOR)).body["attachment"]
    await room.user.post(f"{V}/attachments/{first['id']}/action", {"os-complete": None})
    second = (await attach(room, volume)).body["attachment"]
    again = await room.user.put(f"{V}/attachments/{second['id']}", {"attachment": {"connector": CONNECTOR}})
    assert again.status == 409 and b"duplicate connectors" in again.content
    shared = await room.volume(volume_type=await shared_type(room))
    for server in (SERVER, OTHER):
        made = (await attach(room, shared, server, connector={**CONNECTOR, "host": server})).body["attachment"]
        await room.user.post(f"{V}/attachments/{made['id']}/action", {"os-complete": None})
    shown = await room.show(shared)
    assert shown["multiattach"] and {one["server_id"] for one in shown["attachments"]} == {SERVER, OTHER}
    await room.user.delete(f"{V}/attachments/{made['id']}")
    assert await room.status(shared) == "in-use"


async def test_an_attachment_of_a_server_is_ended_by_compute_only(room):
    """CVE-2023-2088: whose attachment goes behind compute's back, has a guest writing to what is somebody else's volume by then."""
    volume = await room.volume()
    async with room.cloud.parts.database.write() as tx:
        row = await tx.get_one(Volume, volume)
        held = await rules.reserve(internal(row.project_id), tx, row, SERVER, held=True)
        await rules.connect(internal(row.project_id), tx, row, held, CONNECTOR)
        await rules.complete(internal(row.project_id), tx, row, held)
    for answer in (await room.user.delete(f"{V}/attachments/{held.id}"), await room.act(volume, "os-detach", {}),
                   await room.act(volume, "os-detach", {"attachment_id": held.id}),
                   await room.act(volume, "os-terminate_connection", {"connector": CONNECTOR}),
                   await room.act(volume, "os-force_detach", {"attachment_id": held.id}, room.admin)):
        assert answer.status == 409 and b"openstack server remove volume" in answer.content
    assert await room.status(volume) == "in-use"


async def test_another_projects_attachment_is_not_there(room):
    volume = await room.volume()
    made = (await attach(room, volume)).body["attachment"]
    stranger = room.cloud.demo.at("3.71", "volume")
    assert (await stranger.get(f"{V}/attachments/{made['id']}")).status == 404
    assert (await stranger.delete(f"{V}/attachments/{made['id']}")).status == 404
    assert (await stranger.post(f"{V}/attachments", {"attachment": {"volume_uuid": volume}})).status == 404
    assert (await stranger.get(f"{V}/attachments/detail?volume_id={volume}")).body["attachments"] == []


async def test_lists_are_filtered_and_begin_with_3_27(room):
    volume = await room.volume()
    made = (await attach(room, volume)).body["attachment"]
    for query, found in ((f"instance_id={SERVER}&volume_id={volume}", 1), (f"instance_id={OTHER}&volume_id={volume}", 0),
                         (f"status=reserved&volume_id={volume}", 1), (f"attach_status=attached&volume_id={volume}", 0)):
        assert len((await room.user.get(f"{V}/attachments/detail?{query}")).body["attachments"]) == found
    assert (await room.at("3.26").get(f"{V}/attachments")).status == 404
    assert (await room.at("3.43").post(f"{V}/attachments/{made['id']}/action", {"os-complete": None})).status == 404
    old = await room.at("3.53").post(f"{V}/attachments", {"attachment": {"volume_uuid": volume, "mode": "ro"}})
    assert old.status == 400


async def test_a_read_only_volume_is_connected_read_only(room):
    volume = await room.volume()
    await room.act(volume, "os-update_readonly_flag", {"readonly": True})
    made = (await attach(room, volume, mode="rw", connector=CONNECTOR)).body["attachment"]
    assert made["attach_mode"] == "ro" and made["connection_info"]["data"]["access_mode"] == "ro"


async def test_a_volume_in_error_is_not_attached(room):
    volume = await room.volume()
    await room.act(volume, "os-reset_status", {"status": "error"}, room.admin)
    assert (await attach(room, volume)).status == 400


async def test_the_old_actions_move_a_volume_step_by_step(room):
    volume = await room.volume()
    steps = (("os-reserve", None, "attaching"), ("os-unreserve", None, "available"), ("os-unreserve", None, "available"),
             ("os-reserve", None, "attaching"), ("os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}, "in-use"),
             ("os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb"}, "in-use"), ("os-begin_detaching", None, "detaching"),
             ("os-roll_detaching", None, "in-use"), ("os-roll_detaching", None, "in-use"), ("os-begin_detaching", None, "detaching"),
             ("os-detach", {}, "available"), ("os-detach", None, "available"))
    for action, value, status in steps:
        answer = await room.act(volume, action, value)
        assert (answer.status, await room.status(volume)) == (202, status), (action, answer.content)
    assert (await room.show(volume))["metadata"] == {"readonly": "False"}


@pytest.mark.parametrize(("action", "value"), [
    ("os-begin_detaching", None), ("os-attach", {"mountpoint": "/dev/vdb"}),
    ("os-attach", {"instance_uuid": "x", "mountpoint": "/dev/vdb"}),
    ("os-attach", {"instance_uuid": SERVER}), ("os-attach", {"instance_uuid": SERVER, "mountpoint": "", "mode": "rw"}),
    ("os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdb", "mode": "wx"}), ("os-initialize_connection", {}),
    ("os-initialize_connection", {"connector": "text"}), ("os-terminate_connection", {}), ("os-detach", {"attachment_id": "x"})])
async def test_what_cannot_be_is_refused_with_nothing_changed(room, action, value):
    volume = await room.volume()
    assert (await room.act(volume, action, value)).status == 400
    assert await room.status(volume) == "available"


async def test_of_several_attachments_one_has_to_be_named(room):
    volume = await room.volume(volume_type=await shared_type(room))
    for server in (SERVER, OTHER):
        assert (await room.act(volume, "os-attach", {"instance_uuid": server, "mountpoint": "/dev/vdb"})).status == 202
    assert (await room.act(volume, "os-detach", {})).status == 400
    first = (await room.show(volume))["attachments"][0]["attachment_id"]
    other = await room.volume()
    assert (await room.act(other, "os-detach", {"attachment_id": first})).status == 400
    assert (await room.act(volume, "os-detach", {"attachment_id": first})).status == 202
    assert await room.status(volume) == "in-use"
    assert (await room.act(volume, "os-force_detach", {"connector": None}, room.admin)).status == 202
    assert await room.status(volume) == "available"


async def test_the_work_of_a_job_ends_in_the_status_that_attachments_make_meanwhile(room):
    volume = await room.volume()
    async with room.cloud.parts.database.write() as tx:
        from cloudd.block import states
        row = await tx.get_one(Volume, volume)
        await states.begin(tx, row, "upload")
        tx.add(Attachment(id=ids.new_uuid(), volume_id=volume, project_id=row.project_id, instance_id=SERVER, attach_status="attached",
                          created_at=clock.now()))
        await rules.follow(internal(row.project_id), tx, row)
        assert row.status == "uploading"
        states.settle(row)
    assert await room.status(volume) == "in-use"
