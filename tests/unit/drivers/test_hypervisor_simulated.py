"""What the simulated hypervisor offers beyond the interface: faults, guests with a will of their own, an end of the daemon."""

import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.append(str(Path(__file__).parents[2] / "guest" / "hypervisor"))

from hv_rig import Rig, config_below, content_of  # noqa: E402

from cloudd.core.disks.qcow2 import empty_qcow2  # noqa: E402
from cloudd.drivers.hypervisor.base import (  # noqa: E402
    DomainState,
    EventKind,
    HypervisorDown,
    HypervisorError,
    NicSpec,
    NotLetGo,
)
from cloudd.drivers.hypervisor.simulated import SimulatedHypervisor  # noqa: E402


@pytest_asyncio.fixture
async def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hv")
    image = folder / "image"
    image.write_bytes(b"a raw image" * 1000)
    made = await Rig(SimulatedHypervisor, config_below(folder, boot_seconds=0.001), image, "raw", patience=5).open()
    yield made
    await made.hypervisor.close()


async def test_fails_at_the_nth_call_and_then_works(rig):
    hypervisor = rig.hypervisor
    hypervisor.fail("define", nth=2)
    spec = await rig.spec()
    await hypervisor.define(spec)
    with pytest.raises(HypervisorError, match="define"):
        await hypervisor.define(spec)
    await hypervisor.define(spec)
    hypervisor.fail("create_blank_disk", error=OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        await hypervisor.disks.create_blank_disk(spec.server_id, "swap", 1)
    hypervisor.fail("start")
    hypervisor.heal()
    await hypervisor.start(spec.server_id)


async def test_guests_act_by_themselves(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.booted()
    hypervisor.guest_powers_off(server_id)
    assert (await rig.hears(events, EventKind.STOPPED, server_id)).detail == "shutdown"
    await hypervisor.start(server_id)
    hypervisor.guest_crashes(server_id)
    await rig.hears(events, EventKind.CRASHED, server_id)
    assert await hypervisor.state(server_id) is DomainState.CRASHED
    await hypervisor.start(server_id)
    assert await hypervisor.state(server_id) is DomainState.RUNNING


async def test_what_was_begun_goes_on_after_a_restart(rig):
    server_id, other = await rig.defined(), await rig.booted()
    await rig.hypervisor.start(server_id)
    await rig.hypervisor.attach_nic(other, NicSpec("port", "fa:16:3e:00:00:01", "tap0"))
    await rig.hypervisor.shutdown(other)
    hypervisor = await rig.reopen()
    await rig.says(server_id, b"login:")
    await rig.becomes(other, DomainState.SHUTOFF)
    assert hypervisor.devices(other) == (frozenset({"root", "config"}), frozenset({"port"}))


async def test_a_hypervisor_that_is_down_says_so(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.defined()
    hypervisor.down("pulled the plug")
    with pytest.raises(HypervisorDown, match="pulled"):
        await hypervisor.start(server_id)
    await rig.hears(events, EventKind.DISCONNECTED, None)
    hypervisor.up()
    await rig.hears(events, EventKind.RECONNECTED, None)
    await hypervisor.start(server_id)


async def test_redefining_a_running_guest_changes_its_next_start(rig):
    hypervisor = rig.hypervisor
    spec = await rig.spec(nics=(NicSpec("one", "fa:16:3e:00:00:01", "tap1"),))
    await hypervisor.define(spec)
    await hypervisor.start(spec.server_id)
    await hypervisor.define(await rig.spec(spec.server_id, nics=()))
    assert hypervisor.devices(spec.server_id)[1] == {"one"}
    await hypervisor.destroy(spec.server_id)
    assert hypervisor.devices(spec.server_id)[1] == frozenset()


async def test_a_snapshot_of_a_raw_image_is_still_a_valid_qcow2(rig):
    server_id = await rig.defined()
    target = Path(rig.config.instances_dir, server_id, "snapshot")
    await rig.hypervisor.export_disk(server_id, "root", target)
    assert content_of(target) == empty_qcow2(1 << 30)
    await rig.hypervisor.export_disk(server_id, "root", target, "raw")
    assert content_of(target) == content_of(rig.image)


async def test_a_guest_that_does_not_let_go_keeps_its_disk_and_tells_when_it_does_so_later(rig):
    hypervisor, events = rig.hypervisor, rig.hypervisor.events()
    server_id = await rig.booted()
    volume = rig.volume(server_id)
    await hypervisor.attach_disk(server_id, volume)
    hypervisor.guest_holds(server_id, volume.id)
    for _ in range(2):
        with pytest.raises(NotLetGo):
            await hypervisor.detach_disk(server_id, volume.id)
        (one,) = await hypervisor.volumes.attached(server_id)
        assert one.live and one.defined
    hypervisor.guest_lets_go(server_id, volume.id)
    assert (await rig.hears(events, EventKind.DISK_GONE, server_id)).detail == volume.id
    (one,) = await hypervisor.volumes.attached(server_id)
    assert not one.live and one.defined
    await hypervisor.detach_disk(server_id, volume.id)
    assert await hypervisor.volumes.attached() == ()
