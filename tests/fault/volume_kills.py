"""Kills a process at each thing that it does to the disk in one verb of the file driver, with all that it has started; then looks at what
is left. Run as a script for one scene: `python -m tests.fault.volume_kills SCENE FOLDER`."""

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from cloudd.drivers.volume.base import (
    Access,
    FromFile,
    FromImage,
    FromSnapshot,
    FromVolume,
    SnapshotRef,
    VolumeConfig,
    VolumeMissing,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.file import FileVolumes
from tests.unit.drivers.volume.volume_rig import MIB, SECRET, page

DOINGS = ("os.rename", "os.remove", "os.link", "os.truncate", "subprocess.Popen")
V, W, S, T, NEW = "volume", "other", "snapshot", "snapshot2", "new"
LATE = (0.004, 0.012, 0.02, 0.03)        # seconds after a tool was started: somewhere in its work
Do = Callable[[FileVolumes], Awaitable[object]]


@dataclass(frozen=True)
class Scene:
    do: Do
    makes: tuple[str, ...] = ()          # what is there afterwards and may be there before it is repeated
    removes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()        # what may read as before or as after
    before: Do | None = None


async def write(driver: FileVolumes, volume_id: str, mark: str, at: int) -> None:
    disk = await driver.open_disk(VolumeRef(volume_id), write=True, passphrase=SECRET)
    await disk.write(at, page(mark))
    await disk.flush()
    await disk.close()


async def prepare(driver: FileVolumes) -> None:
    """A volume with two snapshots and something written between them all, another volume, an image, a loose file."""
    for volume_id in (V, W):
        await driver.create_volume(VolumeSpec(volume_id, 8 * MIB))
    for number, snapshot_id in enumerate((S, T, "")):
        await write(driver, V, str(number), number * MIB)
        if snapshot_id:
            await driver.create_snapshot(V, snapshot_id)
    await write(driver, W, "w", 0)
    image = driver.folder.parent / "image.raw"
    image.write_bytes(page("image").ljust(2 * MIB, b"\0"))
    await driver.cache_image("image", image, "raw")
    (driver.folder / "loose.raw").write_bytes(page("loose").ljust(8 * MIB, b"\0"))


async def many(driver: FileVolumes) -> None:
    """The lowest layer has more than the one above it, and neither is a snapshot any more."""
    for number in range(20):
        await write(driver, V, "0", number * 128 * 1024)
    await drop(driver)


async def drop(driver: FileVolumes) -> None:
    await driver.delete_snapshot(S)
    await driver.delete_snapshot(T)


async def middle(driver: FileVolumes) -> None:
    """The layer between two snapshots has less than those around it."""
    await driver.create_snapshot(V, "third")
    await driver.delete_snapshot(T)
    await write(driver, V, "3", 3 * MIB)


async def make_deep(driver: FileVolumes) -> None:
    for number in range(5):
        await driver.create_snapshot(V, f"deep{number}")
        await write(driver, V, f"d{number}", number * 8192)


async def prepared(driver: FileVolumes) -> None:
    await driver.prepare_snapshot(V, NEW, Access())


def made(source: object = None, size: int = 16 * MIB) -> Do:
    return lambda driver: driver.create_volume(VolumeSpec(NEW, size), source)


SCENES = {
    "create": Scene(made(), makes=(NEW,)),
    "create from image": Scene(made(FromImage("image")), makes=(NEW,)),
    "create from file": Scene(lambda driver: made(FromFile(driver.folder.parent / "image.raw", "raw"))(driver), makes=(NEW,)),
    "create from snapshot": Scene(made(FromSnapshot(S)), makes=(NEW,)),
    "create from volume": Scene(made(FromVolume(V)), makes=(NEW,)),
    "create deep": Scene(made(FromVolume(V)), makes=(NEW,), before=make_deep),
    "extend": Scene(lambda driver: driver.extend_volume(V, 32 * MIB)),
    "snapshot": Scene(lambda driver: driver.create_snapshot(V, NEW), makes=(f"snapshot {NEW}",)),
    "snapshot deep": Scene(lambda driver: driver.create_snapshot(V, NEW), makes=(f"snapshot {NEW}",), before=make_deep),
    "prepare snapshot": Scene(prepared),
    "snapshot prepared": Scene(lambda driver: driver.create_snapshot(V, NEW), makes=(f"snapshot {NEW}",), before=prepared),
    "delete snapshot": Scene(lambda driver: driver.delete_snapshot(S), removes=(f"snapshot {S}",)),
    "delete volume": Scene(lambda driver: driver.delete_volume(V), removes=(V,)),
    "merge down": Scene(lambda driver: driver.merge_volume(V), before=drop),
    "merge much": Scene(lambda driver: driver.merge_volume(V), before=many),
    "merge up": Scene(lambda driver: driver.merge_volume(V), before=middle),
    "stand alone": Scene(lambda driver: driver.merge_volume(V, alone=True)),
    "revert": Scene(lambda driver: driver.revert_volume(V, S), changes=(V,)),
    "manage": Scene(lambda driver: driver.manage_volume(NEW, "loose.raw"), makes=(NEW,)),
    "unmanage": Scene(lambda driver: unmanaged(driver, W), removes=(W,)),
    "unmanage with layers": Scene(lambda driver: unmanaged(driver, V), removes=(V,)),
    "cache image": Scene(lambda driver: driver.cache_image("second", driver.folder.parent / "image.raw", "raw")),
    "drop image": Scene(lambda driver: driver.drop_image("image")),
}


async def unmanaged(driver: FileVolumes, volume_id: str) -> None:
    try:
        await driver.unmanage(VolumeRef(volume_id))
    except VolumeMissing:                                        # it was done, but not told
        assert any(one.reference.startswith(f"volume-{volume_id}.") for one in await driver.manageable())


# -- one life -----------------------------------------------------------------------------------------------------------


def config(folder: Path) -> VolumeConfig:
    return VolumeConfig("file", str(folder / "volumes"), str(folder), chain_max=8)


async def opened(folder: Path) -> FileVolumes:
    driver = FileVolumes(config(folder))
    await driver.open()
    return driver


def live(folder: Path, do: Do, nth: int, late: float) -> bool:
    """Do it in a process of its own, that dies at the nth doing; whether it got so far."""
    child = os.fork()
    if not child:
        os.setsid()
        left = [nth]

        def die() -> None:
            os.killpg(0, signal.SIGKILL)

        def watch(event: str, args: tuple[object, ...]) -> None:
            if event == "open":
                path, mode, flags = args
                if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR) or not str(path).startswith(str(folder)):
                    return
            elif event not in DOINGS:
                return
            if late and event != "subprocess.Popen":
                return
            left[0] -= 1
            if not left[0]:
                threading.Timer(late, die).start() if late else die()

        async def run() -> None:
            driver = await opened(folder)
            sys.addaudithook(watch)
            await do(driver)
        try:
            asyncio.run(run())
        except BaseException as exc:
            print(f"before it was killed: {exc!r}", flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "it failed by itself"
    return os.WIFSIGNALED(status)


# -- what is left -------------------------------------------------------------------------------------------------------


async def contents(driver: FileVolumes) -> dict[str, bytes]:
    there, found = await driver.list(), {}
    refs = [(one.id, VolumeRef(one.id)) for one in there.volumes] + [(f"snapshot {one.id}", SnapshotRef(one.id)) for one in there.snapshots]
    for name, ref in refs:
        assert name not in found, f"{name} is there twice"
        disk = await driver.open_disk(ref)
        found[name] = (await disk.read(0, 8 * MIB)) if disk.size >= 8 * MIB else b""
        await disk.close()
    return found


async def judge(folder: Path, scene: Scene, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    driver = await opened(folder)
    left = await contents(driver)
    for name, data in before.items():
        if name in scene.changes:
            assert left[name] in (data, after[name]), f"{name} reads as neither before nor after"
        elif name not in scene.removes or name in left:
            assert left.get(name) == data, f"{name} does not read as before"
    assert left.keys() - before.keys() <= set(scene.makes), "something is there that nobody asked for"
    await scene.do(driver)
    repeated = await contents(driver)
    assert repeated == after, f"repeated, it differs in {sorted(n for n in repeated.keys() | after if repeated.get(n) != after.get(n))}"
    await driver.tidy()
    assert not (await driver.list()).leftovers
    for volume in (await driver.list()).volumes:
        assert (await driver.merge_volume(volume.id)).depth <= 8
    assert await contents(driver) == after, "a later merge changed something"
    await driver.close()
    driver = await opened(folder)
    assert await contents(driver) == after, "a restart changed something"
    await driver.close()


def run_scene(name: str, folder: Path) -> int:
    scene, whole, done, work = SCENES[name], folder / "w", folder / "d", folder / "k"

    async def begin() -> dict[str, bytes]:
        driver = await opened(whole)
        await prepare(driver)
        if scene.before is not None:
            await scene.before(driver)
        found = await contents(driver)
        await driver.close()
        return found

    async def finish() -> dict[str, bytes]:
        driver = await opened(done)
        await scene.do(driver)
        found = await contents(driver)
        await driver.close()
        return found
    whole.mkdir()
    before = asyncio.run(begin())
    copy(whole, done)
    after = asyncio.run(finish())
    points = 0
    for late in (0.0, *LATE):
        nth = 1
        while True:
            copy(whole, work)
            if not live(work, scene.do, nth, late):
                break
            try:
                asyncio.run(judge(work, scene, before, after))
            except AssertionError as exc:
                raise AssertionError(f"killed at doing {nth}, {late} s late: {exc}") from exc
            points, nth = points + 1, nth + 1
    return points


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


if __name__ == "__main__":
    print(run_scene(sys.argv[1], Path(sys.argv[2])))
