"""What only real guests can show of volumes: what the guest sees and writes, and what becomes of it."""

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hv_volumes import MIB, SECRET, Made
from test_hv_libvirt import Proxy, Shell

from cloudd.drivers.hypervisor.base import DomainState, EventKind, NotLetGo, Switch, volume_disk
from cloudd.drivers.hypervisor.libvirt import LibvirtHypervisor
from cloudd.drivers.hypervisor.libvirt import driver as libvirt_driver
from cloudd.drivers.volume.base import Access, Encryption, SnapshotRef, VolumeConfig, VolumeRef, VolumeSpec
from cloudd.drivers.volume.file import FileVolumes

THERE = "until [ -b /dev/vdb ]; do sleep 0.2; done"             # a guest takes its time to see a new disk


@pytest.fixture
def files(rig):
    folder = Path(rig.config.instances_dir) / f"volumes-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    return Made(folder)


async def shell_of(rig, server_id) -> Shell:
    return await Shell(rig, await rig.hypervisor.consoles.open_serial(server_id)).login()


async def test_a_guest_finds_volumes_by_their_ids_sees_them_grow_and_another_reads_what_it_wrote(rig, files):
    hypervisor, virtio, scsi = rig.hypervisor, files.volume(), files.volume()
    server_id, other = await rig.defined(), await rig.defined()
    await hypervisor.attach_disk(server_id, volume_disk(scsi, bus="scsi"))
    await hypervisor.start(server_id)
    await rig.says(server_id, b"login:")
    shell = await shell_of(rig, server_id)
    assert await hypervisor.attach_disk(server_id, volume_disk(virtio)) == "vdb"
    assert virtio.volume_id[:20] in await shell.run(f"{THERE}; cat /sys/block/vdb/serial")
    for page in ("vpd_pg80", "vpd_pg83"):                           # what scsi-0QEMU_QEMU_HARDDISK_<id> is made of
        assert "\n1\n" in await shell.run(f"grep -c {scsi.volume_id} /sys/block/sda/device/{page}")
    await hypervisor.resize_disk(server_id, virtio.volume_id, 96 * MIB)
    assert str(96 * MIB // 512) in await shell.run("cat /sys/block/vdb/size")
    await shell.run("echo written-by-one | dd of=/dev/vdb conv=fsync 2>/dev/null")
    await hypervisor.detach_disk(server_id, virtio.volume_id)
    await hypervisor.destroy(server_id)
    await hypervisor.attach_disk(other, volume_disk(replace(virtio, size=96 * MIB)))
    await hypervisor.start(other)
    await rig.says(other, b"login:")
    assert "written-by-one" in await (await shell_of(rig, other)).run("head -c 14 /dev/vdb")


async def test_an_encrypted_volume_is_written_snapshotted_and_read_by_its_passphrase_only(rig, tmp_path):
    hypervisor = rig.hypervisor
    folder = Path(rig.config.instances_dir) / f"back-{uuid.uuid4().hex[:8]}"
    back = FileVolumes(VolumeConfig("files", str(folder), str(tmp_path), group=folder.parent.stat().st_gid))
    await back.open()
    how, volume_id, snapshot_id = Encryption(key_id=str(uuid.uuid4())), str(uuid.uuid4()), str(uuid.uuid4())
    await back.create_volume(VolumeSpec(volume_id, 32 * MIB, how), passphrase=SECRET)
    server_id = await rig.booted()
    shell, access = await shell_of(rig, server_id), Access(encryption=how)
    await hypervisor.attach_disk(server_id, volume_disk(await back.connect(volume_id, access), SECRET))
    assert str(32 * MIB // 512) in await shell.run(f"{THERE}; cat /sys/block/vdb/size")
    await shell.run("echo before-the-snapshot | dd of=/dev/vdb conv=fsync 2>/dev/null")
    to = await back.prepare_snapshot(volume_id, snapshot_id, access, SECRET)
    await hypervisor.volumes.switch([Switch(server_id, to)])
    await back.create_snapshot(volume_id, snapshot_id, in_use=True, passphrase=SECRET)
    await shell.run("echo after-the-snapshot | dd of=/dev/vdb bs=512 seek=8 conv=fsync 2>/dev/null")
    assert SECRET.value not in await rig.traces(server_id)
    assert len(await rig.secrets(server_id)) == 1
    await hypervisor.detach_disk(server_id, volume_id)
    assert not await rig.secrets(server_id)
    await back.disconnect(volume_id)
    for ref, later in ((SnapshotRef(snapshot_id), b"\0"), (VolumeRef(volume_id), b"after-the-snapshot")):
        disk = await back.open_disk(ref, passphrase=SECRET)
        assert (await disk.read(0, 512)).startswith(b"before-the-snapshot")
        assert (await disk.read(4096, 512)).startswith(later)
        await disk.close()
    assert not any(b"before-the-snapshot" in path.read_bytes() for path in Path(back.config.address).iterdir() if path.is_file())
    await back.delete_snapshot(snapshot_id)
    await back.delete_volume(volume_id)
    await back.close()


async def test_a_guest_that_does_not_let_go_in_time_has_its_disk_as_before_and_tells_when_it_does(rig, files, monkeypatch):
    monkeypatch.setattr(libvirt_driver, "DETACH_TRIES", 2)
    monkeypatch.setattr(libvirt_driver, "DETACH_SECONDS", 0.5)
    hypervisor, told, events = rig.hypervisor, files.volume(), rig.hypervisor.events()
    server_id = await rig.booted()
    await hypervisor.attach_disk(server_id, volume_disk(told))
    await hypervisor.pause(server_id)
    with pytest.raises(NotLetGo):
        await hypervisor.detach_disk(server_id, told.volume_id)
    (one,) = await hypervisor.volumes.attached(server_id)
    assert one.live and one.defined
    await hypervisor.resume(server_id)
    assert (await rig.hears(events, EventKind.DISK_GONE, server_id)).detail == told.volume_id
    await hypervisor.detach_disk(server_id, told.volume_id)
    assert await hypervisor.volumes.attached(server_id) == ()


async def test_libvirt_goes_away_while_a_volume_moves(rig, files, state):
    proxy = Proxy(state / "proxy", "/run/libvirt/libvirt-sock")
    await proxy.start()
    hypervisor = LibvirtHypervisor(replace(rig.config, uri=f"qemu:///system?socket={proxy.path}"))
    await hypervisor.open()
    try:
        server_id, told = await rig.defined(), files.volume()
        to = files.raw(told.volume_id, "elsewhere.raw")
        await hypervisor.attach_disk(server_id, volume_disk(told))
        await hypervisor.start(server_id, paused=True)
        heard, restarts = [], []

        async def restart():
            await proxy.stop()
            await proxy.start()

        def progress(*at):
            if not heard:
                restarts.append(asyncio.ensure_future(restart()))
            heard.append(at)
        await hypervisor.volumes.mirror(server_id, told.volume_id, to, progress=progress)
        await asyncio.gather(*restarts)
        (one,) = await rig.hypervisor.volumes.attached(server_id)
        assert restarts and one.layers == (to.path,) and not one.job
    finally:
        await hypervisor.close()
        await proxy.stop()


async def test_a_copy_that_is_given_up_leaves_the_guest_where_it_is_and_one_under_way_is_joined(rig, files):
    hypervisor, told = rig.hypervisor, files.volume()
    server_id, to = await rig.defined(), files.raw(told.volume_id, "elsewhere.raw")
    await hypervisor.attach_disk(server_id, volume_disk(told))
    await hypervisor.start(server_id, paused=True)
    begun = asyncio.Event()

    def stop(*_):
        begun.set()
        raise OSError("the daemon is stopped")
    with pytest.raises(OSError, match="stopped"):
        await hypervisor.volumes.mirror(server_id, told.volume_id, to, progress=stop)
    (one,) = await hypervisor.volumes.attached(server_id)
    assert begun.is_set() and one.layers == (told.path,) and not one.job
    await hypervisor._connection.run(libvirt_begin_copy, server_id, to)
    (one,) = await hypervisor.volumes.attached(server_id)
    assert one.job == "copy"
    await hypervisor.volumes.mirror(server_id, told.volume_id, to)
    (one,) = await hypervisor.volumes.attached(server_id)
    assert one.layers == (to.path,) and not one.job


def libvirt_begin_copy(conn, server_id, to):
    from cloudd.drivers.hypervisor.libvirt import block_jobs
    block_jobs.begin_copy(conn, server_id, block_jobs.look(conn, server_id, to.volume_id).target, to)


async def test_a_guest_that_stood_still_when_the_daemon_was_killed_goes_on_at_its_next_start(rig):
    server_id, again = await rig.defined(), LibvirtHypervisor(rig.config)
    await rig.hypervisor.start(server_id)

    async def work():
        await again.open()
        return await rig.stands_still(server_id)
    stood, _ = await rig.hypervisor.volumes.still((server_id,), work, at_most=60)
    assert not stood and await again.state(server_id) is DomainState.RUNNING
    await again.close()


async def test_a_guest_without_an_agent_stands_still_all_the_same_and_is_not_told_to_be_at_rest(rig):
    server_id = await rig.booted()
    nothing = asyncio.Event()
    nothing.set()
    assert (await rig.hypervisor.volumes.still((server_id,), nothing.wait, at_most=30))[1] == frozenset()
