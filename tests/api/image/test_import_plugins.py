"""Imports that change what came: unpacked, converted, given the operator's properties."""

import asyncio
import gzip
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from cloudd.core import diskimages
from cloudd.drivers.store.base import Store
from cloudd.image.staging import Staging
from tests import disk_images as disks
from tests.api.conftest import make_settings, run_cloud
from tests.hostile_images import CLAIMS, HOSTILE
from tests.opened import watched
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
CONTENT = (b"a disk's data. " * 70_000)[:1 << 20] + bytes(1 << 20)
ALL = """[image]
import_plugins = image_decompression, image_conversion, inject_image_metadata
inject_properties = hw_disk_bus=virtio, imported=yes
inject_ignore_roles = admin
max_image_size = 50000000
"""


@pytest.fixture(scope="module")
async def cloud(tmp_path_factory):
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), ALL)):
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """CONTENT in each format, by its name in Glance."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "raw").write_bytes(CONTENT)
    for name, kind in (("qcow2", "qcow2"), ("vmdk", "vmdk"), ("vdi", "vdi"), ("vhdx", "vhdx"), ("ploop", "parallels")):
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, folder / "raw", folder / name], check=True, timeout=60)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", folder / "raw", folder / "vhd"], check=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def imported(client, format, data, **members):
    body = {"name": "one", "disk_format": format, "container_format": "bare", **members}
    answer = await client.post("/image/v2/images", body)
    assert answer.status == 201, answer.content
    image = answer.body["id"]
    staged = await client.request("PUT", f"/image/v2/images/{image}/stage", data=data, headers=BYTES)
    assert staged.status == 204
    answer = await client.post(f"/image/v2/images/{image}/import", {"method": {"name": "glance-direct"}})
    assert answer.status == 202, answer.content

    async def ended():
        return (await client.get(f"/image/v2/images/{image}")).body["status"] not in ("importing", "uploading")
    await until(ended)
    return (await client.get(f"/image/v2/images/{image}")).body


async def words(client, image):
    return (await client.get(f"/image/v2/images/{image['id']}/tasks")).body["tasks"][0]["message"]


async def content(client, image):
    return (await client.get(f"/image/v2/images/{image['id']}/file")).content


async def staged(cloud):
    return set(Path(cloud.parts.service(Staging).store.directory).iterdir())


@pytest.mark.parametrize("format", ["raw", "qcow2", "vmdk", "vdi", "vhdx", "vhd", "ploop"])
async def test_disks_of_all_formats_become_raw(cloud, made, format):
    image = await imported(cloud.demo, format, made[format])
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", "raw", "bare")
    assert (image["size"], image["virtual_size"]) == (len(CONTENT), len(CONTENT))
    assert await content(cloud.demo, image) == CONTENT
    assert await staged(cloud) == set()


@pytest.mark.parametrize(("format", "container", "data"), [
    ("iso", "bare", disks.iso()), ("aki", "aki", b"kernel" * 100), ("ari", "ari", gzip.compress(b"ramdisk" * 100, mtime=0)),
    ("raw", "compressed", gzip.compress(CONTENT, mtime=0)), ("qcow2", "ova", b"a package" * 100)])
async def test_what_is_no_disk_stays_as_it_came(cloud, format, container, data):
    image = await imported(cloud.demo, format, data, container_format=container)
    assert (image["status"], image["disk_format"], image["container_format"]) == ("active", format, container)
    assert await content(cloud.demo, image) == data


def zipped(**files: bytes) -> bytes:
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place.getvalue()


async def test_packed_images_are_unpacked_and_then_converted(cloud, made):
    for data in (gzip.compress(made["qcow2"]), zipped(disk=made["qcow2"])):
        image = await imported(cloud.demo, "qcow2", data)
        assert (image["status"], image["disk_format"], image["size"]) == ("active", "raw", len(CONTENT))
        assert await content(cloud.demo, image) == CONTENT


@pytest.mark.parametrize(("data", "told"), [
    (gzip.compress(CONTENT, mtime=0)[:-500], "cannot be unpacked"), (b"\x1f\x8b\x08" + b"\xff" * 600, "cannot be unpacked"),
    (zipped(a=b"x", b=b"y"), "2 files"), (zipped(), "it is raw"), (zipped(disk=CONTENT)[:-30], "cut short"),
    (gzip.compress(bytes(60_000_000), mtime=0), "max_image_size"), (zipped(**{"../../../../tmp/pwned": b"x" * 100}), "it is raw"),
    (gzip.compress(disks.qcow2_with_backing(), mtime=0), "backing file")])
async def test_bad_archives_are_refused_and_told_why(cloud, data, told):
    image = await imported(cloud.demo, "qcow2", data)
    assert image["status"] == "queued" and told in await words(cloud.demo, image)
    assert await staged(cloud) == set()


@pytest.mark.parametrize("name", ["qcow2 backing file", "qcow2 data file json", "vmdk flat descriptor", "vmdk sparse header, flat extent",
                                  "vhdx parent locator", "qcow2 l1 entries", "vdi parent", "ploop table", *CLAIMS])
async def test_hostile_images_reach_no_tool(cloud, name):
    format, data, told = {**HOSTILE, **CLAIMS}[name]
    image = await imported(cloud.demo, format, data)
    message = await words(cloud.demo, image)
    assert (image["status"], image["disk_format"]) == ("queued", format)
    assert any(part in message for part in (*told.split("|"), "max_virtual_size", "max_image_size")), message
    assert await staged(cloud) == set()


async def test_no_file_is_opened_by_a_conversion(cloud, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"what nobody else may read" * 100)
    with watched(secret) as watch:
        for data in (disks.qcow2_with_backing(str(secret)), disks.qcow2_with_data_file(str(secret))):
            for format in ("qcow2", "raw"):
                assert (await imported(cloud.demo, format, data))["status"] == "queued"
        assert not watch.touched


async def test_data_that_qemu_cannot_read_is_refused_in_words_without_paths(cloud):
    broken = bytearray(disks.qcow2(data=bytes(1 << 20)))
    broken[3 << 16:(3 << 16) + 8] = b"\x80" + bytes(5) + b"\x02\x01"            # an L2 table that does not begin a cluster
    image = await imported(cloud.demo, "qcow2", bytes(broken))
    message = await words(cloud.demo, image)
    assert image["status"] == "queued" and "cannot be converted" in message and "staging" not in message, message


def wrapped(data, folder):
    """A qcow2 whose guest would see `data` as its disk."""
    (folder / "inner").write_bytes(data)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", folder / "inner", folder / "outer"], check=True, timeout=60)
    return (folder / "outer").read_bytes()


async def test_what_hides_in_a_disk_is_not_a_disk(cloud, tmp_path):
    """The converted data is looked at as well: a qcow2 within a qcow2."""
    image = await imported(cloud.demo, "qcow2", wrapped(disks.qcow2(), tmp_path))
    assert (image["status"], image["disk_format"]) == ("queued", "qcow2") and "it is qcow2" in await words(cloud.demo, image)


async def test_a_failed_import_gives_the_formats_back_and_may_be_tried_again(cloud, made):
    image = await imported(cloud.demo, "qcow2", gzip.compress(made["raw"]))
    assert (image["status"], image["disk_format"]) == ("queued", "qcow2")
    place = f"/image/v2/images/{image['id']}"
    assert (await cloud.demo.request("PUT", f"{place}/stage", data=made["qcow2"], headers=BYTES)).status == 204
    assert (await cloud.demo.post(f"{place}/import", {"method": {"name": "glance-direct"}})).status == 202
    await cloud.settled()
    assert (await cloud.demo.get(place)).body["status"] == "active"


async def test_the_operators_properties_are_for_all_but_some(cloud, made):
    image = await imported(cloud.demo, "raw", made["raw"], hw_disk_bus="ide", own="kept")
    assert (image["hw_disk_bus"], image["imported"], image["own"]) == ("virtio", "yes", "kept")
    image = await imported(cloud.admin, "raw", made["raw"], hw_disk_bus="ide")
    assert image["hw_disk_bus"] == "ide" and "imported" not in image
    uploaded = (await cloud.demo.post("/image/v2/images", {"name": "x", "disk_format": "raw", "container_format": "bare"})).body
    await cloud.demo.request("PUT", f"/image/v2/images/{uploaded['id']}/file", data=b"x", headers=BYTES)
    assert "imported" not in (await cloud.demo.get(f"/image/v2/images/{uploaded['id']}")).body


@pytest.mark.parametrize("format", ["qcow2", "vmdk"])
async def test_the_format_is_the_settings(tmp_path, made, format):
    text = f"[image]\nimport_plugins = image_conversion\nconversion_format = {format}\n"
    async for cloud in run_cloud(make_settings(tmp_path, text)):
        for source in ("raw", "vhdx", format):
            image = await imported(cloud.demo, source, made[source])
            assert (image["status"], image["disk_format"], image["virtual_size"]) == ("active", format, len(CONTENT))
            path = cloud.parts.driver(Store).local_path((await cloud.parts.driver(Store).keys())[0])
            assert (await asyncio.to_thread(diskimages.inspect_file, path)).format == format
