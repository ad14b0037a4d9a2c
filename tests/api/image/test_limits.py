"""Nothing inside an image or a namespace of definitions grows without end."""

import json
import uuid

import pytest

from tests.api.conftest import make_settings, run_cloud

V1 = "application/openstack-images-v2.1-json-patch"


async def make(client, **members):
    answer = await client.post("/image/v2/images", {"name": "limited", "disk_format": "raw", "container_format": "bare", **members})
    assert answer.status == 201, answer.content
    return answer.body["id"]


async def patch(client, image, *operations):
    return await client.request("PATCH", f"/image/v2/images/{image}", data=json.dumps(operations), headers={"Content-Type": V1})


def numbered(count, first=0):
    return {f"p{number}": "x" for number in range(first, first + count)}


async def test_an_image_takes_no_more_than_128_properties(cloud):
    answer = await cloud.demo.post("/image/v2/images", {"name": "x", **numbered(129)})
    assert answer.status == 413 and "Attempted: 129, Maximum: 128" in answer.body["message"]
    image = await make(cloud.demo, **numbered(128))
    answer = await patch(cloud.demo, image, {"op": "add", "path": "/more", "value": "x"})
    assert answer.status == 413 and answer.body["title"] == "Request Entity Too Large"
    assert (await patch(cloud.demo, image, {"op": "replace", "path": "/p1", "value": "y"})).status == 200
    swapped = await patch(cloud.demo, image, {"op": "remove", "path": "/p1"}, {"op": "add", "path": "/more", "value": "x"})
    assert swapped.status == 200 and "p1" not in swapped.body


async def test_an_image_takes_no_more_than_128_tags(cloud):
    tags = [f"t{number}" for number in range(129)]
    assert (await cloud.demo.post("/image/v2/images", {"name": "x", "tags": tags})).status == 413
    image = await make(cloud.demo, tags=[*tags[:128], "t0"])
    assert (await cloud.demo.request("PUT", f"/image/v2/images/{image}/tags/more")).status == 413
    assert (await cloud.demo.request("PUT", f"/image/v2/images/{image}/tags/t0")).status == 204
    assert (await patch(cloud.demo, image, {"op": "replace", "path": "/tags", "value": tags})).status == 413
    assert (await patch(cloud.demo, image, {"op": "add", "path": "/tags/-", "value": "more"})).status == 413


async def test_members_and_definitions_have_limits_that_the_settings_tell(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, "[image]\nimage_member_quota = 2\nmetadef_quota = 2\n"
                                                         "image_property_quota = -1\n")):
        image = await make(cloud.demo, **numbered(200))
        path = f"/image/v2/images/{image}/members"
        assert [(await cloud.demo.post(path, {"member": uuid.uuid4().hex})).status for _ in range(3)] == [200, 200, 413]
        space = "/image/v2/metadefs/namespaces"
        assert (await cloud.admin.post(space, {"namespace": "big", "tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}]})).status == 413
        assert (await cloud.admin.post(space, {"namespace": "small"})).status == 201
        a_property = {"title": "t", "type": "string"}
        for kind, body in (("objects", {}), ("properties", a_property), ("resource_types", {})):
            made = [(await cloud.admin.post(f"{space}/small/{kind}", {"name": name, **body})).status for name in "abc"]
            assert made == [201, 201, 413], kind
        assert [(await cloud.admin.post(f"{space}/small/tags/{name}")).status for name in "abc"] == [201, 201, 413]
        replaced = await cloud.admin.post(f"{space}/small/tags", {"tags": [{"name": name} for name in "xyz"]})
        assert replaced.status == 413 and "Attempted: 3, Maximum: 2" in replaced.body["message"]
        wide = {"name": "a", "properties": {name: a_property for name in "abc"}}
        assert (await cloud.admin.request("PUT", f"{space}/small/objects/a", json=wide)).status == 413


async def test_a_list_asks_as_many_questions_however_many_properties_there_are(cloud):
    async def questions():
        before = cloud.parts.database.queries
        assert (await cloud.demo.get("/image/v2/images?limit=1000")).status == 200
        return cloud.parts.database.queries - before
    await make(cloud.demo)
    few = max([await questions() for _ in range(3)])
    for _ in range(3):
        await make(cloud.demo, **numbered(128))
    assert await questions() <= few


@pytest.mark.parametrize(("status", "more"), [(200, {"colour": "red"}), (200, {"image_id": "x", "status": "accepted"}), (200, {})])
async def test_keys_beside_the_needed_one_are_taken_when_an_image_is_shared(cloud, status, more):
    image, member = await make(cloud.demo), uuid.uuid4().hex
    answer = await cloud.demo.post(f"/image/v2/images/{image}/members", {"member": member, **more})
    assert (answer.status, answer.body["member_id"], answer.body["status"]) == (status, member, "pending")
    answer = await cloud.admin.request("PUT", f"/image/v2/images/{image}/members/{member}", json={"status": "accepted", "member_id": "x"})
    assert (answer.status, answer.body["status"]) == (200, "accepted")
    assert (await cloud.demo.post(f"/image/v2/images/{image}/members", more)).status == 400
