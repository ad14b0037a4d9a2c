"""Jobs of images: failing, killed before and after each save, done again. In the end every byte that lies in a store, in the
cache or in the staging area is some image's, and no image is on its way."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select

from cloudd.core import database
from cloudd.core.jobs import Registry
from cloudd.core.tables import JobRow
from cloudd.drivers.store.file import FileStore
from cloudd.drivers.store.http import HttpStore
from cloudd.image.cache import Cache
from cloudd.image.models import Image
from cloudd.image.service import ImageModule
from cloudd.image.staging import Staging
from cloudd.image.stores import Stores
from tests.fault.lives import FAILS, HOWS, Finger, Lives

assert ImageModule
V2, BYTES = "/image/v2/images", {"Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 9000
TEXT = "[image]\nstores = second=file:{directory}/second, web=http:\nimport_hosts = {mirror}\ncache_max_gb = 1\n"
PREFIX = "image."


@pytest.fixture(scope="module")
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


class Scene:
    """What is there before, the order that makes the job, and what has to be so afterwards."""

    def __init__(self, mirror):
        self.mirror, self.image = mirror, ""

    async def prepare(self, cloud):
        self.image = await self.empty(cloud)

    async def ask(self, cloud):
        raise NotImplementedError

    async def check(self, cloud, failed):
        raise NotImplementedError

    async def empty(self, cloud):
        made = await cloud.admin.post(V2, {"name": "one", "disk_format": "raw", "container_format": "bare"})
        return made.body["id"]

    async def filled(self, cloud):
        image = await self.empty(cloud)
        assert (await cloud.admin.request("PUT", f"{V2}/{image}/file", data=DATA, headers=BYTES)).status == 204
        return image

    async def show(self, cloud):
        return (await cloud.admin.get(f"{V2}/{self.image}")).body

    async def whole(self, cloud):
        assert (await cloud.admin.get(f"{V2}/{self.image}/file")).content == DATA

    async def order(self, cloud, method, path, status, body=None):
        answer = await cloud.admin.request(method, path, **({"json": body} if body else {}))
        assert answer.status == status, answer.content


class Import(Scene):
    async def ask(self, cloud):
        body = {"method": {"name": "web-download", "uri": f"http://{self.mirror}/disk.img"}, "stores": ["file", "second"]}
        await self.order(cloud, "POST", f"{V2}/{self.image}/import", 202, body)

    async def check(self, cloud, failed):
        shown = await self.show(cloud)
        assert (shown["status"], shown.get("stores")) == (("queued", None) if failed else ("active", "file,second"))
        if not failed:
            await self.whole(cloud)


class Copy(Scene):
    async def prepare(self, cloud):
        self.image = await self.filled(cloud)

    async def ask(self, cloud):
        await self.order(cloud, "POST", f"{V2}/{self.image}/import", 202, {"method": {"name": "copy-image"}, "stores": ["second"]})

    async def check(self, cloud, failed):
        shown = await self.show(cloud)
        assert (shown["status"], shown["stores"]) == ("active", "file" if failed else "file,second")
        assert shown["os_glance_importing_to_stores"] == "" and shown["os_glance_failed_import"] == ("second" if failed else "")
        await self.whole(cloud)


class RemoveCopy(Copy):
    async def prepare(self, cloud):
        await super().prepare(cloud)
        await Copy.ask(self, cloud)
        await cloud.settled()

    async def ask(self, cloud):
        await self.order(cloud, "DELETE", f"/image/v2/stores/second/{self.image}", 204)

    async def check(self, cloud, failed):
        assert (await self.show(cloud))["stores"] == "file"
        await self.whole(cloud)


class DeleteData(RemoveCopy):
    async def ask(self, cloud):
        await self.order(cloud, "DELETE", f"{V2}/{self.image}", 204)

    async def check(self, cloud, failed):
        assert (await cloud.admin.get(f"{V2}/{self.image}")).status == 404


class SumLocation(Scene):
    async def ask(self, cloud):
        await self.order(cloud, "POST", f"{V2}/{self.image}/locations", 202, {"url": f"http://{self.mirror}/disk.img"})

    async def check(self, cloud, failed):
        shown = await self.show(cloud)
        assert (shown["status"], bool(shown["os_hash_value"])) == ("active", not failed)
        await self.whole(cloud)


class CacheImage(SumLocation):
    async def prepare(self, cloud):
        await super().prepare(cloud)
        await SumLocation.ask(self, cloud)
        await cloud.settled()

    async def ask(self, cloud):
        await self.order(cloud, "PUT", f"/image/v2/cache/{self.image}", 202)

    async def check(self, cloud, failed):
        cached = (await cloud.admin.get("/image/v2/cache")).body
        assert [row["image_id"] for row in cached["cached_images"]] == [self.image]       # whole before the failure was made
        assert cached["queued_images"] == []
        await self.whole(cloud)


SCENES = {"image.import": Import, "image.copy": Copy, "image.remove_copy": RemoveCopy, "image.delete_data": DeleteData,
          "image.sum_location": SumLocation, "image.cache": CacheImage}
HANGS = {"image.import": (FileStore, "writer"), "image.copy": (FileStore, "writer"), "image.remove_copy": (FileStore, "delete"),
         "image.delete_data": (FileStore, "delete"), "image.sum_location": (HttpStore, "read"), "image.cache": (FileStore, "writer")}
"""The call of a store that never returns, for each kind of job."""
STEPS = [(kind, number) for kind in sorted(SCENES) for number in range(len(Registry[kind].steps))]


async def nothing_is_left_over(cloud):
    """What lies on the disk is what the rows say, and whole; nobody waits for anything."""
    stores, cache = cloud.parts.service(Stores), cloud.parts.service(Cache)
    async with cloud.parts.database.read() as tx:
        images = (await tx.execute(select(Image))).scalars().all()
    assert {image.status for image in images} <= {"queued", "active"}
    for name in ("file", "second"):
        wanted = {row.key for image in images for row in image.locations if row.store == name}
        assert files(stores.by_name[name]) == wanted, name
    assert files(cloud.parts.service(Staging).store) == set()
    cached = {row["image_id"] for row in (await cloud.admin.get("/image/v2/cache")).body["cached_images"]}
    assert files(cache.store) == cached


def files(store):
    return {path.name for path in Path(store.directory).iterdir()}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("kind", "step"), STEPS, ids=[f"{kind}-{Registry[kind].steps[step].name}" for kind, step in STEPS])
async def test_survives(tmp_path, mirror, kind, step, how):
    lives, scene = Lives(tmp_path, TEXT.format(directory=tmp_path, mirror=mirror)), SCENES[kind](mirror)
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    finger = Finger(kind, step, how)
    try:
        cloud = await lives.meet(finger, scene)
        if how == FAILS:                                      # what could not be taken away then, is at the next start
            cloud = await lives.start(finger)
        await scene.check(cloud, how == FAILS)
        await nothing_is_left_over(cloud)
    finally:
        await lives.stack.aclose()


async def never(*_):
    await asyncio.Event().wait()


async def never_a_chunk(*_):
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("kind", sorted(HANGS))
async def test_a_job_whose_store_call_hangs_ends_and_names_it(tmp_path, mirror, monkeypatch, kind):
    text = TEXT.format(directory=tmp_path, mirror=mirror) + "[jobs]\npatience = 0\ndeadlines = store=2, store.read=2\n"
    lives, scene, (store, method) = Lives(tmp_path, text), SCENES[kind](mirror), HANGS[kind]
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    nobody = Finger(kind, 0, FAILS)
    nobody.left = 0
    try:
        cloud = await lives.start(nobody)
        await scene.prepare(cloud)
        with monkeypatch.context() as hanging:
            hanging.setattr(store, method, never_a_chunk if method == "read" else never)
            await scene.ask(cloud)
            await cloud.settled()
        async with cloud.parts.database.read() as tx:
            rows = (await tx.execute(select(JobRow).where(JobRow.kind == kind).order_by(JobRow.serial.desc()))).scalars()
        last = next(iter(rows))
        assert last.state == "failed" and f"store.{method} did not end within 2 seconds" in last.error, last.error
        cloud = await lives.start(nobody)                     # what could not be taken away then, is at the next start
        if kind != "image.cache":
            await scene.check(cloud, True)
        await nothing_is_left_over(cloud)
    finally:
        await lives.stack.aclose()


def test_every_job_of_images_has_its_scene():
    assert {kind for kind in Registry if kind.startswith(PREFIX)} == set(SCENES) == set(HANGS)
