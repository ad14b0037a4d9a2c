"""Volumes of servers: given, taken back, kept or gone with their server."""

import asyncio

import pytest

from cloudd.block.backends import Backends
from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

V = "/volume/v3"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def room(cloud):
    yield await make_room(cloud)
    cloud.parts.driver(Hypervisor).heal()


@pytest.fixture
async def server(room):
    return await room.server()


@pytest.fixture
def hypervisor(cloud):
    return cloud.parts.driver(Hypervisor)


async def make(room, wait=True, **values):
    answer = await room.user.at("3.71", "volume").post(f"{V}/volumes", {"volume": {"size": 1, **values}})
    assert answer.status == 202, answer.content
    if wait:
        await room.cloud.settled()
    return answer.body["volume"]["id"]


async def status(room, volume):
    answer = await room.user.at("3.71", "volume").get(f"{V}/volumes/{volume}")
    return answer.body["volume"]["status"] if answer.status == 200 else None


def path(server, volume=""):
    return f"{C}/servers/{server}/os-volume_attachments" + (f"/{volume}" if volume else "")


async def attach(room, server, volume, version="2.1", wait=True, **more):
    answer = await room.user.at(version).post(path(server), {"volumeAttachment": {"volumeId": volume, **more}})
    if wait:
        await room.cloud.settled()
    return answer


async def attached(hypervisor, server):
    return [one.volume_id for one in await hypervisor.volumes.attached(server)]


async def test_a_volume_comes_and_goes(room, server, hypervisor):
    volume = await make(room)
    made = fits(await attach(room, server, volume), "servers", "attach_volume")["volumeAttachment"]
    assert made == {"id": volume, "serverId": server, "volumeId": volume, "device": "/dev/vdb"}
    assert await status(room, volume) == "in-use" and await attached(hypervisor, server) == [volume]
    assert fits(await room.user.get(path(server, volume)), "servers", "show_volume_attachment")["volumeAttachment"] == made
    assert fits(await room.user.get(path(server)), "servers", "list_volume_attachments")["volumeAttachments"] == [made]
    assert (await room.show(server))["os-extended-volumes:volumes_attached"] == [{"id": volume}]
    assert (await room.user.at("3.71", "volume").get(f"{V}/volumes/{volume}")).body["volume"]["attachments"][0]["server_id"] == server
    fits(await room.user.delete(path(server, volume)), "servers", "detach_volume")
    await room.cloud.settled()
    assert await status(room, volume) == "available" and await attached(hypervisor, server) == []
    assert (await room.user.delete(path(server, volume))).status == 404
    assert (await room.user.get(path(server, volume))).status == 404
    actions = (await room.user.get(f"{C}/servers/{server}/os-instance-actions")).body["instanceActions"]
    assert [row["action"] for row in actions[:2]] == ["detach_volume", "attach_volume"]


@pytest.mark.parametrize("version, members", [
    ("2.69", {"id", "serverId", "volumeId", "device"}), ("2.70", {"id", "serverId", "volumeId", "device", "tag"}),
    ("2.79", {"id", "serverId", "volumeId", "device", "tag", "delete_on_termination"}),
    ("2.88", {"id", "serverId", "volumeId", "device", "tag", "delete_on_termination"}),
    ("2.89", {"serverId", "volumeId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid"})])
async def test_what_is_told_at_each_version(room, server, version, members):
    volume = await make(room)
    answer = await attach(room, server, volume, version)
    assert answer.status == 200 and set(answer.body["volumeAttachment"]) == members
    assert set((await room.user.at(version).get(path(server, volume))).body["volumeAttachment"]) == members


async def test_tags_since_2_49_and_going_with_the_server_since_2_79(room, server):
    volume = await make(room)
    assert (await attach(room, server, volume, "2.48", tag="data")).status == 400
    assert (await attach(room, server, volume, "2.78", delete_on_termination=True)).status == 400
    assert (await attach(room, server, volume, "2.79", tag="data", delete_on_termination=True)).status == 200
    shown = (await room.user.at("2.79").get(path(server, volume))).body["volumeAttachment"]
    assert (shown["tag"], shown["delete_on_termination"]) == ("data", True)


async def test_since_2_101_the_answer_is_empty(room, server):
    volume = await make(room)
    answer = await attach(room, server, volume, "2.101")
    assert answer.status == 202 and not answer.content and await status(room, volume) == "in-use"


async def test_volumes_go_with_their_server_or_stay(room, hypervisor):
    server, stays, goes = await room.server(), await make(room), await make(room)
    await attach(room, server, stays, "2.79")
    await attach(room, server, goes, "2.79", delete_on_termination=True)
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()
    assert await status(room, stays) == "available" and await status(room, goes) is None


