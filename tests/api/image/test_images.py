"""Images over HTTP: records, data, patches, sharing, lists."""

import hashlib
import json

import pytest

from tests import disk_images

V1 = "application/openstack-images-v2.1-json-patch"
V0 = "application/openstack-images-v2.0-json-patch"
BYTES = "application/octet-stream"
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="session")
async def other(cloud):
    return await cloud.project_user("image-other")


async def make(client, **members):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **members}
    answer = await client.post("/image/v2/images", body)
    assert answer.status == 201, answer.content
    assert answer.headers["Location"].endswith(f"/image/v2/images/{answer.body['id']}")
    return answer.body


async def send(client, image, data=DATA):
    return await client.request("PUT", f"/image/v2/images/{image['id']}/file", data=data, headers={"Content-Type": BYTES})


async def patch(client, image, operations, media=V1):
    return await client.request("PATCH", f"/image/v2/images/{image['id']}", data=json.dumps(operations),
                                headers={"Content-Type": media})


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image['id']}")).body


async def test_a_record_has_every_member(cloud):
    image = await make(cloud.demo, tags=["a", "a", "b"], os_distro="debian", min_disk=1)
    assert image["status"] == "queued" and image["visibility"] == "shared" and image["owner"] == cloud.demo.project_id
    assert set(image["tags"]) == {"a", "b"} and image["os_distro"] == "debian" and image["min_disk"] == 1
    for name in ("checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value"):
        assert image[name] is None
    assert image["self"] == f"/v2/images/{image['id']}" and image["file"] == f"/v2/images/{image['id']}/file"
    assert await show(cloud.demo, image) == image


async def test_data_goes_in_and_comes_out(cloud):
    image = await make(cloud.demo)
    path = f"/image/v2/images/{image['id']}/file"
    assert (await cloud.demo.get(path)).status == 204
    assert (await send(cloud.demo, image)).status == 204
    stored = await show(cloud.demo, image)
    assert (stored["status"], stored["size"], stored["virtual_size"]) == ("active", len(DATA), len(DATA))
    assert stored["checksum"] == hashlib.md5(DATA).hexdigest()
    assert (stored["os_hash_algo"], stored["os_hash_value"]) == ("sha512", hashlib.sha512(DATA).hexdigest())
    whole = await cloud.demo.get(path)
    assert whole.content == DATA and whole.headers["Content-MD5"] == stored["checksum"]
    assert (await send(cloud.demo, image)).status == 409


@pytest.mark.parametrize(("range_", "status", "part"), [
    ("bytes=0-9", 206, DATA[:10]), ("bytes=10-", 206, DATA[10:]), ("bytes=-5", 206, DATA[-5:]),
    ("bytes=0-999999", 206, DATA), ("bytes=999999-", 416, None), ("bytes=-0", 416, None), ("bytes=9-3", 200, DATA),
    ("lines=1-2", 200, DATA), ("bytes=", 200, DATA), ("bytes=-", 200, DATA), ("bytes=a-b", 200, DATA), ("bytes 0-9", 200, DATA),
    ("0-9", 200, DATA), ("bytes=0 - 9", 200, DATA), ("bytes=\u0660-\u0669", 200, DATA), ("bytes=--5", 200, DATA),
    (f"bytes=0-{'9' * 5000}", 200, DATA), ("Bytes=0-9", 206, DATA[:10]),
    ("bytes=0-1,5-9", 400, None),
])
async def test_a_range_that_cannot_be_read_is_ignored_and_others_are_served(cloud, range_, status, part):
    image = await make(cloud.demo)
    await send(cloud.demo, image)
    answer = await cloud.demo.get(f"/image/v2/images/{image['id']}/file", headers={"Range": range_})
    assert answer.status == status
    if part is not None:
        assert answer.content == part and ("Content-Range" in answer.headers) == (status == 206)
    if status == 206:
        assert answer.headers["Content-Range"].endswith(f"/{len(DATA)}")
    if status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(DATA)}"


async def test_a_range_of_what_may_have_changed_is_all_of_it(cloud):
    image = await make(cloud.demo)
    await send(cloud.demo, image)
    answer = await cloud.demo.get(f"/image/v2/images/{image['id']}/file", headers={"Range": "bytes=0-9", "If-Range": '"x"'})
    assert (answer.status, answer.content) == (200, DATA)


