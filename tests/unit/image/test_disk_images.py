"""The inspector: every format told by its content, every image of the corpus refused, whatever comes, in constant memory."""

import contextlib
import struct
import subprocess
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cloudd.core import diskimages
from cloudd.core.diskimages import Found, UnsafeImage
from tests import disk_images as make
from tests.hostile_images import HOSTILE, SOUND

KINDS = ("qcow2", "vmdk", "vpc", "vhdx", "vdi", "parallels", "raw")
NAMES = {"vpc": "vhd", "parallels": "ploop"}
MIB = 1 << 20


def streamed(data: bytes, piece: int = 100_003) -> Found:
    watcher = diskimages.watch()
    for start in range(0, len(data), piece):
        watcher.feed(data[start:start + piece])
    return watcher.found()


@pytest.mark.parametrize("name", SOUND)
def test_sound_images_are_told_apart(name, tmp_path):
    format, data, size = SOUND[name]
    found = streamed(data)
    assert (found.format, found.virtual_size, found.partitions) == (format, size, "")
    (tmp_path / "image").write_bytes(data)
    assert diskimages.inspect_file(tmp_path / "image") == found


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_images_are_refused_and_told_why(name, tmp_path):
    _, data, words = HOSTILE[name]
    with pytest.raises(UnsafeImage, match=words) as by_stream:
        streamed(data)
    (tmp_path / "image").write_bytes(data)
    with pytest.raises(UnsafeImage, match=words) as by_file:
        diskimages.inspect_file(tmp_path / "image")
    assert str(by_stream.value) == str(by_file.value)


@pytest.mark.parametrize("piece", [1, 7, 511, 512, 4096, 65536, 4 << 20])
def test_how_a_stream_is_cut_changes_nothing(piece):
    data = make.vhdx() if piece > 500 else make.vmdk_with_footer()
    assert streamed(data, piece) == streamed(data, len(data))


def qemu_made(tmp_path, kind, *options) -> bytes:
    path = tmp_path / f"disk.{kind}"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *options, path, "16M"], check=True, timeout=30)
    return path.read_bytes()


@pytest.mark.parametrize(("kind", "options"), [
    *((kind, "") for kind in KINDS), ("qcow2", "compat=0.10"), ("qcow2", "cluster_size=2M,extended_l2=on"), ("qcow2", "cluster_size=512"),
    ("qcow2", "compression_type=zstd"), ("qcow2", "preallocation=full,lazy_refcounts=on"), ("vmdk", "subformat=streamOptimized"),
    ("vpc", "subformat=fixed,force_size=on"), ("vhdx", "subformat=fixed"), ("vhdx", "block_size=1M,log_size=4M"), ("vdi", "static=on")])
def test_what_qemu_makes_is_taken(tmp_path, kind, options):
    data = qemu_made(tmp_path, kind, *(("-o", options) if options else ()))
    found = streamed(data)
    assert found.format == NAMES.get(kind, kind)
    assert 16 * MIB <= found.virtual_size < 17 * MIB


@pytest.mark.parametrize("kind", ["qcow2", "vmdk", "vpc", "vhdx", "vdi", "parallels"])
def test_what_qemu_converts_is_taken_and_cut_short_refused(tmp_path, kind):
    (tmp_path / "raw").write_bytes(bytes(range(256)) * 4096 + bytes(15 * MIB))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, tmp_path / "raw", tmp_path / "disk"], check=True, timeout=60)
    data = (tmp_path / "disk").read_bytes()
    assert streamed(data).format == NAMES.get(kind, kind)
    for length in (64 + 8, 100, 450):
        with pytest.raises(UnsafeImage):
            streamed(data[:length])


def luks_made(tmp_path) -> bytes:
    """QEMU measures the processor first, and gives up at random where its clock is coarse ("Unable to get accurate CPU usage")."""
    for _ in range(9):
        with contextlib.suppress(subprocess.CalledProcessError):
            return qemu_made(tmp_path, "luks", "--object", "secret,id=s,data=words", "-o", "key-secret=s,iter-time=10")
    raise AssertionError("qemu-img makes no LUKS image here")


