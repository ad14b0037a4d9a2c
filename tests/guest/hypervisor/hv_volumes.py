"""What every hypervisor driver keeps to about volumes. Imported where it is run, as hv_contract is."""

import asyncio
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hv_contract import ABSENT

from cloudd.core.disks import luks, qcow2
from cloudd.drivers.hypervisor.base import (
    DomainNotFound,
    DomainState,
    EventKind,
    HypervisorError,
    Switch,
    TooLong,
    volume_disk,
)
from cloudd.drivers.volume.base import Beneath, Connection, Encryption, Kind, Limits, Passphrase

MIB = 1 << 20
SECRET = Passphrase(b"canary-of-the-passphrase")


@dataclass
class Made:
    """Files as a volume driver would make them."""

    folder: Path

    def volume(self, size: int = 64 * MIB, **more) -> Connection:
        volume_id = str(uuid.uuid4())
        return self.raw(volume_id, f"{volume_id}.raw", size, **more)

    def raw(self, volume_id: str, name: str, size: int = 64 * MIB, **more) -> Connection:
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return Connection(volume_id, Kind.FILE, str(path), "raw", size, cache="writeback", **more)

    def above(self, told: Connection, crypto: bytes = b"") -> Connection:
        """A new layer on top, which the header of its file does not tell the truth about."""
        path = self.folder / f"{uuid.uuid4()}.qcow2"
        qcow2.make_layer(path, told.size, "/etc/passwd", "raw", crypto)
        return replace(told, path=str(path), format="qcow2", beneath=(Beneath(told.path, told.format), *told.beneath))

    def locked(self, size: int = 64 * MIB) -> Connection:
        how, volume_id = Encryption(key_id=str(uuid.uuid4())), str(uuid.uuid4())
        header = luks.header(SECRET.value, how.cipher, how.key_size)
        told = self.raw(volume_id, f"{volume_id}.luks", size + len(header), encryption=how)
        with open(told.path, "r+b") as file:
            file.write(header)
        return replace(told, size=size)


@pytest.fixture
def files(rig):
    folder = Path(rig.config.instances_dir) / f"volumes-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return Made(folder)


async def has(rig, server_id):
    return {one.volume_id: one for one in await rig.hypervisor.volumes.attached(server_id)}


async def test_a_volume_of_several_layers_comes_and_goes_in_a_running_guest(rig, files):
    hypervisor, told = rig.hypervisor, files.above(files.volume())
    server_id = await rig.booted()
    for _ in range(2):
        assert await hypervisor.attach_disk(server_id, volume_disk(told)) == "vdb"
    one = (await has(rig, server_id))[told.volume_id]
    assert (one.target, one.bus, one.live, one.defined, one.job) == ("vdb", "virtio", True, True, "")
    assert one.layers == (told.path, told.beneath[0].path)
    assert one in await hypervisor.volumes.attached()
    await hypervisor.resize_disk(server_id, told.volume_id, 128 * MIB)
    events = hypervisor.events()
    for _ in range(2):
        await hypervisor.detach_disk(server_id, told.volume_id)
    assert (await rig.hears(events, EventKind.DISK_GONE, server_id)).detail == told.volume_id
    assert not await has(rig, server_id)


async def test_a_volume_is_a_servers_first_disk(rig, files):
    spec = await rig.spec()
    told = files.volume()
    await rig.hypervisor.define(replace(spec, disks=(volume_disk(told, boot_index=0), *spec.disks[1:])))
    assert not (await has(rig, spec.server_id))[told.volume_id].live
    await rig.hypervisor.start(spec.server_id, paused=True)
    assert (await has(rig, spec.server_id))[told.volume_id].target == "vda"


