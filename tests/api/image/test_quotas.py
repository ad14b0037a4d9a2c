"""Unified limits of images: none unless registered; then counted and refused as Glance does."""

import pytest

from tests.api.conftest import make_settings, run_cloud

BYTES = {"Content-Type": "application/octet-stream"}
MIB = 1 << 20


@pytest.fixture(scope="module")
async def cloud(tmp_path_factory):
    place = tmp_path_factory.mktemp("quotas")
    async for running in run_cloud(make_settings(place, f"[image]\nstores = second=file:{place}/second\n")):
        yield running


@pytest.fixture(scope="module")
async def limits(cloud):
    """Set the default limit of a resource, or a project's own."""
    service = (await cloud.admin.get("/identity/v3/services?type=image")).body["services"][0]["id"]

    async def register(name, limit):
        body = {"registered_limits": [{"service_id": service, "resource_name": name, "default_limit": limit}]}
        answer = await cloud.admin.post("/identity/v3/registered_limits", body)
        assert answer.status == 201, answer.content

    async def own(project, name, limit):
        body = {"limits": [{"service_id": service, "project_id": project, "resource_name": name, "resource_limit": limit}]}
        answer = await cloud.admin.post("/identity/v3/limits", body)
        assert answer.status == 201, answer.content
    assert (await cloud.demo.get("/image/v2/info/usage")).body == {"usage": {}}
    for name, limit in (("image_size_total", 3), ("image_stage_total", 2), ("image_count_total", 4), ("image_count_uploading", 2)):
        await register(name, limit)
    return own


async def make(client):
    return await client.post("/image/v2/images", {"name": "one", "disk_format": "raw", "container_format": "bare"})


async def send(client, what, size, image=None):
    image = image or (await make(client)).body["id"]
    return await client.request("PUT", f"/image/v2/images/{image}/{what}", data=b"x" * size, headers=BYTES)


async def usage(client):
    return {name: (one["usage"], one["limit"]) for name, one in (await client.get("/image/v2/info/usage")).body["usage"].items()}


async def test_images_are_counted(cloud, limits):
    client = await cloud.project_user("counter")
    for _ in range(4):
        assert (await make(client)).status == 201
    answer = await make(client)
    assert answer.status == 413 and "image_count_total is over limit of 4" in answer.body["message"]
    assert (await usage(client))["image_count_total"] == (4, 4)
    await limits(client.project_id, "image_count_total", 5)
    assert (await make(client)).status == 201
    assert (await usage(client))["image_count_total"] == (5, 5)


async def test_stored_bytes_are_counted_with_every_copy(cloud, limits):
    client = await cloud.project_user("storer")
    assert (await send(client, "file", 4 * MIB)).status == 413
    assert (await send(client, "file", 2 * MIB)).status == 204
    assert (await usage(client))["image_size_total"] == (2, 3)
    image = (await client.get("/image/v2/images?status=active")).body["images"][0]["id"]
    await cloud.admin.post(f"/image/v2/images/{image}/import", {"method": {"name": "copy-image"}, "stores": ["second"]})
    await cloud.settled()
    assert (await usage(client))["image_size_total"] == (4, 3)
    answer = await send(client, "file", 10)
    assert answer.status == 413 and "current usage 4 and delta 0" in answer.body["message"]


async def test_staged_bytes_and_images_under_way_are_counted(cloud, limits):
    client = await cloud.project_user("stager")
    assert (await send(client, "stage", 3 * MIB)).status == 413
    first, second, third = [(await make(client)).body["id"] for _ in range(3)]
    assert (await send(client, "stage", MIB, first)).status == 204
    assert (await send(client, "stage", MIB, second)).status == 204
    assert (await usage(client))["image_stage_total"] == (2, 2) and (await usage(client))["image_count_uploading"] == (2, 2)
    answer = await send(client, "stage", 10, third)
    assert answer.status == 413 and "image_count_uploading" in answer.body["message"]
    assert (await client.get(f"/image/v2/images/{third}")).body["status"] == "queued"
    assert (await send(client, "file", 10, third)).status == 413
    await client.post(f"/image/v2/images/{first}/import", {"method": {"name": "glance-direct"}})
    await cloud.settled()
    assert (await usage(client))["image_count_uploading"] == (1, 2)
    assert (await send(client, "file", 10, third)).status == 204
