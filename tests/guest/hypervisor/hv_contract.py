"""What every hypervisor driver keeps to. Imported where it is run: tests/unit on the simulated one, beside here on libvirt."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hv_rig import content_of, names_in, size_of

from cloudd.drivers.hypervisor.base import (
    BadImage,
    DiskSpec,
    DomainNotFound,
    DomainState,
    EventKind,
    HypervisorError,
    NicSpec,
)

GIB = 1 << 30
ABSENT = "00000000-0000-4000-8000-00000000dead"
QCOW2_WITH_BACKING = b"QFI\xfb" + (3).to_bytes(4, "big") + (512).to_bytes(8, "big") + (11).to_bytes(4, "big") + bytes(1000)


# -- on and off ---------------------------------------------------------------------------------------------------------

async def test_a_paused_start_then_resume_then_destroy(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.defined()
    assert await hypervisor.state(server_id) is DomainState.SHUTOFF
    await hypervisor.start(server_id, paused=True)
    assert await hypervisor.state(server_id) is DomainState.PAUSED
    await hypervisor.start(server_id, paused=True)
    await rig.hears(events, EventKind.STARTED, server_id)
    await hypervisor.resume(server_id)
    await hypervisor.resume(server_id)
    assert await hypervisor.state(server_id) is DomainState.RUNNING
    await rig.hears(events, EventKind.RESUMED, server_id)
    await hypervisor.destroy(server_id)
    await hypervisor.destroy(server_id)
    assert await hypervisor.state(server_id) is DomainState.SHUTOFF
    assert (await rig.hears(events, EventKind.STOPPED, server_id)).detail == "destroyed"
    events.close()


async def test_who_starts_a_guest_is_told_when_its_taps_are_there(rig):
    server_id, taps = await rig.defined(), asyncio.Event()
    await rig.hypervisor.start(server_id, paused=True, taps=taps)
    assert taps.is_set()
    taps.clear()
    await rig.hypervisor.start(server_id, paused=True, taps=taps)
    assert taps.is_set()
    await rig.hypervisor.save(server_id)
    taps.clear()
    await rig.hypervisor.restore(server_id, paused=True, taps=taps)
    assert taps.is_set()


async def test_a_start_that_fails_tells_of_no_taps(rig):
    server_id, taps = await rig.defined(), asyncio.Event()
    await rig.hypervisor.disks.delete(server_id, "root")
    with pytest.raises(HypervisorError):
        await rig.hypervisor.start(server_id, paused=True, taps=taps)
    assert not taps.is_set()


async def test_pause_tells_and_may_be_repeated(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.defined()
    await hypervisor.start(server_id)
    await hypervisor.pause(server_id)
    await hypervisor.pause(server_id)
    assert await hypervisor.state(server_id) is DomainState.PAUSED
    assert (await rig.hears(events, EventKind.PAUSED, server_id)).detail == "user"
    events.close()


async def test_what_is_not_there(rig):
    hypervisor = rig.hypervisor
    await hypervisor.destroy(ABSENT)
    await hypervisor.undefine(ABSENT)
    await hypervisor.detach_disk(ABSENT, "x")
    await hypervisor.detach_nic(ABSENT, "x")
    await hypervisor.disks.delete(ABSENT)
    assert await hypervisor.disks.find(ABSENT, "root") is None
    assert await hypervisor.disks.usage(ABSENT) == ()
    assert await hypervisor.consoles.log(ABSENT) == b""
    nic = NicSpec("p", "fa:16:3e:00:00:01", "hvtap0")
    for call in (hypervisor.state(ABSENT), hypervisor.start(ABSENT), hypervisor.pause(ABSENT), hypervisor.resume(ABSENT),
                 hypervisor.shutdown(ABSENT), hypervisor.reset(ABSENT), hypervisor.save(ABSENT), hypervisor.restore(ABSENT),
                 hypervisor.stats(ABSENT), hypervisor.attach_nic(ABSENT, nic), hypervisor.consoles.open_serial(ABSENT),
                 hypervisor.consoles.open_vnc(ABSENT), hypervisor.resize_disk(ABSENT, "root", GIB)):
        with pytest.raises(DomainNotFound):
            await call


async def test_what_a_guest_that_is_off_cannot(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    for call in (hypervisor.pause(server_id), hypervisor.resume(server_id), hypervisor.reset(server_id),
                 hypervisor.save(server_id), hypervisor.restore(server_id), hypervisor.consoles.open_serial(server_id),
                 hypervisor.consoles.open_vnc(server_id), hypervisor.inject_nmi(server_id),
                 hypervisor.set_admin_password(server_id, "root", "secret")):
        with pytest.raises(HypervisorError):
            await call
    await hypervisor.shutdown(server_id)
    assert (await hypervisor.stats(server_id)).state is DomainState.SHUTOFF


async def test_define_twice_then_undefine_twice(rig):
    hypervisor = rig.hypervisor
    spec = await rig.spec()
    await hypervisor.define(spec)
    await hypervisor.define(spec)
    assert spec.server_id in {status.server_id for status in await hypervisor.list()}
    await hypervisor.start(spec.server_id)
    await hypervisor.undefine(spec.server_id)
    await hypervisor.undefine(spec.server_id)
    assert spec.server_id not in {status.server_id for status in await hypervisor.list()}
    with pytest.raises(DomainNotFound):
        await hypervisor.state(spec.server_id)
    assert await hypervisor.disks.find(spec.server_id, "root") is not None


async def test_a_disk_that_is_missing_fails_the_start(rig):
    server_id = await rig.defined()
    await rig.hypervisor.disks.delete(server_id, "root")
    with pytest.raises(HypervisorError, match="No such file|access storage"):
        await rig.hypervisor.start(server_id)
    assert await rig.hypervisor.state(server_id) is DomainState.SHUTOFF


async def test_guests_outlive_the_daemon(rig):
    server_id = await rig.defined()
    await rig.hypervisor.start(server_id, paused=True)
    hypervisor = await rig.reopen()
    states = {status.server_id: status.state for status in await hypervisor.list()}
    assert states[server_id] is DomainState.PAUSED
    events = hypervisor.events()
    await hypervisor.destroy(server_id)
    await rig.hears(events, EventKind.STOPPED, server_id)
    events.close()


async def test_the_machine_tells_about_itself(rig):
    await rig.hypervisor.health()
    host, caps = await rig.hypervisor.host(), rig.hypervisor.caps()
    assert host.vcpus > 0 and host.memory_mb > host.memory_used_mb > 0 and host.disk_gb > 0
    assert host.hypervisor_type == "QEMU" and host.hypervisor_version > 1_000_000
    assert host.cpu.model and host.cpu.features and " up " in host.uptime
    assert caps.default_machine in caps.machine_types and "virtio" in caps.disk_buses and caps.max_vcpus >= 2


# -- a guest that has booted --------------------------------------------------------------------------------------------

async def test_boots_shares_its_serial_line_and_obeys_the_power_button(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.defined()
    await hypervisor.start(server_id, paused=True)
    one, two = await hypervisor.consoles.open_serial(server_id), await hypervisor.consoles.open_serial(server_id)
    await hypervisor.resume(server_id)
    await _reads(rig, one, b"login:")
    await _reads(rig, two, b"login:")
    await rig.says(server_id, b"login:")
    await one.write(b"nobody-here\r")
    await _reads(rig, two, b"nobody-here")
    await rig.says(server_id, b"nobody-here")
    await one.close()
    assert len(await hypervisor.consoles.log(server_id, 10)) == 10
    await hypervisor.shutdown(server_id)
    await hypervisor.shutdown(server_id)
    assert (await rig.hears(events, EventKind.STOPPED, server_id)).detail == "shutdown"
    assert await hypervisor.state(server_id) is DomainState.SHUTOFF
    await _ends(rig, two)
    events.close()


async def test_save_and_restore_go_on_where_it_was(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.booted()
    await hypervisor.save(server_id)
    await hypervisor.save(server_id)
    assert await hypervisor.state(server_id) is DomainState.SUSPENDED
    await rig.hears(events, EventKind.SUSPENDED, server_id)
    await hypervisor.restore(server_id, paused=True)
    assert await hypervisor.state(server_id) is DomainState.PAUSED
    await hypervisor.resume(server_id)
    line = await hypervisor.consoles.open_serial(server_id)
    await line.write(b"still-here\r")
    await _reads(rig, line, b"still-here")
    assert (await hypervisor.consoles.log(server_id)).count(b"Linux version") <= 1
    events.close()


async def test_a_fresh_start_forgets_saved_memory(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    await hypervisor.start(server_id)
    await hypervisor.save(server_id)
    await hypervisor.start(server_id, paused=True)
    await hypervisor.destroy(server_id)
    assert await hypervisor.state(server_id) is DomainState.SHUTOFF


async def test_devices_come_and_go_in_a_running_guest(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.booted()
    volume = rig.volume(server_id)
    assert await hypervisor.attach_disk(server_id, volume) == "vdb"
    assert await hypervisor.attach_disk(server_id, volume) == "vdb"
    await hypervisor.resize_disk(server_id, volume.id, 128 << 20)
    assert size_of(volume.path) == 128 << 20
    assert {disk.target for disk in (await hypervisor.stats(server_id)).disks} == {"vda", "hda", "vdb"}
    nic = NicSpec("11111111-2222-4333-8444-000000000001", "fa:16:3e:00:00:09", "hvtap9")
    await hypervisor.attach_nic(server_id, nic)
    await hypervisor.attach_nic(server_id, nic)
    await hypervisor.detach_nic(server_id, nic.port_id)
    await hypervisor.detach_nic(server_id, nic.port_id)
    await hypervisor.detach_disk(server_id, volume.id)
    await hypervisor.detach_disk(server_id, volume.id)
    assert {disk.target for disk in (await hypervisor.stats(server_id)).disks} == {"vda", "hda"}
    await _live_export(rig, server_id)


async def _live_export(rig, server_id):
    target = Path(rig.config.instances_dir, server_id, "snapshot-live")
    await rig.hypervisor.export_disk(server_id, "root", target)
    assert content_of(target)[:4] == b"QFI\xfb" and int.from_bytes(content_of(target)[24:32], "big") > 0
    assert await rig.hypervisor.state(server_id) is DomainState.RUNNING


# -- devices and disks of a guest that is off ---------------------------------------------------------------------------

async def test_devices_of_a_guest_that_is_off_are_there_at_its_start(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    volume, other = rig.volume(server_id), rig.volume(server_id)
    assert await hypervisor.attach_disk(server_id, volume) == "vdb"
    assert await hypervisor.attach_disk(server_id, other) == "vdc"
    await hypervisor.detach_disk(server_id, volume.id)
    await hypervisor.start(server_id, paused=True)
    assert {disk.target for disk in (await hypervisor.stats(server_id)).disks} == {"vda", "hda", "vdc"}
    with pytest.raises(HypervisorError):
        await hypervisor.resize_disk(server_id, volume.id, GIB)


async def test_export_of_a_guest_that_is_off(rig):
    server_id = await rig.defined()
    target = Path(rig.config.instances_dir, server_id, "snapshot")
    await rig.hypervisor.export_disk(server_id, "root", target)
    assert content_of(target)[:4] == b"QFI\xfb"
    raw = target.with_name("snapshot-raw")
    await rig.hypervisor.export_disk(server_id, "root", raw, "raw")
    assert size_of(raw) > 0
    # what was exported is a complete image
    await rig.hypervisor.disks.cache_image(f"snapshot-{server_id}", target, "qcow2")
    await rig.hypervisor.disks.drop_image(f"snapshot-{server_id}")


async def test_screen_greets(rig):
    hypervisor = rig.hypervisor
    server_id = await rig.defined()
    await hypervisor.start(server_id)
    reader, writer = await hypervisor.consoles.open_vnc(server_id)
    assert await asyncio.wait_for(reader.readexactly(12), 10) == b"RFB 003.008\n"
    writer.close()
    assert (await hypervisor.consoles.screenshot(server_id)).startswith(b"\x89PNG")


async def test_guest_without_serial_line_or_screen(rig):
    server_id = await rig.defined(serial_ports=0, vnc=False)
    await rig.hypervisor.start(server_id, paused=True)
    for call in (rig.hypervisor.consoles.open_serial(server_id), rig.hypervisor.consoles.open_vnc(server_id)):
        with pytest.raises(HypervisorError):
            await call


async def test_root_disk_is_made_once_and_grows(rig):
    disks = rig.hypervisor.disks
    server_id = (await rig.spec()).server_id
    first = await disks.find(server_id, "root")
    assert first.size == GIB and first.format == "qcow2"
    assert await disks.create_root_disk(server_id, "image", 2 * GIB) == first
    assert (await disks.resize(server_id, "root", 2 * GIB)).size == 2 * GIB
    assert (await disks.resize(server_id, "root", GIB)).size == 2 * GIB
    assert len(await disks.usage(server_id)) == 2 and server_id in await disks.owners()
    await disks.delete(server_id)
    assert server_id not in await disks.owners()


async def test_an_image_larger_than_the_disk_is_refused(rig):
    await rig.hypervisor.disks.cache_image("image", rig.image_data, rig.image_format)
    with pytest.raises(HypervisorError, match="flavor"):
        await rig.hypervisor.disks.create_root_disk(rig.new_id(), "image", 1 << 20)
    with pytest.raises(HypervisorError, match="cache"):
        await rig.hypervisor.disks.create_root_disk(rig.new_id(), "never-seen", GIB)


async def test_blank_disks(rig):
    disks, server_id = rig.hypervisor.disks, rig.new_id()
    assert (await disks.create_blank_disk(server_id, "ephemeral0", GIB, "ext4", "ephemeral0")).size == GIB
    assert (await disks.create_blank_disk(server_id, "swap", 64 << 20, "swap")).size == 64 << 20
    assert (await disks.create_blank_disk(server_id, "plain", 1 << 20)).format == "raw"
    assert {Path(disk.path).name for disk in await disks.usage(server_id)} == {"ephemeral0", "swap", "plain"}
    await disks.delete(server_id, "swap")
    assert await disks.find(server_id, "swap") is None


async def test_callers_for_one_image_share_one_fetch(rig):
    fetches = []

    async def slow():
        fetches.append(1)
        for _ in range(3):
            await asyncio.sleep(0)
            yield bytes(4096) + b"x" * 4096
    disks = rig.hypervisor.disks
    got = await asyncio.gather(*(disks.cache_image("shared", slow, "raw") for _ in range(5)))
    assert len(fetches) == 1 and len({file.path for file in got}) == 1 and got[0].size == 3 * 8192
    assert content_of(got[0].path) == (bytes(4096) + b"x" * 4096) * 3
    await disks.drop_image("shared")
    assert "shared" not in await disks.cached_images()


async def test_a_failed_fetch_leaves_nothing_and_may_be_tried_again(rig):
    async def broken():
        yield b"half"
        raise OSError("the store went away")

    async def whole():
        yield b"whole"
    disks = rig.hypervisor.disks
    with pytest.raises(OSError):
        await disks.cache_image("broken", broken, "raw")
    assert "broken" not in await disks.cached_images()
    assert (await disks.cache_image("broken", whole, "raw")).size == 5
    await disks.drop_image("broken")
    assert not [name for name in names_in(rig.config.cache_dir) if name.startswith("broken")]


@pytest.mark.parametrize("content, format", [
    (QCOW2_WITH_BACKING, "qcow2"), (b"no image at all" * 100, "qcow2"), (b"KDMV" + bytes(600), "vmdk"), (b"x", "docker")])
async def test_bad_images_are_refused(rig, content, format):
    async def data():
        yield content
    with pytest.raises(BadImage):
        await rig.hypervisor.disks.cache_image("bad", data, format)
    assert "bad" not in await rig.hypervisor.disks.cached_images()


async def test_a_disk_outlives_its_image_in_the_cache(rig):
    disks = rig.hypervisor.disks
    server_id = await rig.defined()
    await disks.drop_image("image")
    with pytest.raises(HypervisorError, match="cache"):
        await disks.link_image(server_id, "kernel", "image")
    await rig.hypervisor.start(server_id, paused=True)


async def test_names_cannot_leave_the_directory(rig):
    disks = rig.hypervisor.disks
    for call in (disks.delete("..", None), disks.delete("a/b"), disks.find(ABSENT, "../x"),
                 disks.create_blank_disk(ABSENT, "../../x", 1), disks.create_root_disk("", "image", GIB)):
        with pytest.raises(HypervisorError):
            await call


async def test_a_volume_without_a_file_is_refused(rig):
    with pytest.raises(HypervisorError, match="No such file"):
        await rig.hypervisor.attach_disk(await rig.defined(), DiskSpec("v", "/nonexistent/volume", "raw"))


async def test_odd_names_do_no_harm(rig):
    spec = await rig.spec()
    notes = replace(spec.notes, display_name="<b>&\x00\x07\ud800 ü", project_id="p", project_name="\"'")
    await rig.hypervisor.define(replace(spec, notes=notes))
    await rig.hypervisor.start(spec.server_id, paused=True)


async def test_another_machine_type(rig):
    server_id = rig.new_id()
    spec = await rig.spec(server_id, machine="q35")
    await rig.hypervisor.define(spec)
    await rig.hypervisor.start(server_id, paused=True)
    volume = rig.volume(server_id)
    assert await rig.hypervisor.attach_disk(server_id, volume) == "vdb"


async def _reads(rig, line, words: bytes) -> None:
    text = b""
    async with asyncio.timeout(rig.patience):
        while words not in text:
            data = await line.read()
            assert data, f"the line ended; it said {text!r}"
            text += data


async def _ends(rig, line) -> None:
    async with asyncio.timeout(rig.patience):
        while await line.read():
            pass
