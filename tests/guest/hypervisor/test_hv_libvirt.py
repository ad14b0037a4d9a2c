"""What only real guests can show: taps, config drives, kernels, a guest that powers itself off, libvirt going away."""

import asyncio
import contextlib
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hv_rig import GUEST, Rig

from cloudd.drivers.hypervisor.base import (
    DomainState,
    EventKind,
    Hardware,
    HypervisorDown,
    KernelBoot,
    NicSpec,
    SerialLine,
    Unsupported,
)
from cloudd.drivers.hypervisor.libvirt import LibvirtHypervisor
from cloudd.drivers.network.linux import netns

NIC = NicSpec("11111111-2222-4333-8444-00000000000a", "fa:16:3e:00:00:0a", "hvtap-a")
OTHER_NIC = NicSpec("11111111-2222-4333-8444-00000000000b", "fa:16:3e:00:00:0b", "hvtap-b")


class Shell:
    """A login on the guest's serial line."""

    def __init__(self, rig: Rig, line: SerialLine):
        self._rig, self._line, self._seen = rig, line, b""

    async def login(self) -> "Shell":
        await self._line.write(b"\r")
        await self.expect(b"login: ")
        await self._line.write(b"cirros\r")
        await self.expect(b"assword: ")
        await self._line.write(b"gocubsgo\r")
        await self.expect(b"$ ", b"# ")
        return self

    async def run(self, command: str) -> str:
        await self._line.write(f"{command}; echo done=$?=\r".encode())
        return re.sub(r"\r", "", (await self.expect(b"done=0=")).decode())

    async def expect(self, *words: bytes) -> bytes:
        async with asyncio.timeout(self._rig.patience):
            while not any(word in self._seen for word in words):
                data = await self._line.read()
                assert data, f"the line ended; it said {self._seen!r}"
                self._seen += data
        text, self._seen = self._seen, b""
        return text

    async def send(self, command: str) -> None:
        await self._line.write(command.encode() + b"\r")


def tap_exists(name: str) -> bool:
    return Path("/sys/class/net", name).exists()


