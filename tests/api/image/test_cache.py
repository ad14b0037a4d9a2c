"""The cache of images that lie elsewhere: filled by downloads and by the queue, bounded, never half."""

import os

import pytest

from cloudd.image.cache import Cache
from cloudd.image.models import ImageCached
from cloudd.image.stores import Stores
from tests import s3
from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
DATA = os.urandom(1 << 20) * 3
C = "/image/v2/cache"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3.server(tmp_path_factory.mktemp("s3") / "log") as place:
        yield place


@pytest.fixture(scope="module")
async def cloud(server, tmp_path_factory):
    text = f"[image]\nstores = far=s3:{s3.address(server)}\ndefault_store = far\n"
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), text)):
        yield running


@pytest.fixture(autouse=True)
async def empty(cloud):
    yield
    await cloud.admin.delete(C)
    await cloud.settled()


async def make(cloud, store="far", data=DATA, **members):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **members}
    image = (await cloud.demo.post("/image/v2/images", body)).body["id"]
    headers = {**BYTES, "X-Image-Meta-Store": store}
    assert (await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=data, headers=headers)).status == 204
    return image


async def fetch(cloud, image, **headers):
    return await cloud.demo.get(f"/image/v2/images/{image}/file", headers=headers)


async def fill(cloud, image):
    """Fetch it all; the entry is there when the last byte has been sent and the file is on the disk."""
    answer = await fetch(cloud, image)

    async def there():
        return image in await cached(cloud)
    await until(there)
    return answer


async def cached(cloud):
    return {one["image_id"]: one for one in (await cloud.admin.get(C)).body["cached_images"]}


def break_server(cloud, monkeypatch):
    """From here on the S3 server is not asked."""
    monkeypatch.setattr(cloud.parts.service(Stores).named("far"), "client", None)


async def test_a_download_fills_the_cache_and_the_next_comes_from_it(cloud, monkeypatch):
    image = await make(cloud)
    assert await cached(cloud) == {}
    assert (await fill(cloud, image)).content == DATA
    entry = (await cached(cloud))[image]
    assert (entry["size"], entry["hits"], entry["last_accessed"]) == (len(DATA), 0, 0)
    break_server(cloud, monkeypatch)
    assert (await fetch(cloud, image)).content == DATA
    assert (await fetch(cloud, image, Range="bytes=5-9")).content == DATA[5:10]
    entry = (await cached(cloud))[image]
    assert entry["hits"] == 2 and entry["last_accessed"] > 0


async def test_a_queued_image_is_fetched(cloud, monkeypatch):
    image = await make(cloud)
    assert (await cloud.admin.put(f"{C}/{image}")).status == 202
    await cloud.settled()
    assert image in await cached(cloud) and (await cloud.admin.get(C)).body["queued_images"] == []
    assert (await cloud.admin.get(f"{C}/nodes/{image}")).body == [cloud.url]
    break_server(cloud, monkeypatch)
    assert (await fetch(cloud, image)).content == DATA


async def test_what_lies_here_is_linked_and_read_where_it_lies(cloud):
    image = await make(cloud, "file")
    await cloud.admin.put(f"{C}/{image}")
    await cloud.settled()
    path = cloud.parts.service(Cache).store.local_path(image)
    assert image in await cached(cloud) and path.stat().st_nlink == 2
    assert (await fetch(cloud, image)).content == DATA and (await cached(cloud))[image]["hits"] == 0


async def test_entries_and_queue_are_dropped(cloud):
    one, other = await make(cloud), await make(cloud)
    for image in (one, other):
        await fill(cloud, image)
    assert (await cloud.admin.delete(f"{C}/{one}")).status == 204
    assert list(await cached(cloud)) == [other]
    assert (await cloud.admin.delete(C, headers={"x-image-cache-clear-target": "queue"})).status == 204
    assert list(await cached(cloud)) == [other]
    assert (await cloud.admin.delete(C, headers={"x-image-cache-clear-target": "Cache"})).status == 204
    assert await cached(cloud) == {} and await cloud.parts.service(Cache).store.keys() == []
    assert (await cloud.admin.delete(C, headers={"x-image-cache-clear-target": "all"})).status == 400


