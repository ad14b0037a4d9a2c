"""Metadata definitions: namespaces and what is in them."""

import pytest

SPACES = "/image/v2/metadefs/namespaces"
PROPERTY = {"title": "Colour", "type": "string", "enum": ["red", "blue"], "operators": ["<or>"]}


@pytest.fixture
async def space(cloud, request):
    name = f"Test::{abs(hash(request.node.nodeid))}"
    answer = await cloud.admin.post(SPACES, {"namespace": name, "visibility": "public", "resource_type_associations": [
        {"name": "OS::Glance::Image", "prefix": "hw_"}]})
    assert answer.status == 201 and answer.headers["Location"].endswith(name)
    yield f"{SPACES}/{name}"
    await cloud.admin.delete(f"{SPACES}/{name}")


async def test_shipped_definitions_are_there_and_protected(cloud):
    names = {item["namespace"] for item in (await cloud.demo.get(SPACES)).body["namespaces"]}
    assert {"OS::Compute::LibvirtImage", "OS::OperatingSystem"} <= names
    shown = (await cloud.demo.get(f"{SPACES}/OS::Compute::LibvirtImage")).body
    assert shown["properties"]["hw_disk_bus"]["enum"][0] == "virtio"
    assert (await cloud.admin.delete(f"{SPACES}/OS::Compute::LibvirtImage")).status == 403


async def test_contents(cloud, space):
    for path, body in (("/properties", {"name": "colour", **PROPERTY}), ("/tags/fast", None), ("/tags", {"tags": [{"name": "slow"}]}),
                       ("/objects", {"name": "paint", "required": ["colour"], "properties": {"colour": PROPERTY}})):
        assert (await cloud.admin.post(space + path, body)).status == 201
        if body:
            assert (await cloud.admin.post(space + path, {"name": "x" * 81, **PROPERTY, "tags": 5})).status == 400
    assert (await cloud.admin.post(f"{space}/properties", {"name": "colour", **PROPERTY})).status == 409
    shown = (await cloud.demo.get(f"{space}?resource_type=OS::Glance::Image")).body
    assert shown["properties"]["hw_colour"]["title"] == "Colour" and shown["objects"][0]["required"] == ["hw_colour"]
    assert [tag["name"] for tag in shown["tags"]] == ["slow"]
    changed = await cloud.admin.put(f"{space}/objects/paint", {"name": "varnish", "properties": {}})
    assert changed.body["name"] == "varnish" and (await cloud.demo.get(f"{space}/objects/paint")).status == 404
    assert (await cloud.demo.get(f"{space}/properties/hw_colour?resource_type=OS::Glance::Image")).body["name"] == "hw_colour"
    for path in ("/properties/colour", "/objects/varnish", "/tags/slow", "/resource_types/OS::Glance::Image"):
        assert (await cloud.demo.delete(space + path)).status == 403
        assert (await cloud.admin.delete(space + path)).status == 204
        assert (await cloud.admin.delete(space + path)).status == 404


async def test_private_namespaces_are_not_seen_by_others(cloud):
    name = "Test::private"
    assert (await cloud.demo.post(SPACES, {"namespace": name})).status == 403
    assert (await cloud.admin.post(SPACES, {"namespace": name})).status == 201
    assert (await cloud.admin.post(SPACES, {"namespace": name})).status == 409
    assert (await cloud.demo.get(f"{SPACES}/{name}")).status == 404
    assert name not in {item["namespace"] for item in (await cloud.demo.get(SPACES)).body["namespaces"]}
    body = {"namespace": name, "visibility": "public", "protected": True}
    assert (await cloud.admin.put(f"{SPACES}/{name}", body)).body["protected"] is True
    assert (await cloud.demo.get(f"{SPACES}/{name}")).status == 200
    assert (await cloud.admin.delete(f"{SPACES}/{name}")).status == 403
    await cloud.admin.put(f"{SPACES}/{name}", {**body, "protected": False})
    assert (await cloud.admin.delete(f"{SPACES}/{name}")).status == 204


async def test_pages_and_filters(cloud, space):
    first = (await cloud.admin.get(f"{SPACES}?limit=1&sort_key=namespace&sort_dir=asc")).body
    second = (await cloud.admin.get("/image" + first["next"])).body
    assert first["namespaces"][0]["namespace"] < second["namespaces"][0]["namespace"]
    nova = (await cloud.admin.get(f"{SPACES}?resource_types=OS::Nova::Flavor")).body["namespaces"]
    assert [item["namespace"] for item in nova] == ["OS::Compute::VirtCPUTopology"]
    types = (await cloud.demo.get("/image/v2/metadefs/resource_types")).body["resource_types"]
    assert {"OS::Glance::Image", "OS::Nova::Flavor"} <= {item["name"] for item in types}


async def test_a_list_of_tags_had_no_pages(cloud, space):
    path = f"{space}/tags"
    for name in ("a", "b", "c"):
        assert (await cloud.admin.post(f"{path}/{name}")).status == 201

    async def names(query):
        answer = await cloud.admin.get(path + query)
        assert answer.status == 200, answer.content
        return [tag["name"] for tag in answer.body["tags"]], answer.body.get("next")

    assert await names("") == (["c", "b", "a"], None)
    page, following = await names("?limit=2&sort_key=name&sort_dir=asc")
    assert page == ["a", "b"]
    rest = (await cloud.admin.get("/image" + following)).body
    assert [tag["name"] for tag in rest["tags"]] == ["c"] and "next" not in rest
    assert await names("?limit=0") == ([], None)
    assert (await cloud.admin.get(f"{path}?marker=none")).status == 404
    for bad in ("limit=few", "limit=-1", "sort_dir=up", "sort_key=colour"):
        assert (await cloud.admin.get(f"{path}?{bad}")).status == 400, bad