@pytest.mark.parametrize(("declared", "data", "words"), [
    ("qcow2", DATA, "it is raw"),
    ("raw", disk_images.qcow2(), "it is qcow2"), ("qcow2", disk_images.qcow2_with_backing(), "backing file"),
])
async def test_content_decides_the_format_and_a_refused_image_stays_queued(cloud, declared, data, words):
    image = await make(cloud.demo, disk_format=declared)
    answer = await send(cloud.demo, image, data)
    assert answer.status == 415 and words in answer.body["message"]
    assert (await show(cloud.demo, image))["status"] == "queued"
    assert (await cloud.demo.get(f"/image/v2/images/{image['id']}/file")).status == 204


async def test_data_needs_formats_and_the_right_media_type(cloud):
    bare = (await cloud.demo.post("/image/v2/images", {"name": "bare"})).body
    assert (await send(cloud.demo, bare)).status == 400
    image = await make(cloud.demo)
    answer = await cloud.demo.request("PUT", f"/image/v2/images/{image['id']}/file", data=DATA,
                                      headers={"Content-Type": "application/json"})
    assert answer.status == 415


async def test_patches(cloud):
    image = await make(cloud.demo, os_distro="debian")
    answer = await patch(cloud.demo, image, [
        {"op": "replace", "path": "/name", "value": "two"}, {"op": "add", "path": "/colour", "value": "red"},
        {"op": "remove", "path": "/os_distro"}, {"op": "replace", "path": "/tags", "value": ["x"]},
        {"op": "add", "path": "/tags/-", "value": "y"}])
    assert answer.status == 200
    changed = answer.body
    assert changed["name"] == "two" and changed["colour"] == "red" and "os_distro" not in changed
    assert changed["tags"] == ["x", "y"]
    assert (await patch(cloud.demo, image, [{"replace": "/name", "value": "three"}], V0)).body["name"] == "three"


@pytest.mark.parametrize(("operations", "status"), [
    ([{"op": "replace", "path": "/none", "value": "x"}], 409), ([{"op": "remove", "path": "/none"}], 409),
    ([{"op": "replace", "path": "/status", "value": "active"}], 403), ([{"op": "remove", "path": "/name"}], 403),
    ([{"op": "add", "path": "/os_glance_x", "value": "y"}], 403),
    ([{"op": "add", "path": "/locations/-", "value": {"url": "http://192.0.2.1/", "metadata": {}}}], 403),
    ([{"op": "replace", "path": "/visibility", "value": "public"}], 403),
    ([{"op": "replace", "path": "/visibility", "value": "secret"}], 400), ([{"op": "replace", "path": "/min_ram", "value": -1}], 400),
    ([{"op": "move", "path": "/name", "value": "x"}], 400), ([{"op": "add", "path": "name", "value": "x"}], 400),
    ([{"op": "add", "path": "/a/b", "value": "x"}], 400), ([{"op": "add", "path": "/name"}], 400), ({"name": "x"}, 400),
    ([5], 400), ([{"op": "add", "path": "/number", "value": 5}], 400),
])
async def test_bad_patches_change_nothing(cloud, operations, status):
    image = await make(cloud.demo)
    assert (await patch(cloud.demo, image, operations)).status == status
    assert await show(cloud.demo, image) == image


@pytest.mark.parametrize(("body", "status"), [
    ({"disk_format": "zip"}, 400), ({"min_disk": "x"}, 400), ({"name": "x" * 256}, 400), ({"id": "not-an-id"}, 400),
    ({"status": "active"}, 403), ({"visibility": "public"}, 403), ({"owner": "0" * 32}, 403), ({"prop": 5}, 400),
    ({"tags": ["x" * 256]}, 400), ([], 400), ("text", 400),
])
async def test_bad_records_are_refused(cloud, body, status):
    assert (await cloud.demo.post("/image/v2/images", body)).status == status