async def test_more_disks_than_there_are_letters(rig, files):
    spec = await rig.spec()
    told = [files.volume(MIB) for _ in range(30)]
    await rig.hypervisor.define(replace(spec, disks=(*spec.disks, *(volume_disk(one, bus="scsi") for one in told))))
    await rig.hypervisor.start(spec.server_id, paused=True)
    assert (await has(rig, spec.server_id))[told[-1].volume_id].target == "sdad"
    assert await rig.hypervisor.attach_disk(spec.server_id, volume_disk(files.volume(MIB), bus="scsi")) == "sdae"


async def test_limits_change_while_the_guest_runs(rig, files):
    told = replace(files.volume(), limits=Limits(total_iops_sec=100))
    server_id = await rig.defined()
    await rig.hypervisor.attach_disk(server_id, volume_disk(told))
    await rig.hypervisor.start(server_id, paused=True)
    for limits in (Limits(read_bytes_sec=MIB, read_bytes_sec_max=2 * MIB, read_bytes_sec_max_length=3), Limits(), Limits()):
        await rig.hypervisor.volumes.limit(server_id, told.volume_id, limits)
        assert await rig.limits(server_id, told.volume_id) == (limits, limits)
    with pytest.raises(HypervisorError, match="no disk"):
        await rig.hypervisor.volumes.limit(server_id, ABSENT, Limits())


async def test_an_encrypted_volume_needs_its_passphrase_and_leaves_it_nowhere(rig, files):
    server_id, told = await rig.defined(), files.locked()
    with pytest.raises(HypervisorError, match="passphrase"):
        await rig.hypervisor.attach_disk(server_id, volume_disk(told))
    await rig.hypervisor.start(server_id, paused=True)
    for _ in range(2):
        await rig.hypervisor.attach_disk(server_id, volume_disk(told, SECRET))
    disk = (await has(rig, server_id))[told.volume_id]
    assert disk.live and SECRET.value not in await rig.traces(server_id)
    await rig.hypervisor.undefine(server_id)
    assert not await rig.secrets(server_id)


async def test_disks_of_several_guests_are_switched_at_one_moment(rig, files):
    hypervisor = rig.hypervisor
    one, other = await rig.defined(), await rig.defined()
    told, events, heard = {one: (files.volume(), files.volume()), other: (files.volume(),)}, hypervisor.events(), []
    for server_id, disks in told.items():
        for disk in disks:
            await hypervisor.attach_disk(server_id, volume_disk(disk))
        await hypervisor.start(server_id)
        await rig.hears(events, EventKind.RESUMED, server_id)
    above = [(server_id, files.above(disk)) for server_id, disks in told.items() for disk in disks]
    for _ in range(2):
        await hypervisor.volumes.switch([Switch(server_id, to) for server_id, to in above])
    for server_id, to in above:
        disk = (await has(rig, server_id))[to.volume_id]
        assert disk.layers == (to.path, to.beneath[0].path)
        assert await hypervisor.state(server_id) is DomainState.RUNNING
        assert await rig.next_start(server_id, to.volume_id) == disk.layers
    await hypervisor.destroy(other)
    async for event in events:
        heard.append((event.server_id, event.kind))
        if event.server_id == other and event.kind is EventKind.STOPPED:
            break
    assert {kind for _, kind in heard} - {EventKind.STARTED} == {EventKind.STOPPED}, heard
    await hypervisor.start(other, paused=True)


async def test_the_disk_of_a_guest_that_is_off_is_switched_for_its_next_start(rig, files):
    server_id, told = await rig.defined(), files.volume()
    await rig.hypervisor.attach_disk(server_id, volume_disk(told))
    to = files.above(told)
    assert await rig.hypervisor.volumes.switch([Switch(server_id, to)]) == frozenset()
    await rig.hypervisor.start(server_id, paused=True)
    assert (await has(rig, server_id))[told.volume_id].layers == (to.path, told.path)