async def test_going_with_the_server_is_changed_since_2_85_and_nothing_else_is(room, server):
    volume, other = await make(room), await make(room)
    await attach(room, server, volume, "2.79")
    user = room.user.at("2.85")
    body = {"volumeId": volume, "delete_on_termination": True}
    assert (await user.put(path(server, volume), {"volumeAttachment": body})).status == 202
    assert (await user.get(path(server, volume))).body["volumeAttachment"]["delete_on_termination"] is True
    assert (await user.put(path(server, volume), {"volumeAttachment": {**body, "tag": "new"}})).status == 400
    assert (await user.put(path(server, volume), {"volumeAttachment": {**body, "device": "/dev/vdz"}})).status == 400
    assert (await user.put(path(server, NOBODY), {"volumeAttachment": {**body, "volumeId": NOBODY}})).status == 404
    for client, expected in ((user, 403), (room.user.at("2.84"), 403), (room.cloud.admin.at("2.85"), 409), (room.cloud.admin, 409)):
        assert (await client.put(path(server, volume), {"volumeAttachment": {"volumeId": other}})).status == expected


async def test_what_cannot_be_attached(room, server):
    volume, other = await make(room), await room.server()
    assert (await attach(room, server, NOBODY)).status == 404
    assert (await attach(room, NOBODY, volume)).status == 404
    assert (await attach(room, server, "x")).status == 400
    assert (await attach(room, server, volume, device="nonsense!")).status == 400
    assert (await attach(room, server, volume)).status == 200
    assert (await attach(room, server, volume)).status == 400
    assert (await attach(room, other, volume)).status == 400
    assert await status(room, volume) == "in-use"
    stranger = await room.cloud.project_user("stranger-of-volumes")
    assert (await stranger.get(path(server))).status == 404


async def test_servers_that_are_locked_or_in_no_state_for_it(room, server):
    volume = await make(room)
    await room.act(server, "lock")
    assert (await attach(room, server, volume)).status == 409
    await room.act(server, "unlock")
    await room.act(server, "suspend")
    assert (await attach(room, server, volume)).status == 409 and await status(room, volume) == "available"
    await room.act(server, "resume")
    assert (await attach(room, server, volume)).status == 200


async def test_a_volume_that_was_ordered_a_moment_ago_is_there_when_its_server_gets_it(room, server, hypervisor):
    volume = await make(room, wait=False)
    assert (await attach(room, server, volume)).status == 200
    assert await status(room, volume) == "in-use" and await attached(hypervisor, server) == [volume]


async def test_a_volume_stays_through_stop_start_and_rebuild(room, server, hypervisor):
    volume = await make(room)
    await room.act(server, "os-stop")
    await attach(room, server, volume)
    assert not (await hypervisor.volumes.attached(server))[0].live
    await room.act(server, "os-start")
    assert (await hypervisor.volumes.attached(server))[0].live
    await room.act(server, "rebuild", {"imageRef": room.image})
    assert await attached(hypervisor, server) == [volume] and await status(room, volume) == "in-use"


async def test_a_failed_attach_gives_the_volume_back(room, server, hypervisor):
    volume = await make(room)
    hypervisor.fail("attach_disk")
    await attach(room, server, volume)
    assert await status(room, volume) == "available" and await attached(hypervisor, server) == []
    assert (await room.user.get(path(server))).body["volumeAttachments"] == []
    actions = (await room.user.get(f"{C}/servers/{server}/os-instance-actions")).body["instanceActions"]
    assert (actions[0]["action"], actions[0]["message"]) == ("attach_volume", "Error")


async def test_a_guest_that_does_not_let_go_keeps_its_volume_and_letting_go_late_is_followed(room, server, hypervisor):
    volume = await make(room)
    await attach(room, server, volume)
    hypervisor.guest_holds(server, volume)
    assert (await room.user.delete(path(server, volume))).status == 202
    await room.cloud.settled()
    assert await status(room, volume) == "in-use" and await attached(hypervisor, server) == [volume]
    hypervisor.guest_lets_go(server, volume)
    async with asyncio.timeout(10):
        while await status(room, volume) != "available":  # noqa: ASYNC110 (an event, then a job)
            await asyncio.sleep(0)
    assert await attached(hypervisor, server) == [] and (await room.user.get(path(server, volume))).status == 404


async def test_a_back_end_that_is_away_fails_the_attach_in_words(room, server):
    volume = await make(room)
    driver = room.cloud.parts.service(Backends).by_name["simulated"]
    driver.fail("connect")
    await attach(room, server, volume)
    driver.heal()
    assert await status(room, volume) == "available"
