"""Data that takes its time says with its image, and with its task, how far it has come."""

import asyncio

import pytest
from aiohttp import web

from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
HALF = b"z" * (8 << 20)
PROPERTY = "os_glance_progress"


class Gate:
    """Half of the data comes at once, the other half when it is opened."""

    def __init__(self):
        self.open = asyncio.Event()

    async def data(self):
        yield HALF
        await self.open.wait()
        yield HALF


@pytest.fixture(scope="module")
async def mirror():
    gate = Gate()

    async def slow(request):
        response = web.StreamResponse(headers={"Content-Length": str(2 * len(HALF))})
        await response.prepare(request)
        async for piece in gate.data():
            await response.write(piece)
        return response
    app = web.Application()
    app.router.add_get("/slow.img", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gate.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield gate
    await runner.cleanup()


@pytest.fixture(scope="module")
async def cloud(mirror, tmp_path_factory):
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), f"[image]\nimport_hosts = {mirror.host}\n")):
        yield running


async def make(client):
    return (await client.post("/image/v2/images", {"name": "one", "disk_format": "raw", "container_format": "bare"})).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


def says(client, image, words):
    async def said() -> bool:
        return (await show(client, image)).get(PROPERTY) == words
    return said


@pytest.mark.parametrize(("length", "words"), [(True, "50 % (8 of 16 MiB)"), (False, "8 MiB")])
@pytest.mark.parametrize("where", ["file", "stage"])
async def test_an_upload(cloud, where, length, words):
    image, gate = await make(cloud.demo), Gate()
    headers = {**BYTES, **({"Content-Length": str(2 * len(HALF))} if length else {})}
    sending = asyncio.ensure_future(cloud.demo.request("PUT", f"/image/v2/images/{image}/{where}", data=gate.data(), headers=headers))
    await until(says(cloud.demo, image, words))
    listed = (await cloud.demo.get("/image/v2/images?limit=100")).body["images"]
    assert {row["id"]: row.get(PROPERTY) for row in listed}[image] == words
    gate.open.set()
    assert (await sending).status == 204
    assert PROPERTY not in await show(cloud.demo, image)


async def test_an_upload_that_ends_early(cloud):
    image, gate = await make(cloud.demo), Gate()
    sending = asyncio.ensure_future(cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=gate.data(), headers=BYTES))
    await until(says(cloud.demo, image, "8 MiB"))
    sending.cancel()
    await until(says(cloud.demo, image, None))
    assert (await show(cloud.demo, image))["status"] == "queued"


async def test_an_import(cloud, mirror):
    image = await make(cloud.demo)
    body = {"method": {"name": "web-download", "uri": f"http://{mirror.host}/slow.img"}}
    assert (await cloud.demo.post(f"/image/v2/images/{image}/import", body)).status == 202
    await until(says(cloud.demo, image, "50 % (8 of 16 MiB)"))
    task = (await cloud.demo.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]
    assert (task["status"], task["message"]) == ("processing", "50 % (8 of 16 MiB)")
    mirror.open.set()
    await cloud.settled()
    shown = await show(cloud.demo, image)
    assert shown["status"] == "active" and PROPERTY not in shown
    assert (await cloud.demo.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]["message"] == ""


async def test_nobody_sets_it(cloud):
    body = {"name": "x", PROPERTY: "99 %"}
    assert (await cloud.demo.post("/image/v2/images", body)).status == 403
