"""Disks over a cached image: qemu-img makes one of each kind, the others are as if it had made them."""

import json
import subprocess

import pytest

from cloudd.core import confined
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.libvirt import overlays
from cloudd.drivers.hypervisor.libvirt.disks import FileDisks

GIB = 1 << 30


@pytest.fixture
async def disks(tmp_path):
    layout = Layout(tmp_path / "instances", tmp_path / "cache", tmp_path / "run")
    layout.make()
    made = FileDisks(layout, GIB)
    image = tmp_path / "image"
    image.write_bytes(b"image".ljust(1 << 20, b"."))
    await made.cache_image("image", image, "raw")
    return made


@pytest.fixture
def tools(monkeypatch):
    """What qemu-img was started for."""
    started, run = [], confined.run

    async def counted(*command, **options):
        started.append(command[1])
        return await run(*command, **options)
    monkeypatch.setattr(confined, "run", counted)
    return started


def qemu(verb, *arguments):
    return subprocess.run(["qemu-img", verb, *arguments], check=True, capture_output=True).stdout


def told(path):
    return json.loads(qemu("info", "--output=json", path))


async def test_a_second_disk_of_a_size_is_made_without_a_process(disks, tools):
    first, second = [await disks.create_root_disk(name, "image", GIB) for name in ("one", "two")]
    assert tools == ["create"] and (second.size, second.format) == (first.size, first.format) == (GIB, "qcow2")
    qemu("check", "-q", second.path)
    for disk, server in ((first, "one"), (second, "two")):
        assert told(disk.path)["full-backing-filename"].endswith(f"/instances/{server}/root.base")
        assert told(disk.path)["backing-filename-format"] == "raw"
    qemu("compare", "-q", first.path, second.path)


async def test_a_disk_of_another_size_or_name_is_another(disks, tools):
    for server, size, name in (("one", GIB, "root"), ("one", 0, "rescue"), ("two", 2 * GIB, "root"), ("three", 0, "rescue")):
        disk = await disks.create_root_disk(server, "image", size, name)
        assert disk.size == (size or 1 << 20)
        assert told(disk.path)["backing-filename"] == f"{name}.base"
    assert len(tools) == 3


async def test_what_is_kept_has_a_bound(disks, tools, monkeypatch):
    monkeypatch.setattr(overlays, "KINDS", 2)
    for number, size in enumerate((1, 2, 3, 3, 2, 1)):
        await disks.create_root_disk(f"server{number}", "image", size * GIB)
    assert len(tools) == 4
