"""Images from elsewhere: from another Glance of the catalog, and by the older tasks API."""

import uuid

import pytest
from aiohttp import web

from cloudd.image.imports import Tokens
from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
async def web_server():
    async def disk(request):
        return web.Response(body=DATA)
    app = web.Application()
    app.router.add_get("/disk.img", disk)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture(scope="module")
async def cloud(web_server, tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("cloud"), f"[image]\nimport_hosts = {web_server}\n")
    async for running in run_cloud(settings):
        yield running


async def make(client, **members):
    return (await client.post("/image/v2/images", {"name": "one", **members})).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def task_ended(cloud, task_id):
    async def done():
        return (await cloud.admin.get(f"/image/v2/tasks/{task_id}")).body["status"] in ("success", "failure")
    await until(done)
    return (await cloud.admin.get(f"/image/v2/tasks/{task_id}")).body


async def import_from_glance(client, image, source, **method):
    body = {"method": {"name": "glance-download", "glance_region": "RegionOne", "glance_image_id": source, **method}}
    answer = await client.post(f"/image/v2/images/{image}/import", body)
    assert answer.status == 202, answer.content
    return answer.headers["OpenStack-image-import-task"]


async def original(client):
    source = await make(client, disk_format="raw", container_format="bare", hw_disk_bus="scsi", os_distro="debian", mine="kept out")
    assert (await client.request("PUT", f"/image/v2/images/{source}/file", data=DATA, headers=BYTES)).status == 204
    return source


async def test_another_glance_gives_its_data_formats_and_what_the_hypervisor_reads(cloud):
    source, image = await original(cloud.demo), await make(cloud.demo)
    task = await task_ended(cloud, await import_from_glance(cloud.demo, image, source))
    assert (task["status"], task["message"]) == ("success", "")
    assert task["input"]["import_req"]["method"]["glance_service_interface"] == "public"
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["disk_format"], shown["container_format"], shown["size"]) == ("active", "raw", "bare", len(DATA))
    assert (shown["hw_disk_bus"], shown["os_distro"], shown.get("mine")) == ("scsi", "debian", None)
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA
    assert not cloud.parts.service(Tokens).of


@pytest.mark.parametrize(("method", "said"), [
    ({"glance_image_id": str(uuid.UUID(int=5))}, "answered 404"), ({"glance_region": "RegionTwo"}, "RegionTwo"),
    ({"glance_service_interface": "internal", "glance_region": "RegionTwo"}, "no internal endpoint")])
async def test_what_another_glance_does_not_have_leaves_the_image_as_it_was(cloud, method, said):
    image = await make(cloud.demo, hw_disk_bus="ide")
    source = method.pop("glance_image_id", None) or await original(cloud.demo)
    task = await task_ended(cloud, await import_from_glance(cloud.demo, image, source, **method))
    assert task["status"] == "failure" and said in task["message"]
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["disk_format"], shown["hw_disk_bus"]) == ("queued", None, "ide")


async def test_another_projects_image_is_not_given_away(cloud):
    source = await original(cloud.admin)
    image = await make(cloud.demo)
    task = await task_ended(cloud, await import_from_glance(cloud.demo, image, source))
    assert task["status"] == "failure" and "answered 404" in task["message"]


@pytest.mark.parametrize("method", [{}, {"glance_region": "RegionOne"}, {"glance_region": "RegionOne", "glance_image_id": "x"},
                                    {"glance_image_id": str(uuid.UUID(int=5))}])
async def test_what_glance_download_lacks_is_told(cloud, method):
    image = await make(cloud.demo)
    answer = await cloud.demo.post(f"/image/v2/images/{image}/import", {"method": {"name": "glance-download", **method}})
    assert answer.status == 400 and (await show(cloud.demo, image))["status"] == "queued"


def task_body(address, **properties):
    properties = {"name": "by a task", "disk_format": "raw", "container_format": "bare", **properties}
    return {"type": "import", "input": {"import_from": address, "import_from_format": "raw", "image_properties": properties}}


async def test_a_task_makes_an_image(cloud, web_server):
    answer = await cloud.admin.post("/image/v2/tasks", task_body(f"http://{web_server}/disk.img", os_distro="debian"))
    assert answer.status == 201 and answer.body["status"] == "pending"
    assert answer.headers["Location"].endswith(f"/image/v2/tasks/{answer.body['id']}")
    task = await task_ended(cloud, answer.body["id"])
    assert (task["type"], task["status"], task["input"]["import_from_format"]) == ("import", "success", "raw")
    shown = await show(cloud.admin, task["result"]["image_id"])
    assert (shown["name"], shown["status"], shown["size"], shown["os_distro"]) == ("by a task", "active", len(DATA), "debian")


async def test_a_task_that_finds_nothing_fails(cloud, web_server):
    made = (await cloud.admin.post("/image/v2/tasks", task_body(f"http://{web_server}/nothing"))).body
    task = await task_ended(cloud, made["id"])
    assert task["status"] == "failure" and "404" in task["message"] and task["result"] is None


@pytest.mark.parametrize("change", [{"type": "export"}, {"input": {}}, {"input": {"import_from": "http://x/"}},
                                    {"input": {"import_from": "file:///etc/shadow", "import_from_format": "raw", "image_properties": {}}}])
async def test_bad_tasks_make_nothing(cloud, web_server, change):
    before = (await cloud.admin.get("/image/v2/images?limit=100")).body["images"]
    answer = await cloud.admin.post("/image/v2/tasks", task_body(f"http://{web_server}/disk.img") | change)
    assert answer.status == 400, answer.content
    assert (await cloud.admin.get("/image/v2/images?limit=100")).body["images"] == before


async def test_tasks_are_the_administrators(cloud, web_server):
    assert (await cloud.demo.post("/image/v2/tasks", task_body(f"http://{web_server}/disk.img"))).status == 403
