"""Every step of an import with all plugins: failing, killed before and after its save, done again. Nothing is left but the image."""

import asyncio
import gzip
import subprocess
from pathlib import Path

import pytest

from cloudd.core import database
from cloudd.core.jobs import Registry
from cloudd.drivers.store.base import Store
from cloudd.image import jobs as image_jobs
from cloudd.image.staging import Staging
from tests.fault.lives import FAILS, HOWS, Finger, Lives, at

assert image_jobs
BYTES = {"Content-Type": "application/octet-stream"}
CONTENT = b"a disk's data. " * 40_960 + bytes(1 << 20)
TEXT = """[image]
import_plugins = image_decompression, image_conversion, inject_image_metadata
inject_properties = imported=yes
inject_ignore_roles = nobody
"""
STEPS = [step.name for step in Registry["image.import"].steps]
KIND = "image.import"


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


def files(cloud, service) -> list[str]:
    store = cloud.parts.driver(Store) if service is Store else cloud.parts.service(Staging).store
    return sorted(path.name for path in Path(store.directory).iterdir())


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("step", STEPS)
async def test_an_import_survives(tmp_path, packed, step, how):
    lives, finger = Lives(tmp_path, TEXT), Finger(KIND, STEPS.index(step), how)
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    try:
        cloud = await lives.start(finger)
        image = await started(cloud, packed)
        cloud = await lives.through(cloud, finger)
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
                if run.forward and at(run, KIND, STEPS.index(step), when, "saved"):
                    here.set()
                    await gate.wait()
        (tmp_path / step).mkdir()
        lives = Lives(tmp_path / step, TEXT)
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
