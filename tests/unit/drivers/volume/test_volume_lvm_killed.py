"""The daemon killed before and after each command of each verb of the LVM driver that takes several: afterwards there is what was there
before or what was asked for, never a third thing, and asking again brings it about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from cloudd.drivers.volume.base import FromImage, FromSnapshot, FromVolume, SnapshotRef, VolumeRef, VolumeSpec
from cloudd.drivers.volume.lvm import LvmVolumes
from tests.unit.drivers.volume.lvm_fake import GIB, MIB, A, ActingLvm, B, C, E, FakeMapper, Killed, driver

NEW = "99999999-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Verb:
    asked: Callable[[LvmVolumes], Awaitable[object]]
    once: bool = False                   # asking again for what is done is refused, since its source is gone


VERBS = {
    "blank": Verb(lambda volumes: volumes.create_volume(VolumeSpec(NEW, GIB))),
    "clone": Verb(lambda volumes: volumes.create_volume(VolumeSpec(NEW, 3 * GIB), FromSnapshot(B))),
    "copy": Verb(lambda volumes: volumes.create_volume(VolumeSpec(NEW, GIB), FromVolume(A))),
    "of an image": Verb(lambda volumes: volumes.create_volume(VolumeSpec(NEW, 64 * MIB), FromImage(E))),
    "snapshot": Verb(lambda volumes: volumes.create_snapshot(A, NEW)),
    "extend": Verb(lambda volumes: volumes.extend_volume(A, 5 * GIB)),
    "revert": Verb(lambda volumes: volumes.revert_volume(A, B)),
    "delete": Verb(lambda volumes: volumes.delete_volume(A)),
    "delete a snapshot": Verb(lambda volumes: volumes.delete_snapshot(B)),
    "drop": Verb(lambda volumes: volumes.drop_image(E)),
    "manage": Verb(lambda volumes: volumes.manage_volume(NEW, "somebodys")),
    "unmanage": Verb(lambda volumes: volumes.unmanage(VolumeRef(C)), once=True),
    "unmanage a snapshot": Verb(lambda volumes: volumes.unmanage(SnapshotRef(B)), once=True),
}


async def told(volumes: LvmVolumes) -> object:
    """All that somebody can see, names of new devices aside."""
    there = await volumes.list()
    loose = {one.reference for one in await volumes.manageable() if not one.id}
    assert not there.leftovers
    return ({one.id: one.size for one in there.volumes}, {one.id: (one.volume_id, one.size) for one in there.snapshots},
            {one.id: one.size for one in there.images}, loose)


async def opened(lvm: ActingLvm, folder) -> LvmVolumes:
    made = driver(lvm, FakeMapper(), folder)
    await made.open()
    return made


@pytest.mark.parametrize("name", VERBS)
async def test_killed_anywhere(tmp_path, name):
    verb, lvm = VERBS[name], ActingLvm()
    volumes = await opened(lvm, tmp_path)
    before, first = await told(volumes), lvm.changes
    await verb.asked(volumes)
    commands, after, names = lvm.changes - first, await told(volumes), lvm.names()
    assert commands and before != after or name == "revert"
    for number in range(1, commands + 1):
        for done in (False, True):
            lvm = ActingLvm()
            volumes = await opened(lvm, tmp_path)
            lvm.dies_at, lvm.after = lvm.changes + number, done
            with pytest.raises(Killed):
                await verb.asked(volumes)
            lvm.dies_at = 0
            volumes = await opened(lvm, tmp_path)
            found = await told(volumes)
            assert found in (before, after), (number, done)
            if found == before or not verb.once:
                await verb.asked(volumes)
            assert await told(volumes) == after and lvm.names() == names, (number, done)