async def test_taps_are_there_while_paused_and_go_with_the_guest(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined(nics=(NIC,))
    await hypervisor.start(server_id, paused=True)
    assert tap_exists(NIC.tap)
    await hypervisor.attach_nic(server_id, OTHER_NIC)
    assert tap_exists(OTHER_NIC.tap)
    await hypervisor.save(server_id)
    assert not tap_exists(NIC.tap)
    await hypervisor.restore(server_id, paused=True)
    assert tap_exists(NIC.tap) and tap_exists(OTHER_NIC.tap)
    await hypervisor.destroy(server_id)
    assert not tap_exists(NIC.tap)


def take(tap: str, namespace: str) -> None:
    with netns.route("") as ip, open(netns.path(namespace), "rb") as there:
        ip.link("set", ifname=tap, net_ns_fd=there.fileno())


async def test_a_tap_is_told_of_while_the_guest_still_starts_and_may_be_taken_elsewhere_at_once(rig):
    """libvirt names it no more by then, or the start would fail."""
    elsewhere, taps = f"hv-{os.getpid()}", asyncio.Event()
    server_id = await rig.defined(nics=(NIC,))
    await asyncio.to_thread(netns.create, elsewhere)
    try:
        starting = asyncio.ensure_future(rig.hypervisor.start(server_id, paused=True, taps=taps))
        async with asyncio.timeout(rig.patience):
            await taps.wait()
        assert tap_exists(NIC.tap) and not starting.done()
        await asyncio.to_thread(take, NIC.tap, elsewhere)
        await starting
        assert not tap_exists(NIC.tap)
        await rig.hypervisor.resume(server_id)
        assert await rig.hypervisor.state(server_id) is DomainState.RUNNING
    finally:
        await rig.hypervisor.destroy(server_id)
        await asyncio.to_thread(netns.remove, elsewhere)


async def test_a_guest_sees_its_devices_and_powers_itself_off(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.booted(nics=(NIC,))
    await rig.says(server_id, b"user-data was here")
    shell = await Shell(rig, await hypervisor.consoles.open_serial(server_id)).login()
    assert NIC.mac in await shell.run("ip link")
    volume = rig.volume(server_id)
    await hypervisor.attach_disk(server_id, volume)
    await hypervisor.attach_nic(server_id, OTHER_NIC)
    told = await shell.run("sleep 1; lsblk -b; cat /sys/block/vdb/serial; ip link; cat /sys/class/dmi/id/product_name")
    assert f"{64 << 20}" in told and volume.serial[:20] in told and OTHER_NIC.mac in told and "OpenStack Nova" in told
    await hypervisor.resize_disk(server_id, volume.id, 96 << 20)
    assert f"{96 << 20}" in await shell.run("sleep 1; lsblk -b")
    await hypervisor.detach_disk(server_id, volume.id)
    await hypervisor.detach_nic(server_id, OTHER_NIC.port_id)
    told = await shell.run("lsblk; ip link")
    assert "vdb" not in told and OTHER_NIC.mac not in told and not tap_exists(OTHER_NIC.tap)
    await shell.send("sudo poweroff")
    assert (await rig.hears(events, EventKind.STOPPED, server_id)).detail == "shutdown"
    events.close()


async def test_reset_and_reboot_keep_the_taps(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.booted(nics=(NIC,))
    await hypervisor.reset(server_id)
    await rig.says(server_id, b"login:", times=2)
    assert tap_exists(NIC.tap)
    shell = await Shell(rig, await hypervisor.consoles.open_serial(server_id)).login()
    await shell.send("sudo reboot")
    await rig.says(server_id, b"boot finished", times=3)
    assert tap_exists(NIC.tap) and await hypervisor.state(server_id) is DomainState.RUNNING


async def test_a_server_from_kernel_and_ramdisk_images(rig):
    disks, server_id = rig.hypervisor.disks, rig.new_id()
    spec = await rig.spec(server_id)
    for name, file, format in (("kernel", "testguest-vmlinuz", "aki"), ("ramdisk", "testguest-initrd", "ari"),
                               ("rootfs", "testguest-rootfs.img", "ami")):
        await disks.cache_image(name, GUEST / file, format)
    await disks.delete(server_id, "root")
    await disks.create_root_disk(server_id, "rootfs", 1 << 30)
    kernel = await disks.link_image(server_id, "kernel", "kernel")
    ramdisk = await disks.link_image(server_id, "ramdisk", "ramdisk")
    boot = KernelBoot(kernel.path, ramdisk.path, "root=/dev/vda console=tty0 console=ttyS0")
    await rig.hypervisor.define(replace(spec, kernel=boot))
    for name in ("kernel", "ramdisk", "rootfs"):
        await disks.drop_image(name)
    await rig.hypervisor.start(server_id)
    await rig.says(server_id, b"user-data was here")
    await rig.says(server_id, b"login:")


async def test_q35_boots_with_a_config_drive_on_scsi(rig):
    server_id = await rig.booted(machine="q35")
    await rig.says(server_id, b"user-data was here")
    volume = rig.volume(server_id)
    await rig.hypervisor.attach_disk(server_id, replace(volume, bus="scsi"))
    await rig.hypervisor.detach_disk(server_id, volume.id)


@pytest.mark.parametrize("hardware", [
    Hardware("reset", "lsilogic", boot_menu=True, hpet=True, pmu=False, hide_hypervisor=True, pointer="virtio", video_ram_mb=8),
    Hardware("pause", "lsisas1078", pointer=""), Hardware("poweroff", "lsisas1068"), Hardware("none")],
    ids=lambda hardware: hardware.scsi_model)
async def test_small_things_of_the_machine_are_taken(rig, hardware):
    spec = await rig.spec(hardware=hardware, video="vga")
    await rig.hypervisor.define(replace(spec, disks=tuple(replace(disk, bus="scsi") for disk in spec.disks)))
    await rig.hypervisor.start(spec.server_id, paused=True)
    assert await rig.hypervisor.state(spec.server_id) is DomainState.PAUSED


async def test_what_this_guest_or_machine_lacks_is_unsupported(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    await hypervisor.start(server_id)
    with pytest.raises(Unsupported, match="agent"):
        await hypervisor.set_admin_password(server_id, "root", "secret")
    await hypervisor.inject_nmi(server_id)
    with pytest.raises(Unsupported, match="vCPU"):
        await hypervisor.define(await rig.spec(vcpus=1000))
    if not hypervisor.caps().uefi:
        with pytest.raises(Unsupported, match="ovmf"):
            await hypervisor.define(await rig.spec(firmware="uefi"))


async def test_two_clouds_on_one_libvirt_do_not_see_each_other(rig):
    other = LibvirtHypervisor(replace(rig.config, cloud_id="hv-other"))
    await other.open()
    try:
        events = other.events()
        server_id = await rig.defined()
        await rig.hypervisor.start(server_id, paused=True)
        await rig.hypervisor.destroy(server_id)
        assert server_id not in {status.server_id for status in await other.list()}
        events.close()
        assert [event async for event in events] == []
    finally:
        await other.close()


class Proxy:
    """Stands between the driver and libvirt, so that it can go away without harming anybody else's guests."""

    def __init__(self, path: Path, target: str):
        self.path, self._target = path, target
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._joined, str(self.path))

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        self.path.unlink(missing_ok=True)

    async def _joined(self, reader, writer) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, there_writer]
        await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))

    async def _pass(self, reader, writer) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_libvirt_goes_away_and_comes_back(rig, state):
    proxy = Proxy(state / "proxy", "/run/libvirt/libvirt-sock")
    await proxy.start()
    hypervisor = LibvirtHypervisor(replace(rig.config, uri=f"qemu:///system?socket={proxy.path}"))
    await hypervisor.open()
    try:
        events = hypervisor.events()
        server_id = await rig.defined()
        await hypervisor.define(await rig.spec(server_id))
        await proxy.stop()
        await rig.hears(events, EventKind.DISCONNECTED, None)
        with pytest.raises(HypervisorDown):
            await hypervisor.state(server_id)
        with pytest.raises(HypervisorDown):
            await hypervisor.health()
        await proxy.start()
        await rig.hears(events, EventKind.RECONNECTED, None)
        await hypervisor.start(server_id, paused=True)
        await rig.hears(events, EventKind.STARTED, server_id)
        events.close()
    finally:
        await hypervisor.close()
        await proxy.stop()


async def test_a_libvirt_that_is_not_there(rig, state):
    hypervisor = LibvirtHypervisor(replace(rig.config, uri=f"qemu:///system?socket={state}/nobody"))
    with pytest.raises(HypervisorDown, match="nobody"):
        await hypervisor.open()
    await hypervisor.close()


async def test_the_guest_that_tries_virtualisation_runs(rig):
    """Emulated, it must run everywhere; else `auto` would call a good KVM bad."""
    from cloudd.drivers.hypervisor.libvirt import probe
    assert await rig.hypervisor._connection.run(
        lambda conn: probe.runs(conn, Path(rig.config.instances_dir), "qemu", "hv-probe"))
