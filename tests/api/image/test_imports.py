"""Staged uploads and imports: by hand, from an address, failing, deleted on the way."""

import pytest
from aiohttp import web

from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
DATA = b"\x07" * 700_000
DIRECT = {"method": {"name": "glance-direct"}}


async def make(client, **members):
    return (await client.post("/image/v2/images", {"name": "one", "disk_format": "raw", "container_format": "bare", **members})).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def ended(client, image):
    async def done():
        return (await show(client, image))["status"] not in ("importing", "uploading")
    await until(done)
    return await show(client, image)


async def tasks(client, image):
    return (await client.get(f"/image/v2/images/{image}/tasks")).body["tasks"]


async def stage(client, image, data=DATA):
    return await client.request("PUT", f"/image/v2/images/{image}/stage", data=data, headers=BYTES)


async def test_staged_data_is_imported(cloud):
    image = await make(cloud.demo)
    assert (await cloud.demo.post(f"/image/v2/images/{image}/import", DIRECT)).status == 409
    assert (await stage(cloud.demo, image)).status == 204
    assert (await show(cloud.demo, image))["status"] == "uploading"
    assert (await stage(cloud.demo, image)).status == 409
    assert (await cloud.demo.post(f"/image/v2/images/{image}/import", DIRECT)).status == 202
    shown = await ended(cloud.demo, image)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(DATA), "file")
    assert shown["os_glance_importing_to_stores"] == shown["os_glance_failed_import"] == ""
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA
    task = (await tasks(cloud.demo, image))[0]
    assert (task["type"], task["status"], task["result"]) == ("api_image_import", "success", {"image_id": image})
    assert (await cloud.admin.get(f"/image/v2/tasks/{task['id']}")).body["status"] == "success"
    assert (await cloud.demo.get("/image/v2/tasks")).status == 403


async def test_staged_data_of_another_format_goes_back_to_queued_and_says_why(cloud):
    image = await make(cloud.demo, disk_format="qcow2")
    await stage(cloud.demo, image)
    await cloud.demo.post(f"/image/v2/images/{image}/import", DIRECT)
    shown = await ended(cloud.demo, image)
    assert (shown["status"], shown["os_glance_failed_import"]) == ("queued", "file")
    task = (await tasks(cloud.demo, image))[0]
    assert task["status"] == "failure" and "it is raw" in task["message"]
    assert (await stage(cloud.demo, image)).status == 204


@pytest.mark.parametrize(("body", "status"), [
    ({}, 400), ({"method": "glance-direct"}, 400), ({"method": {"name": "magic"}}, 400), ({"method": {"name": "web-download"}}, 400),
    ({"method": {"name": "web-download", "uri": "http://169.254.169.254/latest/user-data"}}, 400),
    ({"method": {"name": "web-download", "uri": "http://127.0.0.1:22/"}}, 400),
    ({"method": {"name": "web-download", "uri": "file:///etc/shadow"}}, 400),
    ({"method": {"name": "glance-direct"}, "stores": ["elsewhere"]}, 409),
    ({"method": {"name": "glance-direct"}, "stores": ["file"], "all_stores": True}, 400),
])
async def test_bad_imports_change_nothing(cloud, body, status):
    image = await make(cloud.demo)
    assert (await cloud.demo.post(f"/image/v2/images/{image}/import", body)).status == status
    assert (await show(cloud.demo, image))["status"] == "queued"


async def test_an_image_deleted_while_staged_leaves_nothing(cloud):
    from cloudd.image.staging import Staging
    image = await make(cloud.demo)
    await stage(cloud.demo, image)
    assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204
    await cloud.settled()
    assert f"staged-{image}" not in await cloud.parts.service(Staging).store.keys()


@pytest.fixture
async def mirror():
    async def disk(request):
        return web.Response(body=DATA)
    app = web.Application()
    app.router.add_get("/disk.img", disk)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_data_is_fetched_from_an_allowed_address_only(tmp_path, mirror):
    async for cloud in run_cloud(make_settings(tmp_path, f"[image]\nimport_hosts = {mirror}\n")):
        image = await make(cloud.demo)
        body = {"method": {"name": "web-download", "uri": f"http://{mirror}/disk.img"}}
        assert (await cloud.demo.post(f"/image/v2/images/{image}/import", body)).status == 202
        shown = await ended(cloud.demo, image)
        assert (shown["status"], shown["size"]) == ("active", len(DATA))
        missing = await make(cloud.demo)
        body["method"]["uri"] = f"http://{mirror}/nothing.img"
        await cloud.demo.post(f"/image/v2/images/{missing}/import", body)
        assert (await ended(cloud.demo, missing))["status"] == "queued"
        assert "answered 404" in (await tasks(cloud.demo, missing))[0]["message"]


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "１２７.1", "127。0。0。1", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "127.0.0.1.",
                                  "0x7f.1"])
async def test_a_member_does_not_read_the_hosts_own_services_by_spelling_them_otherwise(tmp_path, mirror, host):
    async for cloud in run_cloud(make_settings(tmp_path)):
        image = await make(cloud.demo)
        body = {"method": {"name": "web-download", "uri": f"http://{host}:{mirror.partition(':')[2]}/disk.img"}}
        answer = await cloud.demo.post(f"/image/v2/images/{image}/import", body)
        assert answer.status == 400, answer.content
        assert any(words in answer.body["message"] for words in ("inside this cloud", "not an address")), answer.content
        assert (await ended(cloud.demo, image))["status"] == "queued"
