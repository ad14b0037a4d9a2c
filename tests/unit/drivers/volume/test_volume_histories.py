"""Random histories of one back end: after each step every volume and snapshot reads as a model says."""

import shutil
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cloudd.drivers.volume.base import FromSnapshot, FromVolume, SnapshotRef, VolumeConfig, VolumeRef, VolumeSpec
from cloudd.drivers.volume.file import FileVolumes
from cloudd.drivers.volume.simulated import SimulatedVolumes
from tests.unit.drivers.volume.volume_rig import LUKS, SECRET

BLOCK, BLOCKS = 65536, 16
STEPS = some.lists(some.tuples(some.sampled_from(("write", "write", "zero", "snapshot", "snapshot", "clone", "copy", "extend", "revert",
                                                  "drop snapshot", "drop snapshot", "drop volume", "merge", "merge", "alone", "reopen")),
                               some.integers(0, 30), some.integers(0, BLOCKS - 1)), min_size=10, max_size=40)


@dataclass
class Model:
    """Blocks by number, of volumes and of snapshots (with their volume)."""

    volumes: dict[str, list[int]] = field(default_factory=dict)
    snapshots: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    made: int = 0

    def name(self) -> str:
        self.made += 1
        return f"n{self.made}"


class History:
    def __init__(self, make, config, encrypted):
        self.make, self.config, self.model = make, config, Model()
        self.encryption = LUKS if encrypted else None

    def spec(self, name: str, blocks: int) -> VolumeSpec:
        return VolumeSpec(name, blocks * BLOCK, self.encryption)

    async def open(self) -> None:
        self.driver = self.make(self.config)
        await self.driver.open()

    async def take(self, verb: str, which: int, block: int) -> None:
        model, driver = self.model, self.driver
        volume = sorted(model.volumes)[which % len(model.volumes)] if model.volumes else ""
        snapshot = sorted(model.snapshots)[which % len(model.snapshots)] if model.snapshots else ""
        if verb in ("write", "zero") and volume:
            await self.write(volume, block % len(model.volumes[volume]), 0 if verb == "zero" else which + 1)
        elif verb == "snapshot" and volume:
            name = model.name()
            await driver.create_snapshot(volume, name, passphrase=SECRET)
            model.snapshots[name] = (volume, list(model.volumes[volume]))
        elif verb == "clone" and snapshot:
            await self.copy(FromSnapshot(snapshot), model.snapshots[snapshot][1])
        elif verb == "copy" and volume:
            await self.copy(FromVolume(volume), model.volumes[volume])
        elif verb == "extend" and volume and self.encryption is None:
            await driver.extend_volume(volume, (len(model.volumes[volume]) + 2) * BLOCK)
            model.volumes[volume] += [0, 0]
        elif verb == "revert" and snapshot and (of := model.snapshots[snapshot][0]) in model.volumes:
            await driver.revert_volume(of, snapshot, SECRET)
            was = model.snapshots[snapshot][1]
            model.volumes[of] = was + [0] * (len(model.volumes[of]) - len(was))
        elif verb == "drop snapshot" and snapshot:
            await driver.delete_snapshot(snapshot)
            del model.snapshots[snapshot]
        elif verb == "drop volume" and len(model.volumes) > 1:
            await driver.delete_volume(volume)
            del model.volumes[volume]
        elif verb in ("merge", "alone") and volume:
            await driver.merge_volume(volume, alone=verb == "alone", passphrase=SECRET)
        elif verb == "reopen":
            await driver.close()
            await self.open()

    async def copy(self, source, blocks) -> None:
        name = self.model.name()
        await self.driver.create_volume(self.spec(name, len(blocks)), source, SECRET)
        self.model.volumes[name] = list(blocks)

    async def write(self, volume: str, block: int, value: int) -> None:
        disk = await self.driver.open_disk(VolumeRef(volume), write=True, passphrase=SECRET)
        if value:
            await disk.write(block * BLOCK, bytes([value]) * BLOCK)
        else:
            await disk.zero(block * BLOCK, BLOCK)
        await disk.close()
        self.model.volumes[volume][block] = value

    async def check(self) -> None:
        there = await self.driver.list()
        assert {one.id for one in there.volumes} == self.model.volumes.keys() and len(there.volumes) == len(self.model.volumes)
        assert {one.id for one in there.snapshots} == self.model.snapshots.keys() and not there.leftovers
        assert all(one.depth <= self.config.chain_max for one in there.volumes)
        for ref, blocks in ([(VolumeRef(name), blocks) for name, blocks in self.model.volumes.items()] +
                            [(SnapshotRef(name), blocks) for name, (_, blocks) in self.model.snapshots.items()]):
            disk = await self.driver.open_disk(ref, passphrase=SECRET)
            data = await disk.read(0, len(blocks) * BLOCK)
            await disk.close()
            assert disk.size == len(blocks) * BLOCK and [data[at] for at in range(0, len(data), BLOCK)] == blocks, ref
            assert all(data[at:at + BLOCK].count(data[at]) == BLOCK for at in range(0, len(data), BLOCK))


async def live(make, folder, steps, encrypted, every) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    history = History(make, VolumeConfig("file", str(folder / "v") if make is FileVolumes else "", str(folder), chain_max=3), encrypted)
    await history.open()
    await history.driver.create_volume(history.spec(history.model.name(), BLOCKS), None, SECRET)
    history.model.volumes["n1"] = [0] * BLOCKS
    await history.write("n1", 0, 200)
    for block in range(1, BLOCKS if encrypted else 0):               # a LUKS volume begins as noise where it is a file of its own
        await history.write("n1", block, 100)
    for number, step in enumerate(steps):
        await history.take(*step)
        if number % every == 0:
            await history.check()
    await history.check()
    await history.driver.close()


SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("make", [FileVolumes, SimulatedVolumes])
@SLOW
@given(steps=STEPS)
async def test_volumes_read_as_the_model_says(make, tmp_path, steps):
    await live(make, tmp_path / "h", steps, encrypted=False, every=7)


@pytest.mark.timeout(240)
@settings(SLOW, max_examples=5)
@given(steps=STEPS)
async def test_encrypted_volumes_read_as_the_model_says(tmp_path, steps):
    await live(FileVolumes, tmp_path / "h", steps, encrypted=True, every=12)
