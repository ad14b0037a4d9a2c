"""Every step of an import with all plugins: failing, killed before and after its save, done again. Nothing is left but the image."""

import asyncio
import gzip
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from cloudd.core import database
from cloudd.core.errors import Conflict
from cloudd.core.jobs import Registry
from cloudd.daemon import Daemon
from cloudd.drivers.store.base import Store
from cloudd.image import jobs as image_jobs
from cloudd.image.staging import Staging
from tests.api.conftest import PASSWORD, Cloud, make_settings
from tests.fault.house import Killed

assert image_jobs
BYTES = {"Content-Type": "application/octet-stream"}
CONTENT = b"a disk's data. " * 40_960 + bytes(1 << 20)
TEXT = """[image]
import_plugins = image_decompression, image_conversion, inject_image_metadata
inject_properties = imported=yes
inject_ignore_roles = nobody
"""
STEPS = [step.name for step in Registry["image.import"].steps]
FAILS, BEFORE, AFTER, TWICE = "fails", "killed before its save", "killed after its save", "twice killed"


def at(run, step: str, when: str, wanted: str) -> bool:
    """Whether the import is at this moment of this step; a saved one has moved on."""
    here = run.row.step - (when == "saved")
    return run.row.kind == "image.import" and when == wanted and STEPS[here:here + 1] == [step]


class Finger:
    """Put on one step of the import: fails it once, or kills the daemon there."""

    def __init__(self, step: str, how: str):
        self.step, self.how, self.left = step, how, 2 if how == TWICE else 1
        self.killed = asyncio.Event()

    async def __call__(self, run, name, when):
        wanted = "saved" if self.how == AFTER else "done"
        if not run.forward or not self.left or not at(run, self.step, when, wanted):
            return
        self.left -= 1
        if self.how == FAILS:
            raise Conflict("told to fail")
        run.runner._stopping = True
        self.killed.set()
        raise Killed


class Lives:
    """One state directory, and the daemon that lives on it now."""

    def __init__(self, directory: Path):
        self.settings, self.stack = make_settings(directory, TEXT), AsyncExitStack()

    async def start(self, finger) -> Cloud:
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        daemon = Daemon(self.settings)
        daemon.parts.jobs.probe = finger
        finger.killed.clear()
        await self.stack.enter_async_context(daemon.running())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        host, port = self.settings.server.addresses()[0]
        cloud = Cloud(daemon, f"http://{host}:{port}", session)
        cloud.admin = await cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        return cloud


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """CONTENT as a qcow2, in a gzip."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "raw").write_bytes(CONTENT)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "raw", folder / "qcow2"], check=True, timeout=60)
    return gzip.compress((folder / "qcow2").read_bytes())


async def started(cloud, data) -> str:
    made = await cloud.admin.post("/image/v2/images", {"name": "one", "disk_format": "qcow2", "container_format": "bare"})
    image = made.body["id"]
    assert (await cloud.admin.request("PUT", f"/image/v2/images/{image}/stage", data=data, headers=BYTES)).status == 204
    assert (await cloud.admin.post(f"/image/v2/images/{image}/import", {"method": {"name": "glance-direct"}})).status == 202
    return image


async def killed_or_settled(cloud, finger) -> bool:
    waits = {asyncio.ensure_future(finger.killed.wait()), asyncio.ensure_future(cloud.settled())}
    _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        one.cancel()
    return finger.killed.is_set()


def files(cloud, service) -> list[str]:
    store = cloud.parts.driver(Store) if service is Store else cloud.parts.service(Staging).store
    return sorted(path.name for path in Path(store.directory).iterdir())


@pytest.mark.parametrize("how", [FAILS, BEFORE, AFTER, TWICE])
@pytest.mark.parametrize("step", STEPS)
async def test_an_import_survives(tmp_path, packed, step, how):
    lives, finger = Lives(tmp_path), Finger(step, how)
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    try:
        cloud = await lives.start(finger)
        image = await started(cloud, packed)
        while await killed_or_settled(cloud, finger):
            cloud = await lives.start(finger)
        shown = (await cloud.admin.get(f"/image/v2/images/{image}")).body
        assert files(cloud, Staging) == []
        if how != FAILS:
            assert (shown["status"], shown["disk_format"], shown["size"]) == ("active", "raw", len(CONTENT))
            assert shown["imported"] == "yes" and len(files(cloud, Store)) == 1
            assert (await cloud.admin.get(f"/image/v2/images/{image}/file")).content == CONTENT
        else:
            assert (shown["status"], shown["disk_format"], files(cloud, Store)) == ("queued", "qcow2", [])
            assert "imported" not in shown
    finally:
        await lives.stack.aclose()


async def test_an_image_deleted_while_it_is_unpacked_leaves_nothing(tmp_path, packed):
    """And so at each later step: the end of the step before is waited for, then the image is deleted."""
    for step in STEPS[:-1]:
        gate, here = asyncio.Event(), asyncio.Event()

        class Gate:
            killed = asyncio.Event()

            async def __call__(self, run, name, when, step=step, gate=gate, here=here):
                if run.forward and at(run, step, when, "saved"):
                    here.set()
                    await gate.wait()
        (tmp_path / step).mkdir()
        lives = Lives(tmp_path / step)
        await asyncio.to_thread(database.upgrade, lives.settings.database.url)
        try:
            cloud = await lives.start(Gate())
            image = await started(cloud, packed)
            await here.wait()
            assert (await cloud.admin.delete(f"/image/v2/images/{image}")).status == 204
            gate.set()
            await cloud.settled()
            assert files(cloud, Staging) == files(cloud, Store) == []
        finally:
            await lives.stack.aclose()
