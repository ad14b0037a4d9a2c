"""Runs in the Debian guest: the contract of volume drivers on real LVM, and what else only a real kernel shows. No pytest there.

Each result is a line that begins with MARK. The last part goes on until the power is cut; the next life of the guest is handed what the
one before had told, and looks whether that holds.
"""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from cloudd.drivers.volume.base import (
    BackendFull,
    Connection,
    FromSnapshot,
    FromVolume,
    SnapshotRef,
    VolumeBusy,
    VolumeConfig,
    VolumeDriver,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.lvm import LvmVolumes
from cloudd.drivers.volume.lvm.group import run_lvm
from cloudd.drivers.volume.lvm.host import groups_inside
from tests.unit.drivers.volume import volume_contract
from tests.unit.drivers.volume.volume_rig import GIB, MIB, Rig, new_id, page, refused

MARK = "@@ "
GROUP, POOL, SMALL = "cloud-vg", "pool", "small"
HISTORY, ONLY = Path("history.json"), Path("only")
DISK = "/dev/vdc"
LOOKING = "devices { scan_lvs=1 }"
SNAPSHOTS = 100
COMMANDS: list[str] = []


def say(kind: str, *facts: object) -> None:
    print(MARK + json.dumps([kind, *facts]), flush=True)


def tool(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}")
    return done.stdout


def lvm(*words: str) -> str:
    return tool("lvm", *words)


async def run_looking(words: Sequence[str]) -> tuple[int, str, str]:
    """The host's own LVM, where it looks into volumes, as that of some distributions does."""
    return 0, lvm(words[0], "--config", LOOKING, *words[1:]), ""


def config(pool: str = POOL) -> VolumeConfig:
    return VolumeConfig("fast", f"{GROUP}/{pool}", "/tmp/state", image_cache_max_bytes=16 * MIB, chain_max=2)


@contextlib.asynccontextmanager
async def opened(_: VolumeDriver, connection: Connection) -> AsyncIterator[None]:
    """Whoever has the device open, as QEMU would."""
    handle = os.open(connection.path, os.O_RDWR)
    try:
        yield
    finally:
        os.close(handle)


class LvmRig(Rig):
    async def wipe(self) -> None:
        """All at once: the driver's own verbs would take longer than the tests."""
        names = lvm("lvs", "--noheadings", "-o", "lv_name", "-S", "segtype=thin || segtype=linear", GROUP).split()
        if names:
            lvm("lvremove", "-f", "-y", *(f"{GROUP}/{name}" for name in names))
        await self.driver.list()
        shutil.rmtree(self.folder)
        self.folder.mkdir()


async def counting(words: Sequence[str]) -> tuple[int, str, str]:
    COMMANDS.append(words[0])
    return await run_lvm(words)


async def make_rig(pool: str = POOL) -> LvmRig:
    folder = Path("/tmp/files")
    folder.mkdir(parents=True, exist_ok=True)
    return await LvmRig(lambda config: LvmVolumes(config, counting), config(pool), folder, folder, opened).open()


async def report(name: str, work: Callable[[LvmRig], Awaitable[None]], rig: LvmRig) -> None:
    began, before = time.monotonic(), len(COMMANDS)
    try:
        await work(rig)
        say("passed", name, round(time.monotonic() - began, 1), len(COMMANDS) - before)
    except Exception:
        say("failed", name, traceback.format_exc())
    await rig.wipe()


# -- what is tried ------------------------------------------------------------------------------------------------------


async def a_full_pool_takes_nothing_new_and_loses_nothing(_: LvmRig) -> None:
    rig = await make_rig(SMALL)
    kept = await rig.written(page("kept"))
    big = await rig.volume(GIB)
    disk = await rig.driver.open_disk(VolumeRef(big.id), write=True)
    for number in range(85):
        await disk.write(number * MIB, b"x" * MIB)
    await disk.flush()
    assert "85%" in (await rig.driver.stats()).warnings[0] or "8" in (await rig.driver.stats()).warnings[0]
    with refused(BackendFull):
        for number in range(85, 110):
            await disk.write(number * MIB, b"x" * MIB)
            await disk.flush()
    await disk.close()
    for promise in (lambda: rig.volume(GIB), lambda: rig.driver.create_snapshot(kept, new_id()),
                    lambda: rig.driver.extend_volume(kept, GIB), lambda: rig.volume(8 * MIB, FromVolume(kept)),
                    lambda: rig.driver.cache_image("image", rig.file("image", page("i")), "raw")):
        with refused(BackendFull, "from 90% on nothing new is promised"):
            await promise()
    assert await rig.read(kept, 0, 4096) == page("kept")
    await rig.driver.delete_volume(big.id)
    await rig.driver.health()
    await rig.write(kept, page("again"), 4 * MIB)
    assert not (await rig.driver.stats()).warnings


async def a_hundred_snapshots_each_cost_one_command(rig: LvmRig) -> None:
    """Measured beside plain `lvcreate -s` for `make bench`."""
    volume_id, ours, plain, made = await rig.written(page("0")), [], [], []
    for number in range(SNAPSHOTS):
        began = time.monotonic()
        made.append((await rig.driver.create_snapshot(volume_id, new_id())).id)
        ours.append(time.monotonic() - began)
        if number % 10 == 5:
            began = time.monotonic()
            lvm("lvcreate", "-s", "-n", f"plain{number}", f"{GROUP}/volume-{volume_id}")
            plain.append(time.monotonic() - began)
        if number % 25 == 0:
            await rig.write(volume_id, page(str(number + 1)), number * 4096)
    say("figure", f"the median of {SNAPSHOTS} snapshots on LVM", statistics.median(ours), statistics.median(plain))
    there = await rig.driver.list()
    assert {one.id for one in there.snapshots} == set(made)
    assert await rig.of_snapshot(made[0], 0, 4096) == page("0") and await rig.of_snapshot(made[-1], 75 * 4096, 4096) == page("76")
    assert await rig.of_snapshot(made[60], 75 * 4096, 4096) == bytes(4096)
    await rig.driver.delete_volume(volume_id)
    assert await rig.of_snapshot(made[70], 50 * 4096, 4096) == page("51")


async def a_thick_volume_keeps_its_room_and_reads_zeros(rig: LvmRig) -> None:
    image = rig.file("image", page("image"), 8 * MIB)
    await rig.driver.cache_image("image", image, "raw")
    source = await rig.written(page("source"))
    snapshot_id = await rig.snapshot(source)
    for made, begins in ((await rig.volume(16 * MIB, thick=True), bytes(4096)),
                         (await rig.volume(16 * MIB, FromSnapshot(snapshot_id), thick=True), page("source")),
                         (await rig.volume(16 * MIB, volume_contract.FromImage("image"), thick=True), page("image")),
                         (await rig.volume(16 * MIB, volume_contract.FromFile(image, "raw"), thick=True), page("image"))):
        assert (await volume_info(rig, made.id)).allocated == 16 * MIB and await rig.read(made.id, 0, 4096) == begins
    await rig.driver.extend_volume(made.id, 32 * MIB)
    assert (await volume_info(rig, made.id)).allocated == 32 * MIB
    assert await rig.read(made.id, 32 * MIB - 4096, 4096) == bytes(4096) and await rig.read(made.id, 0, 4096) == page("image")
    assert not (await rig.driver.connect(made.id)).discard
    disk = await rig.driver.open_disk(VolumeRef(made.id), write=True)
    await disk.zero(0, 8 * MIB)
    await disk.close()
    assert (await volume_info(rig, made.id)).allocated == 32 * MIB and await rig.read(made.id, 0, 4096) == bytes(4096)


async def volume_info(rig: LvmRig, volume_id: str):
    return next(one for one in (await rig.driver.list()).volumes if one.id == volume_id)


async def what_a_guest_trims_is_given_back(rig: LvmRig) -> None:
    volume_id = await rig.written(b"x" * (8 * MIB))
    connection = await rig.driver.connect(volume_id)
    assert connection.discard and (await volume_info(rig, volume_id)).allocated == 8 * MIB
    tool("blkdiscard", "-o", str(MIB), "-l", str(4 * MIB), connection.path)
    assert (await volume_info(rig, volume_id)).allocated == 4 * MIB


async def a_volume_group_within_a_volume_is_not_ours_and_doctor_tells(rig: LvmRig) -> None:
    volume_id = await rig.written(page("a"), 4 * MIB, size=64 * MIB)
    path = (await rig.driver.connect(volume_id)).path
    for words in (("pvcreate", "-y", path), ("vgcreate", "guests", path), ("lvcreate", "-y", "-l1", "-n", "inner", "guests")):
        lvm(words[0], "--config", LOOKING, *words[1:])
    found = await groups_inside(GROUP, run_looking)
    assert [(one.group, one.volume) for one in found] == [("guests", f"{GROUP}/volume-{volume_id}")], found
    with refused(VolumeBusy, volume_id):
        await rig.driver.delete_volume(volume_id)
    lvm("vgchange", "--config", LOOKING, "-an", "guests")
    assert not await groups_inside(GROUP)
    await rig.reopen()
    await rig.driver.delete_volume(volume_id)


async def a_group_of_the_same_name_within_a_volume_changes_nothing(rig: LvmRig) -> None:
    volume_id = (await rig.volume(64 * MIB)).id
    path = (await rig.driver.connect(volume_id)).path
    os.makedirs("/tmp/elsewhere", exist_ok=True)
    lvm("vgcreate", "--config", f'devices {{ dir="/tmp/elsewhere" scan_lvs=1 filter=["a|{path}$|", "r|.*|"] }}', GROUP, path)
    assert len(lvm("vgs", "--config", LOOKING, "--noheadings").split("\n")) > 2
    await rig.reopen()
    other = await rig.written(page("b"))
    assert {one.id for one in (await rig.driver.list()).volumes} == {volume_id, other}
    await rig.driver.delete_volume(volume_id)


async def an_image_of_another_format_is_converted_without_its_zeros(rig: LvmRig) -> None:
    raw = rig.file("raw", page("image"), 8 * GIB)
    tool("qemu-img", "convert", "-O", "qcow2", str(raw), str(rig.folder / "qcow2"))
    image = await rig.driver.cache_image("image", rig.folder / "qcow2", "qcow2")
    assert image.size == 8 * GIB and image.allocated <= 2 * MIB
    made = await rig.volume(8 * GIB, volume_contract.FromImage("image"))
    assert await rig.read(made.id, 0, 4096) == page("image") and await rig.read(made.id, 8 * GIB - 512) == bytes(512)


async def an_operator_who_adds_a_device_is_followed(rig: LvmRig) -> None:
    volume_id = await rig.written(page("a"))
    Path("/tmp/more").write_bytes(b"")
    os.truncate("/tmp/more", 64 * MIB)
    device = tool("losetup", "-f").strip()
    tool("losetup", device, "/tmp/more")
    lvm("vgextend", "-y", GROUP, device)
    try:
        await rig.driver.create_snapshot(volume_id, new_id())
        assert len((await rig.driver.list()).snapshots) == 1
    finally:
        lvm("vgreduce", GROUP, device)
        tool("losetup", "-d", device)
    await rig.driver.create_snapshot(volume_id, new_id())


MORE = (a_full_pool_takes_nothing_new_and_loses_nothing, a_thick_volume_keeps_its_room_and_reads_zeros, what_a_guest_trims_is_given_back,
        a_volume_group_within_a_volume_is_not_ours_and_doctor_tells, a_group_of_the_same_name_within_a_volume_changes_nothing,
        an_image_of_another_format_is_converted_without_its_zeros, an_operator_who_adds_a_device_is_followed,
        a_hundred_snapshots_each_cost_one_command)


# -- until the power is cut ---------------------------------------------------------------------------------------------


async def churn(rig: LvmRig) -> None:
    """For ever. What is to be done is told before, what is done after."""
    driver = rig.driver
    for number in itertools.count():
        volume_id, snapshot_id, clone_id, mark = new_id(), new_id(), new_id(), f"{os.getpid()}-{number}"
        say("may", volume_id)
        await driver.create_volume(VolumeSpec(volume_id, 8 * MIB))
        say("is", "volume", volume_id, 8 * MIB)
        await rig.write(volume_id, page(mark))
        say("reads", volume_id, mark)
        say("may", snapshot_id)
        await driver.create_snapshot(volume_id, snapshot_id)
        say("is", "snapshot", snapshot_id, 8 * MIB)
        say("reads", snapshot_id, mark)
        say("may", clone_id)
        await driver.create_volume(VolumeSpec(clone_id, 16 * MIB), FromSnapshot(snapshot_id))
        say("is", "volume", clone_id, 16 * MIB)
        say("reads", clone_id, mark)
        say("may", volume_id, "again")
        await rig.write(volume_id, page("other"))
        await driver.extend_volume(volume_id, 32 * MIB)
        say("is", "volume", volume_id, 32 * MIB)
        await driver.revert_volume(volume_id, snapshot_id)
        say("reads", volume_id, mark)
        say("may", volume_id)
        if number % 2:
            await driver.delete_volume(volume_id)
            say("gone", volume_id)
        else:
            await driver.create_volume(VolumeSpec(new_id(), 8 * MIB, thick=True))


async def what_was_told_before_the_power_was_cut_holds(rig: LvmRig) -> None:
    sizes: dict[str, tuple[str, int]] = {}
    marks: dict[str, str] = {}
    open_, gone = set(), set()
    for kind, *facts in json.loads(HISTORY.read_text()):
        if kind == "may":
            open_.add(facts[0])
            marks.pop(facts[0], None) if len(facts) > 1 else None
        elif kind == "is":
            sizes[facts[1]] = (facts[0], facts[2])
            open_.discard(facts[1])
        elif kind == "reads":
            marks[facts[0]] = facts[1]
        elif kind == "gone":
            gone.add(facts[0])
    there = await rig.driver.list()
    found = {one.id: one.size for one in (*there.volumes, *there.snapshots)}
    assert not there.leftovers, there.leftovers
    assert not gone & found.keys()
    checked = 0
    for id_, (kind, size) in sizes.items():
        if id_ in gone or id_ in open_ and id_ not in found:
            continue
        assert found[id_] >= size, (id_, found.get(id_), size)
        if id_ in marks and checked < 12:
            ref = VolumeRef(id_) if kind == "volume" else SnapshotRef(id_)
            assert await rig.read(ref, 0, 4096) == page(marks[id_]), (kind, id_)
            checked += 1
    assert checked >= 3


AGAIN = ("test_copies_are_what_their_sources_were_and_go_their_own_ways", "test_reverting", "test_managing_and_unmanaging",
         "test_an_image_is_brought_once_and_makes_many_volumes")
"""Of the contract, after the first power cut."""


async def main() -> None:
    only = ONLY.read_text().split() if ONLY.exists() else ()
    if not HISTORY.exists():
        lvm("pvcreate", DISK)
        lvm("vgcreate", GROUP, DISK)
        for name, size in ((POOL, "2g"), (SMALL, "100m")):
            lvm("lvcreate", "--type", "thin-pool", "-L", size, "--poolmetadatasize", "8m", "-n", name, GROUP)
    rig = await make_rig()
    contract = {name: work for name, work in vars(volume_contract).items() if name.startswith("test_")}
    if HISTORY.exists():
        await report(what_was_told_before_the_power_was_cut_holds.__name__, what_was_told_before_the_power_was_cut_holds, rig)
        contract = {name: contract[name] for name in AGAIN}
    for name, work in contract.items():
        if not only or name in only:
            await report(name, work, rig)
    for work in () if HISTORY.exists() else MORE:
        if not only or work.__name__ in only:
            await report(work.__name__, work, rig)
    say("ready")
    await churn(rig)


if __name__ == "__main__":
    asyncio.run(main())
