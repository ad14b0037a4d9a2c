"""What may stand inside a server, and how much of it: properties, files, tags, disks, descriptions; and what is looked at first."""

import base64
import itertools

import pytest

from tests.api.compute.rooms import C, make_image, make_room

NUMBERS = itertools.count(1)
NOWHERE = "99999999-9999-4999-8999-999999999999"
MANY = {f"key-{number}": "x" for number in range(129)}
FILE = {"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture(scope="module")
async def server(room):
    return await room.server(tags=[f"tag-{number}" for number in range(50)], client=room.user.at("2.56"), networks="auto",
                             metadata=dict(list(MANY.items())[:128]))


def over(answer, words):
    assert answer.status == 403 and words in answer.body["forbidden"]["message"], answer.content


async def test_properties_of_a_server_and_of_its_image_end_at_the_quota(room, server):
    over(await room.create(metadata=MANY), "metadata items")
    over(await room.user.post(f"{C}/servers/{server}/metadata", {"metadata": {"one": "more"}}), "metadata items")
    over(await room.user.put(f"{C}/servers/{server}/metadata/one", {"meta": {"one": "more"}}), "metadata items")
    over(await room.user.put(f"{C}/servers/{server}/metadata", {"metadata": MANY}), "metadata items")
    over(await room.act(server, "rebuild", {"imageRef": room.image, "metadata": MANY}), "metadata items")
    over(await room.act(server, "createImage", {"name": "copy", "metadata": MANY}), "image metadata items")


async def test_files_put_into_a_server_end_at_the_quota(room, server):
    six, long = [FILE] * 6, [{**FILE, "path": "/" + "p" * 255}]
    large = [{**FILE, "contents": base64.b64encode(b"x" * 10241).decode()}]
    for files, words in ((six, "injected files"), (long, "path"), (large, "content")):
        over(await room.create(personality=files), words)
        over(await room.act(server, "rebuild", {"imageRef": room.image, "personality": files}), words)


async def test_tags_end_at_fifty(room, server):
    answer = await room.user.at("2.26").put(f"{C}/servers/{server}/tags/more")
    assert answer.status == 400 and "50" in answer.body["badRequest"]["message"]
    tags = {"tags": [f"tag-{number}" for number in range(51)]}
    assert (await room.user.at("2.26").put(f"{C}/servers/{server}/tags", tags)).status == 400
    assert (await room.create(room.user.at("2.52"), networks="auto", **tags)).status == 400


async def test_local_disks_end_at_three(room):
    flavor = {"flavor": {"name": f"disks-{room.name}", "ram": 64, "vcpus": 1, "disk": 1, "OS-FLV-EXT-DATA:ephemeral": 4}}
    flavor = (await room.cloud.admin.post(f"{C}/flavors", flavor)).body["flavor"]["id"]
    root = {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": room.image}
    blank = {"boot_index": -1, "source_type": "blank", "destination_type": "local", "volume_size": 1}
    answer = await room.create(flavorRef=flavor, block_device_mapping_v2=[root, blank, blank, blank])
    assert answer.status == 400 and "more local devices" in answer.body["badRequest"]["message"]
    assert (await room.create(flavorRef=flavor, block_device_mapping_v2=[root, blank, blank])).status == 202
    await room.cloud.settled()


@pytest.mark.parametrize("wrong", ["two\nlines", "a\ttab", "\x07", "\x7f", "\u0085", "\u2028"])
async def test_control_characters_in_a_description_are_refused(room, server, wrong):
    admin, client = room.cloud.admin.at("2.55"), room.user.at("2.19")
    assert (await room.create(client, description=wrong)).status == 400
    assert (await client.put(f"{C}/servers/{server}", {"server": {"description": wrong}})).status == 400
    assert (await room.act(server, "rebuild", {"imageRef": room.image, "description": wrong}, client=client)).status == 400
    flavor = {"name": f"described-{next(NUMBERS)}", "ram": 64, "vcpus": 1, "disk": 1, "description": wrong}
    assert (await admin.post(f"{C}/flavors", {"flavor": flavor})).status == 400
    assert (await admin.put(f"{C}/flavors/{room.flavor}", {"flavor": {"description": wrong}})).status == 400


@pytest.mark.parametrize("right", ["", None, "plain", "größer 서버 — “so”", "\u00a0"])
async def test_what_can_be_printed_is_taken_in_a_description(room, server, right):
    answer = await room.user.at("2.19").put(f"{C}/servers/{server}", {"server": {"description": right}})
    assert answer.status == 200 and answer.body["server"]["description"] == right


async def test_a_state_that_does_not_allow_it_is_told_before_what_was_sent_is_looked_at(room):
    server = await room.server(networks=[{"uuid": room.network}])
    other = {"flavor": {"name": f"other-{room.name}", "ram": 192, "vcpus": 1, "disk": 1}}
    other = (await room.cloud.admin.post(f"{C}/flavors", other)).body["flavor"]["id"]
    assert (await room.act(server, "resize", {"flavorRef": other})).status == 202
    assert await room.status(server) == "VERIFY_RESIZE"
    for action, body in (("resize", {"flavorRef": room.flavor}), ("resize", {"flavorRef": other}), ("resize", {"flavorRef": NOWHERE}),
                         ("rebuild", {"imageRef": NOWHERE}), ("rebuild", {"imageRef": room.image, "metadata": MANY}),
                         ("rescue", {"rescue_image_ref": NOWHERE})):
        answer = await room.act(server, action, body)
        assert answer.status == 409 and f"Cannot '{action}'" in answer.body["conflictingRequest"]["message"], answer.content
    rebuild = {"imageRef": room.image, "key_name": "none"}
    assert (await room.act(server, "rebuild", rebuild, client=room.user.at("2.54"))).status == 409


async def test_an_image_of_a_server_had_as_many_properties_as_came_together(room):
    """Those of the server's own image, of what is asked for, and Nova's; no image has more than the quota says."""
    server = await room.server(imageRef=await make_image(room.user, **{f"img_p{number}": "x" for number in range(120)}))
    over(await room.act(server, "createImage", {"name": "copy", "metadata": {"one": "more", "and": "another"}}), "image properties")
    assert await room.status(server) == "ACTIVE"
    assert (await room.act(server, "createImage", {"name": "copy"})).status == 202
