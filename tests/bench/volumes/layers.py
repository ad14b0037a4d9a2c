"""Volumes in files, beside what qemu-img takes for the same on the same disk: made, copied, converted, merged, and read by QEMU."""

import asyncio
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from cloudd.core import ids
from cloudd.core.disks import nodes
from cloudd.drivers.volume.base import (
    Encryption,
    FromFile,
    FromImage,
    FromSnapshot,
    Passphrase,
    Source,
    VolumeConfig,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.file import FileVolumes
from tests.bench.figures import Figure

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
TIMES = 20
SECRET = Passphrase(b"0123456789abcdef0123456789abcdef")
REQUESTS, DEPTH = 20_000, 16
BY_HAND = "the same of a file given by hand"


def figures(full: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as folder:
        return asyncio.run(_all(Path(folder), GIB if full else 256 * MIB))


async def _all(folder: Path, size: int) -> list[Figure]:
    driver = FileVolumes(VolumeConfig("file", str(folder / "volumes"), str(folder), image_cache_max_bytes=100 * GIB))
    await driver.open()
    try:
        found = [*await _made(driver, folder), *await _converted(driver, folder, size), *await _copied(driver)]
        return [*found, *await _served(driver, folder, size)]
    finally:
        await driver.close()


async def _new(driver: FileVolumes, size: int, source: Source | None = None, encryption: Encryption | None = None) -> str:
    return (await driver.create_volume(VolumeSpec(ids.new_uuid(), size, encryption), source, SECRET if encryption else None)).id


async def _often(work: Callable[[], Awaitable[object]], times: int = TIMES) -> float:
    """The middle one, in milliseconds."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - begun) * 1000)
    return median(taken)


def _tool(*command: str, times: int = 1, stdin: bytes = b"") -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, input=stdin)
        taken.append((time.perf_counter() - begun) * 1000)
    return median(taken)


async def _made(driver: FileVolumes, folder: Path) -> list[Figure]:
    small, large = [await _often(lambda size=size: _new(driver, size)) for size in (GIB, 8 * TIB)]       # type: ignore[misc]
    peer = _tool("qemu-img", "create", "-q", "-f", "qcow2", str(folder / "peer"), "1G", times=TIMES)
    encrypted = await _often(lambda: _new(driver, GIB, encryption=Encryption()), 10)
    key = folder / "key"
    key.write_bytes(SECRET.value)
    create = ("qemu-img", "create", "-q", "-f", "luks", "--object", f"secret,id=k,file={key}", "-o", "key-secret=k,iter-time=10",
              str(folder / "peer.luks"), "1G")
    return [Figure("blank volume of 1 GiB", small, "ms", (("qemu-img create", peer),), most=20),
            Figure("blank volume of 8 TiB", large, "ms", (("one of 1 GiB", small),), times=1.5),
            Figure("encrypted blank volume", encrypted, "ms", (("qemu-img create -f luks, iter-time 10", _luks(create)),), times=1.1)]


def _luks(create: tuple[str, ...]) -> float:
    """On a machine whose clock is coarse the tool sometimes gives up measuring its processor."""
    for _ in range(5):
        try:
            return _tool(*create)
        except subprocess.CalledProcessError:
            continue
    return 0.0


async def _converted(driver: FileVolumes, folder: Path, size: int) -> list[Figure]:
    raw, image = folder / "image.raw", folder / "image.qcow2"
    with raw.open("wb") as file:
        for _ in range(size // MIB // 2):
            file.write(os.urandom(MIB))
        file.truncate(size)
    _tool("qemu-img", "convert", "-O", "qcow2", str(raw), str(image))
    made = folder / "made"
    peer = _tool("sh", "-c", f"rm -f {made} && qemu-img convert -f qcow2 -O raw {image} {made} && sync {made}", times=3)
    one = await _often(lambda: driver.cache_image(ids.new_uuid(), image, "qcow2"), 3)
    begun = time.perf_counter()

    async def wanted() -> None:
        await driver.cache_image("same", image, "qcow2")
        await _new(driver, 2 * size, FromImage("same"))
    await asyncio.gather(*(wanted() for _ in range(10)))
    ten = (time.perf_counter() - begun) * 1000
    direct = await _often(lambda: _new(driver, size, FromFile(image, "qcow2")), 3)
    return [Figure(f"image of {size // MIB} MiB that is not in the cache", one, "ms", (("qemu-img convert and sync", peer),), times=1.1),
            Figure("ten volumes of it at once", ten, "ms", (("one", one),), times=1.2),
            Figure("a volume of it without the cache", direct, "ms", (("qemu-img convert and sync", peer),))]


async def _copied(driver: FileVolumes) -> list[Figure]:
    volume_id = await _new(driver, 10 * GIB, FromImage("same"))
    image = await _often(lambda: _new(driver, 10 * GIB, FromImage("same")))
    snapshot_id = (await driver.create_snapshot(volume_id, ids.new_uuid())).id
    clone = await _often(lambda: _new(driver, 10 * GIB, FromSnapshot(snapshot_id)))
    snapshot = await _often(lambda: driver.create_snapshot(volume_id, ids.new_uuid()), 5)
    return [Figure("volume of 10 GiB of a cached image", image, "ms", most=50), Figure("clone of 10 GiB", clone, "ms", most=50),
            Figure("snapshot of 10 GiB", snapshot, "ms", most=50)]


async def _served(driver: FileVolumes, folder: Path, size: int) -> list[Figure]:
    """QEMU reading and writing a volume that has had many snapshots, and a file that was given to it by hand."""
    peer = folder / "hand.qcow2"
    _tool("qemu-img", "convert", "-O", "qcow2", str(folder / "image.raw"), str(peer))
    volume_id = await _new(driver, size, FromFile(folder / "image.raw", "raw"))
    names, told = ("reads", "writes"), []
    for write, name in enumerate(names):
        ours, by_hand = _beside(driver, volume_id, peer, bool(write))
        told.append(Figure(f"{REQUESTS} {name} of 4 KiB by QEMU, processor time", ours, "ms", ((BY_HAND, by_hand),), times=1.03))
    merged = []
    for number in range(20):
        snapshot_id = (await driver.create_snapshot(volume_id, ids.new_uuid())).id
        disk = await driver.open_disk(VolumeRef(volume_id), write=True)
        for at in range(0, 4 * MIB, 256 * 1024):
            await disk.write((number * 8 * MIB + at) % (size - MIB), os.urandom(4096))
        await disk.close()
        await driver.delete_snapshot(snapshot_id)
        merged.append(await _often(lambda: driver.merge_volume(volume_id), 1))
    for write, name in enumerate(names):
        ours, by_hand = _beside(driver, volume_id, peer, bool(write))
        told.append(Figure(f"those {name} after 20 snapshots taken and deleted", ours, "ms", ((BY_HAND, by_hand),), times=1.11))
    return [*told, Figure("merge after a snapshot is deleted", median(merged), "ms",
                          (("cp of the volume", _tool("cp", str(peer), str(folder / "copy"))),))]


def _beside(driver: FileVolumes, volume_id: str, peer: Path, write: bool) -> tuple[float, float]:
    """The best of several turns: other work on the machine makes one or the other worse."""
    layer = driver.layers.of_volume(volume_id)
    assert layer is not None
    disks = nodes.disk(driver.layers.files(layer)), nodes.disk((nodes.File(peer, "qcow2"),))
    turns = [(_qemu(disks[0], write), _qemu(disks[1], write)) for _ in range(5)]
    return min(ours for ours, _ in turns), min(by_hand for _, by_hand in turns)


def _qemu(disk: str, write: bool) -> float:
    """Milliseconds of the processor for 4 KiB at a time, each 68 KiB behind the last, so that no two are in one cluster."""
    how, before = ("-w",) if write else (), resource.getrusage(resource.RUSAGE_CHILDREN)
    _tool("qemu-img", "bench", *how, "-f", "qcow2", "-t", "none", "-c", str(REQUESTS), "-d", str(DEPTH), "-s", "4096", "-S", "69632", disk)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