async def test_guests_stand_still_while_something_is_done(rig):
    hypervisor = rig.hypervisor
    one, paused, off = await rig.defined(), await rig.defined(), await rig.defined()
    await hypervisor.start(one)
    await hypervisor.start(paused, paused=True)

    async def work():
        return await rig.stands_still(one), await rig.stands_still(paused)
    result, _ = await hypervisor.volumes.still((one, paused, off), work, at_most=30)
    assert result[0]
    assert await hypervisor.state(one) is DomainState.RUNNING and not await rig.stands_still(one)
    assert await hypervisor.state(paused) is DomainState.PAUSED and await hypervisor.state(off) is DomainState.SHUTOFF


async def test_guests_go_on_when_what_is_done_takes_too_long_or_fails(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    await hypervisor.start(server_id)

    async def fails():
        raise OSError("no room")
    with pytest.raises(TooLong, match="10 ms"):
        await hypervisor.volumes.still((server_id,), asyncio.Event().wait, at_most=0.01)
    with pytest.raises(OSError, match="no room"):
        await hypervisor.volumes.still((server_id,), fails, at_most=30)
    assert await hypervisor.state(server_id) is DomainState.RUNNING and not await rig.stands_still(server_id)


async def test_layers_are_merged_under_a_running_guest(rig, files):
    hypervisor, server_id = rig.hypervisor, await rig.defined()
    bottom = files.volume()
    third = files.above(second := files.above(first := files.above(bottom)))
    await hypervisor.attach_disk(server_id, volume_disk(third))
    await hypervisor.start(server_id, paused=True)
    heard = []
    for _ in range(2):
        await hypervisor.volumes.commit(server_id, bottom.volume_id, second.path, first.path, lambda *at: heard.append(at))
    assert (await has(rig, server_id))[bottom.volume_id].layers == (third.path, first.path, bottom.path)
    for _ in range(2):
        await hypervisor.volumes.commit(server_id, bottom.volume_id, third.path, bottom.path)
    assert (await has(rig, server_id))[bottom.volume_id].layers == (bottom.path,)
    assert await rig.next_start(server_id, bottom.volume_id) == (bottom.path,)
    with pytest.raises(HypervisorError, match="below"):
        await hypervisor.volumes.commit(server_id, bottom.volume_id, bottom.path, first.path)


async def test_a_volume_moves_under_a_running_guest(rig, files):
    hypervisor, server_id = rig.hypervisor, await rig.defined()
    told = files.volume()
    Path(told.path).write_bytes(b"here I am".ljust(told.size, b"\0"))
    to = files.raw(told.volume_id, "elsewhere.raw")
    Path(to.path).write_bytes(b"old blocks" * 100 + bytes(to.size - 1000))
    await hypervisor.attach_disk(server_id, volume_disk(told))
    with pytest.raises(HypervisorError, match="off"):
        await hypervisor.volumes.mirror(server_id, told.volume_id, to)
    await hypervisor.start(server_id, paused=True)
    heard = []
    for _ in range(2):
        await hypervisor.volumes.mirror(server_id, told.volume_id, to, progress=lambda *at: heard.append(at))
    assert heard and heard[-1][0] == heard[-1][1] > 0
    assert (await has(rig, server_id))[told.volume_id].layers == (to.path,) == await rig.next_start(server_id, told.volume_id)
    await hypervisor.destroy(server_id)
    assert Path(to.path).read_bytes()[:1000] == b"here I am".ljust(1000, b"\0")
    await hypervisor.start(server_id, paused=True)
    assert (await has(rig, server_id))[told.volume_id].layers == (to.path,)


async def test_what_is_not_there_has_no_volumes(rig):
    volumes = rig.hypervisor.volumes
    await volumes.abort(ABSENT, ABSENT)
    told = Connection(ABSENT, Kind.FILE, "/nonexistent", "raw", MIB)
    for call in (volumes.attached(ABSENT), volumes.limit(ABSENT, ABSENT, Limits()), volumes.mirror(ABSENT, ABSENT, told),
                 volumes.commit(ABSENT, ABSENT, "/a", "/b"), volumes.switch([Switch(ABSENT, told)])):
        with pytest.raises(DomainNotFound):
            await call
