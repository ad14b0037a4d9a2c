"""Several stores: which data goes to which, copies, and what happens when one of them fails."""

import aiohttp
import pytest

from cloudd.daemon import Daemon
from cloudd.drivers.store.base import Store, StoreError, StoreFull
from cloudd.drivers.store.file import FileStore
from cloudd.image.models import ImageBlob
from cloudd.image.stores import Stores
from cloudd.settings import SettingsError
from tests.api.conftest import PASSWORD, Cloud, make_settings, run_cloud

BYTES = {"Content-Type": "application/octet-stream"}
DATA = b"\x09" * 300_000
COPY = {"name": "copy-image"}


@pytest.fixture(scope="module")
async def cloud(tmp_path_factory):
    place = tmp_path_factory.mktemp("stores")
    text = f"[image]\nstores = fast=file:{place}/fast, slow=file:{place}/slow\ndefault_store = fast\n"
    async for running in run_cloud(make_settings(place, text)):
        yield running


async def make(client, **members):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **members}
    return (await client.post("/image/v2/images", body)).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def upload(client, image, store=None, data=DATA):
    headers = {**BYTES, **({"X-Image-Meta-Store": store} if store else {})}
    return (await client.request("PUT", f"/image/v2/images/{image}/file", data=data, headers=headers)).status


async def ask(client, image, **body):
    return await client.post(f"/image/v2/images/{image}/import", body)


async def ended(cloud, client, image):
    await cloud.settled()
    shown = await show(client, image)
    task = (await client.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]
    return shown, task


def store(cloud, name):
    return cloud.parts.service(Stores).named(name)


async def keys(cloud):
    return {name: set(await each.keys()) for name, each in cloud.parts.service(Stores).by_name.items()}


async def test_the_stores_are_listed(cloud):
    listed = (await cloud.demo.get("/image/v2/info/stores")).body["stores"]
    assert [(one["id"], one.get("default"), one["weight"]) for one in listed] == [("file", None, 2), ("fast", "true", 1), ("slow", None, 0)]
    assert (await cloud.demo.get("/image/v2/info/stores/detail")).status == 403
    detail = (await cloud.admin.get("/image/v2/info/stores/detail")).body["stores"]
    assert detail[1]["type"] == "file" and detail[1]["properties"]["data_dir"].endswith("/fast")


async def test_data_goes_to_the_named_store_or_the_default_one(cloud):
    one, other = await make(cloud.demo), await make(cloud.demo)
    assert await upload(cloud.demo, one) == 204 and await upload(cloud.demo, other, "slow") == 204
    assert (await show(cloud.demo, one))["stores"] == "fast" and (await show(cloud.demo, other))["stores"] == "slow"
    assert (await cloud.demo.get(f"/image/v2/images/{other}/file")).content == DATA
    assert await upload(cloud.demo, await make(cloud.demo), "elsewhere") == 400
    created = await cloud.demo.post("/image/v2/images", {"name": "x"})
    assert created.headers["OpenStack-image-store-ids"] == "file,fast,slow"


async def test_an_import_fills_several_stores_and_a_copy_is_taken_out(cloud):
    image = await make(cloud.demo)
    await cloud.demo.request("PUT", f"/image/v2/images/{image}/stage", data=DATA, headers=BYTES)
    assert (await ask(cloud.demo, image, method={"name": "glance-direct"}, stores=["slow", "file"])).status == 202
    shown, task = await ended(cloud, cloud.demo, image)
    assert (shown["status"], shown["stores"], task["status"]) == ("active", "file,slow", "success")
    assert (await cloud.demo.delete(f"/image/v2/stores/file/{image}")).status == 403
    before = await keys(cloud)
    assert (await cloud.admin.delete(f"/image/v2/stores/file/{image}")).status == 204
    await cloud.settled()
    assert len(before["file"] - (await keys(cloud))["file"]) == 1
    assert (await show(cloud.demo, image))["stores"] == "slow"
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA


async def test_what_may_not_be_taken_out(cloud):
    image = await make(cloud.demo, protected=True)

    async def status(name, which=image):
        return (await cloud.admin.delete(f"/image/v2/stores/{name}/{which}")).status
    assert await status("fast") == 409                        # no data yet
    await upload(cloud.demo, image)
    assert await status("fast") == 403                        # the last copy
    assert await status("slow") == 404
    assert await status("elsewhere") == 409
    assert await status("fast", "11111111-1111-1111-1111-111111111111") == 404
    await ask(cloud.admin, image, method=COPY, stores=["slow"])
    await cloud.settled()
    assert await status("slow") == 403                        # protected


async def test_an_active_image_is_copied(cloud):
    image = await make(cloud.demo, visibility="private")
    assert (await ask(cloud.admin, image, method=COPY, stores=["slow"])).status == 409
    await upload(cloud.demo, image)
    assert (await ask(cloud.demo, image, method=COPY, stores=["slow"])).status == 403
    assert (await ask(cloud.admin, image, method=COPY, stores=["fast"])).status == 400
    assert (await ask(cloud.admin, image, method=COPY, stores=["nowhere"])).status == 409
    assert (await ask(cloud.admin, image, method=COPY, all_stores=True)).status == 202
    shown, task = await ended(cloud, cloud.admin, image)
    assert (shown["stores"], shown["os_glance_importing_to_stores"], task["status"]) == ("file,fast,slow", "", "success")
    again = await ask(cloud.admin, image, method=COPY, all_stores=True)
    assert again.status == 202 and "OpenStack-image-import-task" not in again.headers
    await cloud.demo.delete(f"/image/v2/images/{image}")
    await cloud.settled()


