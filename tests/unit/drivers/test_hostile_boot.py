"""Hostile images on their way to a guest's disk, with the real qemu-img: the file that they name is never opened."""

import ast
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cloudd.core import confined, diskimages
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import image_check, qemu_img
from cloudd.drivers.hypervisor.base import BadImage
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.libvirt.disks import FileDisks, describe, prepare
from tests import disk_images as make
from tests.hostile_images import HOSTILE, NAMES_A_FILE, SOUND
from tests.opened import watched
from tests.unit.image.test_disk_images import changed

WORDS = b"what nobody else may read "
MIB = 1 << 20
SERVER = "1" * 8
VERBS = {"info", "convert", "create", "resize", "rebase", "commit", "snapshot", "check", "measure", "amend", "map", "compare", "dd"}


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(WORDS * 4096)
    with watched(path) as watch:
        watch.path = path
        yield watch


@pytest.fixture
def disks(tmp_path):
    layout = Layout(tmp_path / "i", tmp_path / "c", tmp_path)
    for folder in (layout.instances, layout.cache):
        folder.mkdir()
    return FileDisks(layout, 1 << 40)


def naming(data: bytes, secret) -> bytes:
    """The same image with the secret's path in place of the corpus' one, as far as it fits there."""
    path = str(secret.path).encode()
    assert len(path) < 200
    for header in (112, 512, 1024):
        data = data.replace(b"/etc/shadow".ljust(header, b"\0"), path.ljust(header, b"\0"))
    return data.replace(b"/etc/shadow", path)[:len(data)]


def made_by_qemu(secret, tmp_path) -> dict[str, tuple[str, bytes]]:
    """What an attacker with qemu-img would send."""
    disk, data = tmp_path / "made", tmp_path / "datums"            # as long as the name of the secret
    def create(kind, *options):
        disk.unlink(missing_ok=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, *options], check=True, timeout=30)
        return disk.read_bytes()
    path = str(secret.path)
    through = "json:" + json.dumps({"driver": "raw", "file": {"driver": "file", "filename": path}})
    found = {
        "backing": ("qcow2", create("qcow2", "-u", "-b", path, "-F", "raw", str(disk), "1M")),
        "backing json": ("qcow2", create("qcow2", "-u", "-b", through, "-F", "raw", str(disk), "1M")),
    }
    plain = create("qcow2", "-o", f"data_file={data},data_file_raw=on", str(disk), "1M")
    return {**found, "data file": ("qcow2", plain.replace(str(data).encode(), path.encode()))}