@pytest.mark.parametrize("kind", ["luks", "qed", "qcow"])
def test_what_is_not_served_is_refused(tmp_path, kind):
    data = luks_made(tmp_path) if kind == "luks" else qemu_made(tmp_path, kind)
    with pytest.raises(UnsafeImage):
        streamed(data)


@pytest.mark.parametrize(("entries", "words"), [
    ([(1, 0x83, 2048)], "boot flag"), ([], "no partition"), ([(0, 0xEE, 2)], "second sector"), ([make.GPT, (0, 0x83, 5)], "beside"),
    ([(0, 0x83, 5), (0, 0xEE, 1)], "beside")])
def test_partition_tables_that_no_tool_writes_are_told(entries, words):
    found = streamed(make.mbr(*entries))
    assert found.format == "raw" and words in found.partitions


def test_kernels_and_file_systems_are_not_taken_for_partition_tables():
    kernel = bytearray(make.mbr((7, 7, 7)))
    kernel[514:518] = b"HdrS"
    fat = bytearray(make.mbr((7, 7, 7)))
    fat[0x10], fat[0x15] = 2, 0xF8
    assert streamed(bytes(kernel)).partitions == streamed(bytes(fat)).partitions == ""


FORMATS = sorted({format for format, _, _ in SOUND.values()} - {"raw"})
SEEDS = [data for name, (format, data, _) in SOUND.items() if format != "raw"]
PLACES = some.one_of(some.integers(0, 1100), some.integers(192 << 10, (192 << 10) + 200), some.integers(2 << 20, (2 << 20) + 300),
                     some.integers(-1536, -1))
CHANGES = some.lists(some.tuples(PLACES, some.one_of(some.binary(min_size=1, max_size=8), some.sampled_from(
    [b"\xff" * 4, b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, struct.pack("<Q", 1 << 40), struct.pack(">I", 0x44415441)]))),
    min_size=1, max_size=6)


def changed(data: bytes, changes) -> bytes:
    image = bytearray(data)
    for place, value in changes:
        place = place if place >= 0 else len(image) + place
        image[place:place + len(value)] = value[:max(0, len(image) - place)]
    return bytes(image)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(some.sampled_from(SEEDS), CHANGES, some.one_of(some.none(), some.integers(0, 5000)))
def test_whatever_comes_is_judged_in_words(seed, changes, length):
    """Never another exception, never a format that points elsewhere."""
    data = changed(seed, changes)[:length]
    try:
        found = streamed(data)
    except UnsafeImage as exc:
        assert len(exc.message) > 20
        return
    assert found.format in (*FORMATS, "raw")
    assert 0 <= found.virtual_size <= 1 << 64
    if found.format == "qcow2":
        assert data[8:20] == bytes(12) and not data[79] & 4
    if found.format == "vmdk":
        assert b"FLAT" not in data[512:20 * 512].upper()


@settings(max_examples=200, deadline=None)
@given(some.binary(max_size=4096), some.sampled_from([b"", b"QFI\xfb", b"KDMV", b"conectix", b"vhdxfile", b"# Disk DescriptorFile\n",
                                                      b"LUKS\xba\xbe"]))
def test_noise_is_judged_in_words(noise, mark):
    try:
        streamed(mark + noise)
    except UnsafeImage as exc:
        assert exc.message


@pytest.mark.parametrize("name", ["raw", "qcow2 l1 entries", "vhdx items", "vmdk capacity", "vhdx"])
def test_a_long_stream_costs_no_memory(name):
    head = {**{n: one[1] for n, one in HOSTILE.items()}, **{n: one[1] for n, one in SOUND.items()}}.get(name, b"")
    piece, watcher = bytes(MIB), diskimages.watch()
    tracemalloc.start()
    try:
        watcher.feed(head)
        for _ in range(256):
            watcher.feed(piece)
        try:
            watcher.found()
        except UnsafeImage:
            pass
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()