@pytest.mark.parametrize(("must", "stores", "task_status", "failed"), [(True, "fast", "failure", "slow"),
                                                                     (False, "file,fast", "success", "slow")])
async def test_a_store_that_fails_in_a_copy(cloud, monkeypatch, must, stores, task_status, failed):
    image = await make(cloud.demo)
    await upload(cloud.demo, image)
    before = await keys(cloud)

    async def full(key):
        raise StoreFull("no room is left in /slow")
    monkeypatch.setattr(store(cloud, "slow"), "writer", full)
    assert (await ask(cloud.admin, image, method=COPY, all_stores=True, all_stores_must_succeed=must)).status == 202
    shown, task = await ended(cloud, cloud.admin, image)
    assert (shown["status"], shown["stores"], task["status"]) == ("active", stores, task_status)
    assert (shown["os_glance_failed_import"], shown["os_glance_importing_to_stores"]) == (failed, "")
    assert must is ("no room" in task["message"])
    assert must is ((await keys(cloud)) == before)


async def test_the_next_copy_is_read_when_the_best_one_does_not_answer(cloud, monkeypatch):
    image = await make(cloud.demo)
    await upload(cloud.demo, image)
    await ask(cloud.admin, image, method=COPY, stores=["slow"])
    await cloud.settled()

    async def broken(key):
        raise StoreError("the disk is broken")
    monkeypatch.setattr(store(cloud, "fast"), "size", broken)
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA
    monkeypatch.setattr(store(cloud, "slow"), "size", broken)
    answer = await cloud.demo.get(f"/image/v2/images/{image}/file")
    assert answer.status == 503 and "the disk is broken" in answer.body["message"]


@pytest.mark.parametrize("extra", [{"stores": ["fast"], "all_stores": True}, {"all_stores": True, "header": "fast"},
                                   {"stores": ["fast"], "header": "fast"}])
async def test_bad_choices_of_stores(cloud, extra):
    image, header = await make(cloud.demo), extra.get("header")
    await cloud.demo.request("PUT", f"/image/v2/images/{image}/stage", data=DATA, headers=BYTES)
    body = {"method": {"name": "glance-direct"}, **{name: value for name, value in extra.items() if name != "header"}}
    answer = await cloud.demo.post(f"/image/v2/images/{image}/import", body, headers={"X-Image-Meta-Store": header} if header else {})
    assert answer.status == 400


async def test_an_image_of_a_store_that_was_taken_out_of_the_settings_comes_back_with_it(tmp_path):
    text = f"[image]\nstores = away=file:{tmp_path}/away\ndefault_store = away\n"
    async for cloud in run_cloud(make_settings(tmp_path, text)):
        image = await make(cloud.demo)
        await upload(cloud.demo, image)
        demo = cloud.demo
    async for cloud in run_cloud_again(tmp_path, ""):
        demo.url = cloud.url
        answer = await cloud.admin.get(f"/image/v2/images/{image}/file")
        assert answer.status == 503 and "away" in answer.body["message"]
        assert isinstance(cloud.parts.driver(Store), FileStore)
    async for cloud in run_cloud_again(tmp_path, text):
        assert (await cloud.admin.get(f"/image/v2/images/{image}/file")).content == DATA


async def run_cloud_again(directory, text):
    """The same state, other settings. `tester` is there already, so only the administrator logs in."""
    settings = make_settings(directory, text)
    async with Daemon(settings).running() as daemon, aiohttp.ClientSession() as session:
        host, port = settings.server.addresses()[0]
        cloud = Cloud(daemon, f"http://{host}:{port}", session)
        cloud.admin = await cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        yield cloud


@pytest.mark.parametrize("text", ["stores = fast", "stores = a=file:/x, a=file:/y", "stores = file=file:/x", "default_store = none"])
def test_bad_settings(tmp_path, text):
    with pytest.raises(SettingsError):
        make_settings(tmp_path, f"[image]\n{text}\n")


async def test_what_a_crash_left_in_a_store_is_dropped(tmp_path):
    """Noted and written, but never made a location of: the next start finds and removes it."""
    text = f"[image]\nstores = fast=file:{tmp_path}/fast\n"
    async for cloud in run_cloud(make_settings(tmp_path, text)):
        writer = await store(cloud, "fast").writer("left")
        await writer.write(b"x")
        await writer.commit()
        async with cloud.parts.database.write() as tx:
            tx.add(ImageBlob(store="fast", key="left", image_id="gone"))
    async for cloud in run_cloud_again(tmp_path, text):
        assert await store(cloud, "fast").keys() == []
        async with cloud.parts.database.read() as tx:
            assert await tx.get(ImageBlob, ("fast", "left")) is None
