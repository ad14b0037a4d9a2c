"""A cloud whose images lie on a real S3 server, used through openstacksdk and the `glance` way of asking; and one whose server is away."""

import asyncio
import hashlib
import os

import aiohttp
import openstack
import pytest

from cloudd.core.module import DriverError
from cloudd.image.stores import Stores
from tests import s3
from tests.api.conftest import PASSWORD, free_port, make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
DATA = os.urandom(1 << 20) * 40
NEW = {"name": "far", "disk_format": "raw", "container_format": "bare"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3.server(tmp_path_factory.mktemp("s3") / "log") as place:
        yield place


@pytest.fixture(scope="module")
async def cloud(server, tmp_path_factory):
    text = f"[image]\nstores = far=s3:{s3.address(server)}\ndefault_store = far\n"
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), text)):
        yield running


def connect(cloud):
    return openstack.connect(auth_url=f"{cloud.url}/identity/v3", username="tester", password=PASSWORD, project_name="tester",
                             user_domain_id="default", project_domain_id="default", region_name="RegionOne")


def far(cloud):
    return cloud.parts.service(Stores).named("far")


async def test_the_sdk_sends_and_fetches(cloud, tmp_path):
    path = tmp_path / "disk.raw"
    path.write_bytes(DATA)

    def work():
        image_client = connect(cloud).image
        image = image_client.create_image("far", filename=str(path), disk_format="raw", container_format="bare", wait=True)
        image = image_client.get_image(image.id)
        assert (image.status, image.size, image.properties["stores"]) == ("active", len(DATA), "far")
        assert image.hash_value == hashlib.sha512(DATA).hexdigest()
        assert hashlib.sha512(image_client.download_image(image).content).hexdigest() == image.hash_value
        assert [store.id for store in image_client.stores()] == ["file", "far"]
        image_client.delete_image(image.id)
    await asyncio.to_thread(work)
    await cloud.settled()
    assert await far(cloud).keys() == []


async def test_ranges_and_copies_to_the_disk(cloud):
    image = (await cloud.demo.post("/image/v2/images", NEW)).body["id"]
    path = f"/image/v2/images/{image}"
    assert (await cloud.demo.request("PUT", f"{path}/file", data=DATA, headers=BYTES)).status == 204
    answer = await cloud.demo.get(f"{path}/file", headers={"Range": "bytes=20000000-20000099"})
    assert (answer.status, answer.content) == (206, DATA[20000000:20000100])
    await cloud.admin.post(f"{path}/import", {"method": {"name": "copy-image"}, "stores": ["file"]})
    await cloud.settled()
    assert (await cloud.demo.get(path)).body["stores"] == "file,far"
    assert (await cloud.admin.delete(f"/image/v2/stores/far/{image}")).status == 204
    await cloud.settled()
    assert await far(cloud).keys() == [] and (await cloud.demo.get(f"{path}/file")).content == DATA


async def test_a_client_that_goes_leaves_no_parts(cloud):
    image = (await cloud.demo.post("/image/v2/images", NEW)).body["id"]

    async def broken():
        yield DATA
        raise ConnectionError("the client goes")
    with pytest.raises((ConnectionError, aiohttp.ClientError)):
        await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=broken(), headers=BYTES)

    async def queued():
        return (await cloud.demo.get(f"/image/v2/images/{image}")).body["status"] == "queued"
    await until(queued)
    assert await far(cloud).keys() == []
    assert "Uploads" not in await far(cloud).client.list_multipart_uploads(Bucket="images")


async def test_secrets_are_not_told(cloud):
    detail = await cloud.admin.get("/image/v2/info/stores/detail")
    assert b"secret" not in detail.content and detail.body["stores"][1]["properties"]["s3_store_bucket"] == "images"


async def test_a_bucket_that_is_missing_stops_the_start(server, tmp_path):
    text = f"[image]\nstores = far=s3:{s3.address(server, 'nothing')}\n"
    with pytest.raises(DriverError, match="image store far: .* has no bucket nothing: make it there"):
        async for _ in run_cloud(make_settings(tmp_path, text)):
            pass


async def test_a_server_that_is_away_stops_nothing_else(tmp_path):
    text = f"[image]\nstores = far=s3:{s3.address(f'127.0.0.1:{free_port()}')}\n"
    async for cloud in run_cloud(make_settings(tmp_path, text)):
        image = (await cloud.demo.post("/image/v2/images", NEW)).body["id"]
        sent = await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=b"x", headers={**BYTES, "X-Image-Meta-Store": "far"})
        assert sent.status == 503 and "does not answer" in sent.body["message"]
        assert (await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=b"x", headers=BYTES)).status == 204
        health = await cloud.anonymous.get("/healthz")
        assert health.status == 503
