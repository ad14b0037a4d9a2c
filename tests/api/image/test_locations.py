"""Images whose data lies elsewhere: the location API, the older way by PATCH, and what is refused."""

import asyncio
import hashlib

import pytest
from aiohttp import web

from cloudd.image.stores import Stores
from tests import s3
from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = bytes(range(256)) * 3000
SHA512, SHA256 = hashlib.sha512(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
async def mirror():
    """Somebody's web server: /disk.img is there at once, /slow.img waits for `mirror.go`."""
    class Mirror:
        go = asyncio.Event()
    mirror = Mirror()

    async def disk(request):
        return web.Response(body=DATA)

    async def slow(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
        await response.prepare(request)
        await mirror.go.wait()
        await response.write(DATA)
        return response
    app = web.Application()
    app.router.add_get("/disk.img", disk)
    app.router.add_get("/slow.img", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mirror.host = f"127.0.0.1:{runner.addresses[0][1]}"
    mirror.disk, mirror.slow = f"http://{mirror.host}/disk.img", f"http://{mirror.host}/slow.img"
    yield mirror
    await runner.cleanup()


@pytest.fixture(scope="module")
async def cloud(mirror, tmp_path_factory):
    place = tmp_path_factory.mktemp("cloud")
    with s3.server(place / "s3.log") as server:
        text = (f"[image]\nimport_hosts = {mirror.host}\nstores = web=http:, far=s3:{s3.address(server)}\n"
                "show_multiple_locations = on\nshow_image_direct_url = on\n")
        async for running in run_cloud(make_settings(place, text)):
            yield running


async def make(client, **members):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **members}
    return (await client.post("/image/v2/images", body)).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def add(client, image, url, **more):
    return await client.post(f"/image/v2/images/{image}/locations", {"url": url, **more})


async def patch(client, image, *changes):
    return await client.patch(f"/image/v2/images/{image}", list(changes), headers=PATCH)


async def plus(client, image, url, **more):
    return await patch(client, image, {"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}, **more}})


async def task_of(client, image):
    return (await client.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]


async def test_a_location_makes_an_image_and_its_hashes_are_computed(cloud, mirror):
    image = await make(cloud.demo)
    assert (await add(cloud.demo, image, mirror.disk)).status == 202
    await cloud.settled()
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["size"], shown["stores"]) == ("active", len(DATA), "web")
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", SHA512)
    assert shown["checksum"] == hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    task = await task_of(cloud.demo, image)
    assert (task["type"], task["status"]) == ("location_import", "success")
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA
    part = await cloud.demo.get(f"/image/v2/images/{image}/file", headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.content) == (206, DATA[1000:2000])
    assert (await cloud.demo.get(f"/image/v2/images/{image}/locations")).status == 403
    listed = (await cloud.admin.get(f"/image/v2/images/{image}/locations")).body
    assert listed == [{"url": mirror.disk, "metadata": {"store": "web"}}]
    assert (await add(cloud.demo, image, mirror.disk)).status == 409


async def test_a_given_hash_is_proved_before_the_image_is_active(cloud, mirror):
    image = await make(cloud.demo)
    assert (await add(cloud.demo, image, mirror.disk, validation_data={"os_hash_algo": "sha256", "os_hash_value": SHA256})).status == 202
    await cloud.settled()
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["os_hash_algo"], shown["os_hash_value"]) == ("active", "sha256", SHA256)
    wrong = await make(cloud.demo)
    await add(cloud.demo, wrong, mirror.disk, validation_data={"os_hash_algo": "sha512", "os_hash_value": "beefdead" * 16})
    await cloud.settled()
    shown = await show(cloud.demo, wrong)
    assert (shown["status"], shown["os_hash_algo"], shown["checksum"]) == ("queued", None, None)
    assert "not matched" in (await task_of(cloud.demo, wrong))["message"]
    assert (await cloud.demo.get(f"/image/v2/images/{wrong}/file")).status == 204
    answer = await cloud.demo.request("PUT", f"/image/v2/images/{wrong}/file", data=b"other data", headers=BYTES)
    assert answer.status == 204
    shown = await show(cloud.demo, wrong)
    assert (shown["status"], shown["stores"], shown["size"]) == ("active", "file", 10)


async def test_an_image_that_is_deleted_while_it_is_summed_is_gone(cloud, mirror):
    image = await make(cloud.demo)
    assert (await add(cloud.demo, image, mirror.slow)).status == 202
    assert (await show(cloud.demo, image))["status"] == "active"

    async def processing():
        return (await task_of(cloud.demo, image))["status"] == "processing"
    await until(processing)
    assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204
    mirror.go.set()
    await cloud.settled()
    assert (await cloud.demo.get(f"/image/v2/images/{image}")).status == 404


@pytest.mark.parametrize("given", [
    {"os_hash_value": SHA512}, {"os_hash_algo": "sha123", "os_hash_value": SHA512}, {"os_hash_algo": "sha512", "os_hash_value": SHA256},
    {"os_hash_algo": "sha512", "os_hash_value": "z" * 128}])
async def test_hashes_that_cannot_be(cloud, mirror, given):
    image = await make(cloud.demo)
    assert (await add(cloud.demo, image, mirror.disk, validation_data=given)).status == 400
    assert (await show(cloud.demo, image))["status"] == "queued"


@pytest.mark.parametrize("url", [
    "file:///etc/shadow", "gopher://info.cern.ch", "swift+config://a/b/c", "filesystem:///etc/shadow", "http://169.254.169.254/latest",
    "http://127.0.0.1:22/", "http://user:word@127.0.0.1/", "https://[::1]/x", "s3+https://elsewhere/images/x", "cinder://x", "rbd://x"])
async def test_addresses_that_are_refused(cloud, url):
    """OSSA-2015-019, OSSA-2016-006: neither files of the host nor what lies inside the cloud."""
    image = await make(cloud.admin)
    assert (await add(cloud.admin, image, url)).status == 400
    assert (await plus(cloud.admin, image, url)).status == 400
    assert (await show(cloud.admin, image))["locations"] == []


async def test_nobody_reads_another_images_data_by_its_address(cloud):
    image = await make(cloud.admin, visibility="private")
    headers = {**BYTES, "X-Image-Meta-Store": "far"}
    await cloud.admin.request("PUT", f"/image/v2/images/{image}/file", data=b"secret", headers=headers)
    url = (await show(cloud.admin, image))["direct_url"]
    mine = await make(cloud.demo)
    assert url.startswith("s3+http://") and (await add(cloud.demo, mine, url)).status == 403
    assert (await plus(cloud.demo, mine, url)).status == 403
    assert (await add(cloud.admin, await make(cloud.admin), url)).status == 403


async def test_a_service_hands_over_data_that_no_image_has(cloud):
    far = cloud.parts.service(Stores).named("far")
    writer = await far.writer("snapshot-1")
    await writer.write(DATA)
    await writer.commit()
    image = await make(cloud.admin)
    assert (await add(cloud.admin, image, far.url("snapshot-1"))).status == 202
    await cloud.settled()
    shown = await show(cloud.admin, image)
    assert (shown["status"], shown["stores"], shown["os_hash_value"]) == ("active", "far", SHA512)
    await cloud.admin.delete(f"/image/v2/images/{image}")
    await cloud.settled()
    assert "snapshot-1" not in await far.keys()


async def test_locations_by_patch(cloud, mirror):
    image = await make(cloud.demo)
    assert (await show(cloud.demo, image))["locations"] == []
    assert (await plus(cloud.demo, image, mirror.disk, metadata={"foo": "bar"})).status == 200
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["size"], shown["os_hash_algo"]) == ("active", len(DATA), None)
    assert shown["locations"] == [{"url": mirror.disk, "metadata": {"foo": "bar", "store": "web"}}]
    assert shown["direct_url"] == mirror.disk
    assert (await plus(cloud.demo, image, mirror.disk)).status == 400
    assert (await plus(cloud.demo, image, f"{mirror.disk}#new")).status == 200
    both = (await show(cloud.demo, image))["locations"]
    both[0]["metadata"]["date"] = "2015-10-15"
    assert (await patch(cloud.demo, image, {"op": "replace", "path": "/locations", "value": both})).status == 200
    assert (await show(cloud.demo, image))["locations"] == both
    for value, status in ((both[:1], 400), ([], 403), ([both[0], {**both[1], "url": f"{mirror.disk}#3"}], 400), ([{"url": 1}], 400)):
        assert (await patch(cloud.demo, image, {"op": "replace", "path": "/locations", "value": value})).status == status
    remove = {"op": "remove", "path": "/locations/0"}
    assert (await patch(cloud.demo, image, remove)).status == 403
    assert (await patch(cloud.admin, image, {**remove, "path": "/locations/7"})).status == 400
    assert (await patch(cloud.admin, image, remove)).status == 200
    assert (await patch(cloud.admin, image, remove)).status == 403
    assert [one["url"] for one in (await show(cloud.demo, image))["locations"]] == [f"{mirror.disk}#new"]


async def test_hashes_that_come_with_locations_by_patch(cloud, mirror):
    image = await make(cloud.demo)
    given = {"checksum": "1" * 32, "os_hash_algo": "sha512", "os_hash_value": "deadbeef" * 16}
    assert (await plus(cloud.demo, image, mirror.disk, validation_data=given)).status == 200
    shown = await show(cloud.demo, image)
    assert (shown["checksum"], shown["os_hash_value"], shown["status"]) == ("1" * 32, "deadbeef" * 16, "active")
    assert "validation_data" not in shown["locations"][0]
    for name, other in (("checksum", "2" * 32), ("os_hash_value", "beefdead" * 16), ("os_hash_algo", "sha256")):
        assert (await plus(cloud.demo, image, f"{mirror.disk}#2", validation_data={**given, name: other})).status == 409
    assert (await plus(cloud.demo, image, f"{mirror.disk}#2", validation_data=given)).status == 200


async def test_others_see_no_locations(cloud, mirror):
    image = await make(cloud.admin, visibility="public")
    await plus(cloud.admin, image, mirror.disk)
    shown = await show(cloud.demo, image)
    assert shown["locations"] == [] and "direct_url" not in shown


async def test_without_the_settings_nothing_is_shown_and_nothing_set(tmp_path, mirror):
    text = f"[image]\nimport_hosts = {mirror.host}\nstores = web=http:\ndo_secure_hash = off\n"
    async for cloud in run_cloud(make_settings(tmp_path, text)):
        image = await make(cloud.demo)
        assert not {"locations", "direct_url"} & (await show(cloud.demo, image)).keys()
        assert (await plus(cloud.admin, image, mirror.disk)).status == 403
        assert (await add(cloud.demo, image, mirror.disk)).status == 202
        shown = await show(cloud.demo, image)
        assert (shown["status"], shown["size"], shown["checksum"], shown["os_hash_value"]) == ("active", len(DATA), None, None)
        assert (await task_of(cloud.demo, image))["status"] == "success"


async def test_without_a_web_store_no_address_is_taken(tmp_path, mirror):
    async for cloud in run_cloud(make_settings(tmp_path, f"[image]\nimport_hosts = {mirror.host}\n")):
        answer = await add(cloud.demo, await make(cloud.demo), mirror.disk)
        assert answer.status == 400 and "no store of this cloud" in answer.body["message"]