async def test_sharing(cloud, other):
    image = await make(cloud.demo, name="shared one")
    path = f"/image/v2/images/{image['id']}"
    assert (await other.get(path)).status == 404
    member = (await cloud.demo.post(f"{path}/members", {"member": other.project_id})).body
    assert (member["member_id"], member["status"]) == (other.project_id, "pending")
    assert (await cloud.demo.post(f"{path}/members", {"member": other.project_id})).status == 409
    assert (await other.get(path)).status == 200
    listed = (await other.get("/image/v2/images?name=shared one")).body["images"]
    assert listed == []
    assert len((await other.get("/image/v2/images?visibility=shared&member_status=pending")).body["images"]) == 1
    assert (await cloud.demo.put(f"{path}/members/{other.project_id}", {"status": "accepted"})).status == 403
    assert (await other.put(f"{path}/members/{other.project_id}", {"status": "perhaps"})).status == 400
    assert (await other.put(f"{path}/members/{other.project_id}", {"status": "accepted"})).body["status"] == "accepted"
    assert len((await other.get("/image/v2/images?name=shared one")).body["images"]) == 1
    assert (await other.delete(path)).status == 403 and (await patch(other, image, [])).status == 403
    assert (await cloud.demo.delete(f"{path}/members/{other.project_id}")).status == 204
    assert (await other.get(path)).status == 404


async def test_lists_filter_sort_and_page(cloud):
    client = await cloud.project_user("image-lister")
    for number in range(5):
        await make(client, name=f"n{number}", os_version=str(number % 2), tags=[f"t{number}", "all"], min_ram=number)

    async def names(query):
        answer = await client.get(f"/image/v2/images?visibility=shared&{query}")
        assert answer.status == 200, answer.content
        return [image["name"] for image in answer.body["images"]]
    assert await names("sort_key=name&sort_dir=asc") == ["n0", "n1", "n2", "n3", "n4"]
    assert await names("sort=min_ram:desc") == ["n4", "n3", "n2", "n1", "n0"]
    assert sorted(await names("os_version=1")) == ["n1", "n3"]
    assert sorted(await names("name=in:n1,n2")) == ["n1", "n2"]
    assert await names("tag=all&tag=t3") == ["n3"]
    assert await names("created_at=lt:2020-01-01T00:00:00Z") == []
    seen, path = [], "/v2/images?visibility=shared&limit=2&sort=name:asc"
    while path:
        body = (await client.get(f"/image{path}")).body
        seen += [image["name"] for image in body["images"]]
        path = body.get("next")
    assert seen == ["n0", "n1", "n2", "n3", "n4"]


@pytest.mark.parametrize("query", ["sort_key=nothing", "limit=-1", "limit=x", "marker=none", "visibility=secret", "size_min=x",
                                   "created_at=yesterday", "sort=name:up", "member_status=maybe", "os_hidden=perhaps"])
async def test_bad_list_queries(cloud, query):
    assert (await cloud.demo.get(f"/image/v2/images?{query}")).status == 400


async def test_deactivated_data_is_kept_from_users(cloud):
    image = await make(cloud.demo)
    path = f"/image/v2/images/{image['id']}"
    assert (await cloud.demo.post(f"{path}/actions/deactivate")).status == 403
    await send(cloud.demo, image)
    assert (await cloud.demo.post(f"{path}/actions/deactivate")).status == 204
    assert (await cloud.demo.get(f"{path}/file")).status == 403
    assert (await cloud.admin.get(f"{path}/file")).content == DATA
    assert (await cloud.demo.post(f"{path}/actions/reactivate")).status == 204
    assert (await cloud.demo.get(f"{path}/file")).content == DATA


async def test_a_protected_image_stays(cloud):
    image = await make(cloud.demo, protected=True)
    path = f"/image/v2/images/{image['id']}"
    assert (await cloud.demo.delete(path)).status == 403
    await patch(cloud.demo, image, [{"op": "replace", "path": "/protected", "value": False}])
    assert (await cloud.demo.delete(path)).status == 204
    assert (await cloud.demo.get(path)).status == 404


async def test_deleted_data_leaves_the_store(cloud):
    from cloudd.drivers.store.base import Store
    image = await make(cloud.demo)
    await send(cloud.demo, image)
    before = set(await cloud.parts.driver(Store).keys())
    await cloud.demo.delete(f"/image/v2/images/{image['id']}")
    await cloud.settled()
    assert len(before - set(await cloud.parts.driver(Store).keys())) == 1


async def test_versions_and_schemas(cloud):
    versions = await cloud.anonymous.get("/image/")
    assert versions.status == 300 and versions.body["versions"][0]["status"] == "CURRENT"
    assert (await cloud.anonymous.get("/image/versions")).status == 200
    for name in ("image", "images", "member", "members", "task", "tasks"):
        assert (await cloud.demo.get(f"/image/v2/schemas/{name}")).body["name"] == name