def overwrite(path: str, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(data)


def test_the_attacks_work_on_who_is_careless(secret, tmp_path):
    """Else the tests below would prove nothing."""
    for format, data in made_by_qemu(secret, tmp_path).values():
        (tmp_path / "image").write_bytes(data)
        assert not secret.touched
        subprocess.run(["qemu-img", "convert", "-f", format, "-O", "raw", tmp_path / "image", tmp_path / "target"], timeout=30)
        assert secret.touched and WORDS in (tmp_path / "target").read_bytes()


async def test_images_that_name_files_are_refused_unopened(secret, tmp_path):
    corpus = {name: (format, naming(data, secret)) for name, (format, data, _) in NAMES_A_FILE.items() if format != "raw"}
    for name, (format, data) in {**corpus, **made_by_qemu(secret, tmp_path)}.items():
        (tmp_path / "image").write_bytes(data)
        assert not secret.touched, name
        with pytest.raises(BadImage):
            await prepare(tmp_path / "image", format, tmp_path / "target")
        assert not secret.touched, name
        assert not (tmp_path / "target").exists(), name


@pytest.mark.parametrize("name", [name for name, (format, _, _) in HOSTILE.items() if format not in ("raw", "iso")])
async def test_the_whole_corpus_is_refused(name, tmp_path):
    format, data, _ = HOSTILE[name]
    (tmp_path / "image").write_bytes(data)
    with pytest.raises(BadImage):
        await prepare(tmp_path / "image", format, tmp_path / "target")


async def test_an_image_said_to_be_raw_is_raw_all_the_way(secret, disks, tmp_path):
    """OSSA-2024-002: such an image is no disk; and where one comes byte for byte, no overlay, growth or copy looks for a format."""
    for name, (_, data) in made_by_qemu(secret, tmp_path).items():
        image = f"image-{name.replace(' ', '-')}"
        (tmp_path / "image").write_bytes(data)
        assert not secret.touched
        for format in ("raw", "iso"):
            with pytest.raises(BadImage):
                await disks.cache_image(image, tmp_path / "image", format)
        await disks.cache_image(image, tmp_path / "image", "ami")
        disk = await disks.create_root_disk(SERVER, image, 2 * MIB, image)
        await disks.resize(SERVER, image, 4 * MIB)
        await qemu_img.copy(tmp_path / "i" / SERVER / image, disk.format, tmp_path / "copy", "raw")
        assert not secret.touched, name
        copy = (tmp_path / "copy").read_bytes()
        assert copy.startswith(data) and WORDS not in copy


async def test_what_a_guest_writes_to_its_disk_stays_bytes(secret, disks, tmp_path):
    """OSSA-2014-033, OSSA-2016-001, OSSA-2016-007, OSSA-2026-002: a header of qcow2 on a raw disk, then resize and snapshot."""
    for name, (_, header) in made_by_qemu(secret, tmp_path).items():
        disk = await disks.create_blank_disk(SERVER, f"disk-{name.replace(' ', '-')}", MIB)
        overwrite(disk.path, header[:MIB])
        assert not secret.touched
        grown = await disks.resize(SERVER, disk.path.rpartition("/")[2], 2 * MIB)
        assert (grown.format, grown.size) == ("raw", 2 * MIB)
        again = await describe(tmp_path / "i" / SERVER / disk.path.rpartition("/")[2])
        assert again.format == "raw"
        await qemu_img.copy(tmp_path / "i" / SERVER / disk.path.rpartition("/")[2], "raw", tmp_path / "snapshot", "qcow2")
        await prepare(tmp_path / "snapshot", "qcow2", tmp_path / "flat")
        assert not secret.touched, name
        assert (tmp_path / "flat").read_bytes()[:len(header[:MIB])] == header[:MIB]


SEEDS = {kind: data for kind, data in (("qcow2", make.qcow2()), ("vmdk", make.vmdk()), ("vdi", make.vdi()), ("vhd", make.vhd()),
                                       ("ploop", make.ploop()), ("vhdx", make.vhdx(sums=True)))}


@pytest.mark.parametrize("name", SOUND)
async def test_sound_images_become_disks_of_the_size_that_was_told(name, tmp_path):
    format, data, size = SOUND[name]
    (tmp_path / "image").write_bytes(data)
    await prepare(tmp_path / "image", format, tmp_path / "target")
    assert (tmp_path / "target").stat().st_size == size


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some.sampled_from(sorted(SEEDS)), some.lists(some.tuples(some.integers(0, 600), some.binary(min_size=1, max_size=8)), max_size=3))
async def test_mutations_that_pass_are_flattened_or_refused_in_words(secret, tmp_path, kind, changes):
    """Whatever gets past the inspector: qemu-img makes a disk of the size that was told, or says why not."""
    (tmp_path / "image").write_bytes(changed(SEEDS[kind], changes))
    (tmp_path / "target").unlink(missing_ok=True)
    try:
        await prepare(tmp_path / "image", kind, tmp_path / "target")
    except BadImage as exc:
        assert len(str(exc)) > 20
    assert not secret.touched


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some.sampled_from(sorted(SEEDS)), some.lists(some.tuples(some.integers(0, 600), some.binary(min_size=1, max_size=8)), max_size=2))
async def test_the_disk_is_not_larger_than_was_told(tmp_path, kind, changes):
    """What flavors and limits are held against is what QEMU will make of it, whatever fields it goes by."""
    path = tmp_path / "image"
    path.write_bytes(changed(SEEDS[kind], changes))
    try:
        found = diskimages.inspect_file(path)
        told = await qemu_img.info(path, image_check.QEMU_NAME[found.format]) if found.format == kind else {"virtual-size": 0}
    except (UnsafeImage, ToolError):
        return
    assert told["virtual-size"] <= found.virtual_size + 511


def commands_of_qemu_img() -> list[tuple[str, list[str]]]:
    """The constant words of every call that runs qemu-img, by where it stands."""
    found = []
    for path in (Path(__file__).parents[3] / "cloudd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
                if VERBS & set(words) and ("qemu-img" in words or getattr(node.func, "id", "") == "_qemu"):
                    found.append((f"{path.name}:{node.lineno}", words))
    return found


def test_every_command_says_the_format():
    found = commands_of_qemu_img()
    assert len(found) >= 7
    for where, words in found:
        assert "-f" in words and ("-b" not in words or "-F" in words), where


async def test_a_tool_has_limits():
    """OSSA-2016-012: memory, processor time, size of files, wall time."""
    eat = "x = bytearray(1 << 32)"
    with pytest.raises(ToolError, match="MemoryError"):
        await confined.run("python3", "-c", eat, limits=Limits(1 << 28, 30, 60))
    with pytest.raises(ToolError, match="processor time"):
        await confined.run("python3", "-c", "while True: pass", limits=Limits(1 << 30, 1, 60))
    with pytest.raises(ToolError, match="stopped after 1 seconds"):
        await confined.run("sleep", "60", limits=Limits(1 << 30, 30, 1))


async def test_a_tool_cannot_write_without_end(tmp_path):
    target = tmp_path / "target"
    with pytest.raises(ToolError, match="more than 1048576 bytes"):
        await confined.run("truncate", "-s", str(2 * MIB), str(target), limits=Limits(1 << 30, 30, 60, MIB))
    assert not target.exists() or target.stat().st_size <= MIB


async def test_a_tool_that_would_fill_the_disk_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(confined.shutil, "disk_usage", Shrinking())
    with pytest.raises(ToolError, match="filled the disk"):
        await confined.run("sleep", "60", limits=Limits(1 << 30, 30, 60), room=tmp_path)


class Shrinking:
    """A disk that has half of its room at each look."""

    def __init__(self):
        self.free = 16 << 30

    def __call__(self, path):
        self.free //= 4
        return self