async def test_a_deleted_image_leaves_the_cache(cloud):
    image = await make(cloud)
    await fill(cloud, image)
    await cloud.demo.delete(f"/image/v2/images/{image}")
    await cloud.settled()
    assert await cached(cloud) == {} and await cloud.parts.service(Cache).store.keys() == []


async def test_refusals(cloud):
    queued = (await cloud.demo.post("/image/v2/images", {"name": "queued"})).body["id"]
    assert (await cloud.admin.put(f"{C}/{queued}")).status == 400
    for method, path in (("PUT", "/none"), ("DELETE", "/none"), ("GET", "/nodes/none")):
        assert (await cloud.admin.request(method, C + path)).status == 404
    for method, path in (("GET", ""), ("PUT", f"/{queued}"), ("DELETE", ""), ("DELETE", f"/{queued}"), ("POST", "/clean"),
                         ("POST", "/prune"), ("GET", f"/nodes/{queued}")):
        assert (await cloud.demo.request(method, C + path)).status == 403


async def test_the_longest_unused_go_first(cloud, monkeypatch):
    images = [await make(cloud) for _ in range(3)]
    for image in (*images, images[0]):
        await fill(cloud, image)
    assert (await cloud.admin.post(f"{C}/prune")).body == {"total_files_pruned": 0, "total_bytes_pruned": 0}
    monkeypatch.setattr(cloud.parts.service(Cache), "most", len(DATA) * 2)
    pruned = await cloud.admin.post(f"{C}/prune")
    assert (pruned.status, pruned.body) == (200, {"total_files_pruned": 1, "total_bytes_pruned": len(DATA)})
    assert set(await cached(cloud)) == {images[0], images[2]}
    large = await make(cloud, data=DATA * 3)
    assert (await fetch(cloud, large)).content == DATA * 3
    assert large not in await cached(cloud)


async def test_a_reader_who_goes_leaves_no_entry(cloud):
    image = await make(cloud, data=DATA * 6)
    async with cloud.session.get(f"{cloud.url}/image/v2/images/{image}/file", headers=cloud.demo.headers) as response:
        await response.content.readexactly(1000)
        response.close()
    folder = cloud.parts.service(Cache).store.directory

    async def nothing():
        return os.listdir(folder) == []
    await until(nothing)
    assert await cached(cloud) == {}


async def test_data_that_was_changed_elsewhere_is_not_kept(cloud):
    image = await make(cloud)
    far = cloud.parts.service(Stores).named("far")
    key = (await cloud.admin.get(f"/image/v2/images/{image}/locations")).body[0]["url"].rpartition("/")[2]
    writer = await far.writer(key)
    await writer.write(b"x" * len(DATA))
    await writer.commit()
    await fetch(cloud, image)
    assert await cached(cloud) == {}
    await cloud.admin.put(f"{C}/{image}")
    await cloud.settled()
    assert await cached(cloud) == {} and await cloud.parts.service(Cache).store.keys() == []


async def test_clean_drops_what_does_not_fit_together(cloud):
    image, store = await make(cloud), cloud.parts.service(Cache).store
    await fill(cloud, image)
    await store.delete(image)
    writer = await store.writer("stray")
    await writer.commit()
    assert (await cloud.admin.post(f"{C}/clean")).status == 200
    assert await cached(cloud) == {} and await store.keys() == []
    assert (await fetch(cloud, image)).content == DATA


async def test_an_entry_that_was_cut_is_not_used(cloud):
    image, store = await make(cloud), cloud.parts.service(Cache).store
    await fill(cloud, image)
    os.truncate(store.local_path(image), 10)
    assert (await fetch(cloud, image)).content == DATA


async def test_without_a_cache_there_is_none(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, "[image]\ncache_max_gb = 0\n")):
        assert (await cloud.admin.get(C)).status == 404
        async with cloud.parts.database.read() as tx:
            assert await tx.get(ImageCached, "x") is None
