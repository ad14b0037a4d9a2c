"""A disk that is really full (a small tmpfs), wherever image data is put: it is told, nothing half is kept, and after there is room
the same works."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from cloudd.core import database
from tests.fault.lives import FAILS, Finger, Lives
from tests.fault.test_image_jobs import BYTES, DATA, TEXT, V2, CacheImage, Copy, Import, Scene, mirror
from tests.waiting import until

assert mirror
ROOM = "1m"                          # DATA has more than twice that


class Never(Finger):
    """Nothing is killed here."""

    def __init__(self):
        super().__init__("image.import", 0, FAILS)
        self.left = 0


def full_disk(place: Path):
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=0700", "tmpfs", str(place)], check=True, timeout=30)


def more_room(place: Path):
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True, timeout=30)


def gone(place: Path):
    subprocess.run(["umount", str(place)], check=True, timeout=30)


class Upload(Scene):
    async def ask(self, cloud):
        answer = await cloud.admin.request("PUT", f"{V2}/{self.image}/file", data=DATA, headers=BYTES)
        assert answer.status in (204, 413), answer.content
        assert answer.status == 204 or "full" in answer.body["message"]

    async def check(self, cloud, failed):
        assert (await self.show(cloud))["status"] == ("queued" if failed else "active")
        if not failed:
            await self.whole(cloud)


class Stage(Scene):
    async def ask(self, cloud):
        answer = await cloud.admin.request("PUT", f"{V2}/{self.image}/stage", data=DATA, headers=BYTES)
        assert answer.status in (204, 413), answer.content

    async def check(self, cloud, failed):
        assert (await self.show(cloud))["status"] == ("queued" if failed else "uploading")


class ImportHere(Import):
    """To the default store alone."""

    async def ask(self, cloud):
        body = {"method": {"name": "web-download", "uri": f"http://{self.mirror}/disk.img"}}
        await self.order(cloud, "POST", f"{V2}/{self.image}/import", 202, body)

    async def check(self, cloud, failed):
        shown = await self.show(cloud)
        assert (shown["status"], shown.get("stores")) == (("queued", None) if failed else ("active", "file"))
        tasks = (await cloud.admin.get(f"{V2}/{self.image}/tasks")).body["tasks"]
        assert sorted(task["status"] for task in tasks) == (["failure"] if failed else ["failure", "success"])


class Cached(CacheImage):
    async def check(self, cloud, failed):
        cached = (await cloud.admin.get("/image/v2/cache")).body["cached_images"]
        assert [row["image_id"] for row in cached] == ([] if failed else [self.image])
        await self.whole(cloud)


CASES = {"upload": (Upload, "state/images"), "stage": (Stage, "state/images-staging"), "download": (ImportHere, "state/images-staging"),
         "import": (ImportHere, "state/images"), "import to a second store": (Import, "second"), "copy": (Copy, "second"),
         "cache": (Cached, "state/images-cache")}


@pytest.mark.parametrize("case", CASES)
async def test_a_full_disk(tmp_path, mirror, case):
    kind, place = CASES[case]
    place = tmp_path / place
    lives, scene, never = Lives(tmp_path, TEXT.format(directory=tmp_path, mirror=mirror)), kind(mirror), Never()
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    full_disk(place)

    async def empty() -> bool:
        return not list(place.iterdir())
    try:
        cloud = await lives.start(never)
        await scene.prepare(cloud)
        await scene.ask(cloud)
        await cloud.settled()
        await scene.check(cloud, True)
        await until(empty)
        more_room(place)
        await scene.ask(cloud)
        await cloud.settled()
        await scene.check(cloud, False)
    finally:
        await lives.stack.aclose()
        gone(place)


