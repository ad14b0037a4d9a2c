"""Each filter and sort of the reference works or is refused as Glance refuses it; null clears what may be null."""

import json
import uuid

import pytest

V1 = "application/openstack-images-v2.1-json-patch"
IMAGES = "/image/v2/images"


async def make(client, **members):
    answer = await client.post(IMAGES, {"disk_format": "raw", "container_format": "bare", **members})
    assert answer.status == 201, answer.content
    return answer.body


async def listed(client, query):
    answer = await client.get(f"{IMAGES}?{query}")
    assert answer.status == 200, answer.content
    return [image["name"] for image in answer.body["images"]]


@pytest.mark.parametrize("query", [
    "name=nothing", "id=nothing", "status=nothing", "container_format=nothing", "disk_format=nothing", "checksum=nothing",
    "os_hash_value=nothing", "os_hash_algo=nothing", "owner=nothing", "tag=nothing", "visibility=community", "protected=true",
    "size_min=999999999999", "size_max=-1", "size=7777", "virtual_size=7777", "min_disk=7777", "min_ram=7777", "min_disk_min=7777",
    "min_ram_max=-1", "created_at=lt:2001-01-01T00:00:00Z", "updated_at=gt:2099-01-01T00:00:00Z", "created_at=2001-01-01T00:00:00Z",
    "name=in:nothing,%22no,%20thing%22", "colour=nothing", "os_hidden=true", "member_status=rejected&visibility=shared&owner=x"])
async def test_a_filter_that_matches_nothing_lists_nothing(cloud, query):
    await make(cloud.demo, name="filtered", colour="red")
    assert await listed(cloud.demo, query) == []


@pytest.mark.parametrize("query", [
    "changes-since=2001-01-01T00:00:00Z", "visibility=secret", "member_status=maybe", "os_hidden=maybe", "protected=maybe", "size_min=x",
    "size_max=1e3", "min_disk=x", "created_at=yesterday", "updated_at=gt:never", "name=neq:x", "status=gt:x", "name=in:%22a", "limit=-1",
    "limit=x", "marker=nothing", "sort_key=colour", "sort=name:up", "sort_key=name&sort_dir=up", "sort=name&sort_key=name",
    "sort=name&sort_dir=asc", "sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=desc", "sort_dir=asc&sort_dir=desc",
    "sort_dir=0", "sort="])
async def test_what_glance_refuses_in_a_list_is_refused(cloud, query):
    answer = await cloud.demo.get(f"{IMAGES}?{query}")
    assert answer.status == 400, answer.content
    assert answer.body["title"] == "Bad Request"


async def test_sorts_without_a_direction_go_down_as_in_glance(cloud):
    mark = uuid.uuid4().hex
    for name, disk in (("b", 1), ("c", 1), ("a", 2)):
        await make(cloud.demo, name=name, min_disk=disk, mark=mark)
    for query, order in (("sort_key=name", "cba"), ("sort_key=name&sort_dir=asc", "abc"), ("sort=name", "cba"), ("sort=name:asc", "abc"),
                         ("sort=%20name%20:%20asc%20", "abc"), ("sort_dir=asc", "bca"), ("", "acb"),
                         ("sort_key=min_disk&sort_key=name&sort_dir=asc", "bca"), ("sort=min_disk:asc,name:desc", "cba"),
                         ("sort_key=min_disk&sort_dir=desc&sort_key=name&sort_dir=asc", "abc")):
        assert "".join(await listed(cloud.demo, f"mark={mark}&{query}")) == order, query


@pytest.mark.parametrize(("path", "statuses"), [
    ("/image/v2/tasks?status=nothing", 400), ("/image/v2/tasks?type=nothing", 400), ("/image/v2/tasks?status=success", 200),
    ("/image/v2/tasks?type=api_image_import", 200), ("/image/v2/tasks?sort_dir=up", 400),
    ("/image/v2/metadefs/namespaces?visibility=nothing", 400), ("/image/v2/metadefs/namespaces?visibility=private", 200),
    ("/image/v2/metadefs/namespaces?sort_key=nothing", 400), ("/image/v2/metadefs/namespaces?sort_dir=up", 400)])
async def test_other_lists_of_images_refuse_what_glance_refuses(cloud, path, statuses):
    assert (await cloud.admin.get(path)).status == statuses


@pytest.mark.parametrize(("name", "value", "status"), [
    ("name", "x", 200), ("disk_format", "raw", 200), ("container_format", "bare", 200), ("kernel_id", "x", 200), ("ramdisk_id", "x", 200),
    ("colour", "red", 400), ("protected", False, 400), ("os_hidden", False, 400), ("min_disk", 1, 400), ("min_ram", 1, 400),
    ("visibility", "private", 400), ("tags", ["x"], 400)])
async def test_null_clears_where_glance_lets_it(cloud, name, value, status):
    image = await make(cloud.demo, **{name: value})
    answer = await cloud.demo.request("PATCH", f"{IMAGES}/{image['id']}", headers={"Content-Type": V1},
                                      data=json.dumps([{"op": "replace", "path": f"/{name}", "value": None}]))
    assert answer.status == status, answer.content
    shown = (await cloud.demo.get(f"{IMAGES}/{image['id']}")).body
    assert shown[name] == (None if status == 200 else value)
    assert (await cloud.demo.post(IMAGES, {name: None})).status == (201 if status == 200 else 400)
