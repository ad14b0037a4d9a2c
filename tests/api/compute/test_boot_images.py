"""Every image that a server opens is one that its caller may see: the root's, the kernel's, the ramdisk's, a rescue's."""

import pytest

from tests.api.compute.rooms import C, make_image, make_room

NOWHERE = "99999999-9999-4999-8999-999999999999"
FILES = ("kernel_id", "ramdisk_id")


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture
async def private(cloud):
    """An image that only its own project sees."""
    return await make_image(await cloud.project_user(f"owner-{(await make_room(cloud, networked=False)).name}"))


@pytest.mark.parametrize("name", FILES)
async def test_a_member_cannot_boot_another_projects_private_image_as_his_kernel_or_ramdisk(room, private, name):
    for image_id in (private, NOWHERE):
        mine = await make_image(room.user, **{name: image_id})
        answer = await room.create(imageRef=mine)
        assert answer.status == 400 and f"{name} = {image_id}" in answer.body["badRequest"]["message"], answer.content
        device = {"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": mine}
        answer = await room.create(imageRef="", block_device_mapping_v2=[device])
        assert answer.status == 400 and image_id in answer.body["badRequest"]["message"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("action", ["rebuild", "rescue"])
async def test_nor_by_a_rebuild_or_a_rescue(room, private, name, action):
    server, mine = await room.server(), await make_image(room.user, **{name: private})
    body = {"imageRef": mine} if action == "rebuild" else {"rescue_image_ref": mine}
    answer = await room.act(server, action, body)
    assert answer.status == 400 and private in answer.body["badRequest"]["message"]
    assert await room.status(server) == "ACTIVE"
    foreign = {"imageRef": private} if action == "rebuild" else {"rescue_image_ref": private}
    assert (await room.act(server, action, foreign)).status == 400


async def test_kernel_and_ramdisk_of_ones_own_boot(room):
    kernel, ramdisk = await make_image(room.user, disk_format="aki", container_format="aki"), await make_image(
        room.user, disk_format="ari", container_format="ari")
    server = await room.server(imageRef=await make_image(room.user, kernel_id=kernel, ramdisk_id=ramdisk))
    shown = (await room.cloud.admin.at("2.3").get(f"{C}/servers/{server}")).body["server"]
    assert (shown["OS-EXT-SRV-ATTR:kernel_id"], shown["OS-EXT-SRV-ATTR:ramdisk_id"]) == (kernel, ramdisk)


async def test_an_image_that_says_nokernel_boots_by_its_own_loader(room):
    server = await room.server(imageRef=await make_image(room.user, kernel_id="nokernel"))
    shown = (await room.cloud.admin.at("2.3").get(f"{C}/servers/{server}")).body["server"]
    assert shown["OS-EXT-SRV-ATTR:kernel_id"] == "" and shown["status"] == "ACTIVE"


async def test_a_kernel_without_data_is_refused(room):
    body = {"name": "empty", "disk_format": "aki", "container_format": "aki"}
    kernel = (await room.user.post("/image/v2/images", body)).body["id"]
    answer = await room.create(imageRef=await make_image(room.user, kernel_id=kernel))
    assert answer.status == 400 and "queued" in answer.body["badRequest"]["message"]
