"""Whatever compute accepts of an image's or flavor's words about a guest's machine, libvirt defines: on every machine type."""

import itertools
import uuid
from dataclasses import replace

import pytest
import pytest_asyncio
from hv_rig import config_below

from cloudd.compute.boot import hardware
from cloudd.compute.boot import spec as boot_spec
from cloudd.core.errors import BadRequest
from cloudd.drivers.hypervisor.base import DiskSpec
from cloudd.drivers.hypervisor.libvirt import LibvirtHypervisor
from tests.realcloud import Libvirt
from tests.unit.compute.test_servers import FILES, FLAVOR, boot

BUSES = ("virtio", "scsi", "ide", "sata", "usb", "fdc", "xen", "uml", "lxc", "nvme")
NICS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "vmxnet3", "igb", "netfront")
VIDEOS = ("vga", "cirrus", "vmvga", "xen", "qxl", "gop", "virtio", "none", "bochs", "ramfb")
UNIVERSE = {
    **{name: values for name, values in hardware.VALUES.items() if values},
    "hw_disk_bus": BUSES, "hw_cdrom_bus": BUSES, "hw_rescue_bus": BUSES, "hw_vif_model": NICS, "hw_video_model": VIDEOS,
    "hw_firmware_type": ("bios", "uefi"), "hw_serial_port_count": tuple(str(number) for number in range(7)),
    "hw_cpu_sockets": ("1", "2", "4"), "hw_cpu_cores": ("1", "2", "4"), "hw_cpu_threads": ("1", "2", "3"),
    "hw_cpu_max_sockets": ("1", "2"), "hw_cpu_max_cores": ("1", "2"), "hw_cpu_max_threads": ("1", "2"),
    "os_type": ("windows", "linux"), "hw_qemu_guest_agent": ("yes", "no"),
}
"""All that Nova knows of a word that a domain is made from; what compute refuses of it is left out below."""
SPECS = {"quota:cpu_shares": ("1", "2", "1024", "262144", "262145"), "hw_rng:allowed": ("true", "false"),
         "hw:serial_port_count": ("0", "1", "4", "5"), "hw:watchdog_action": ("reset",)}
TOGETHER = (("hw_disk_bus", "hw_cdrom_bus"), ("hw_disk_bus", "hw_scsi_model"), ("hw_firmware_type", "hw_disk_bus"),
            ("hw_firmware_type", "hw_video_model"), ("hw_vif_model", "hw_vif_multiqueue_enabled"), ("hw_pointer_model", "hw_input_bus"),
            ("hw_video_model", "hw_input_bus"), ("hw_cpu_max_sockets", "hw_cpu_threads"))


@pytest_asyncio.fixture
async def hypervisor(tmp_path_factory):
    libvirt = Libvirt(tmp_path_factory.mktemp("libvirt"), [])
    libvirt.start()
    folder = tmp_path_factory.mktemp("hv")
    made = LibvirtHypervisor(config_below(folder, cloud_id="hv-accepted", uri=f"qemu:///system?socket={libvirt.socket}"))
    await made.open()
    yield made
    await made.close()
    libvirt.close()


def orders(caps):
    """Properties and extra specs, each value alone on each machine, and pairs of those that meddle with each other."""
    for machine in caps.machine_types:
        yield {"hw_machine_type": machine}, {}
    for machine in ("pc", "q35"):
        for name, values in UNIVERSE.items():
            yield from (({"hw_machine_type": machine, name: value}, {}) for value in values)
        for one, other in TOGETHER:
            yield from (({"hw_machine_type": machine, one: first, other: second}, {})
                        for first, second in itertools.product(UNIVERSE[one], UNIVERSE[other]))
        for name, values in SPECS.items():
            yield from (({"hw_machine_type": machine}, {name: value}) for value in values)
        for megabytes, model in itertools.product(("1", "16", "512"), VIDEOS):
            yield {"hw_machine_type": machine, "hw_video_ram": megabytes, "hw_video_model": model}, {"hw_video:ram_max_mb": "512"}


async def test_every_accepted_value_makes_a_domain_that_libvirt_defines(hypervisor):
    caps, accepted, refused = hypervisor.caps(), 0, []
    for properties, specs in orders(caps):
        try:
            boot_spec.require_possible(caps, {**FLAVOR, "extra_specs": specs}, properties)
        except BadRequest:
            continue
        accepted += 1
        server_id = str(uuid.uuid4())
        spec = boot_spec.domain(boot(properties, specs, id=server_id), FILES)
        try:
            await hypervisor.define(spec)
        except Exception as exc:
            refused.append((properties, specs, str(exc)))
        else:
            await hypervisor.undefine(server_id)
    assert not refused and accepted > 200, (accepted, refused)


@pytest.mark.parametrize(("disks", "bus"), [(1, "ide"), (2, "ide"), (3, "scsi"), (3, "sata"), (3, "usb"), (3, "virtio")])
async def test_as_many_disks_as_are_accepted_fit_beside_two_cds(hypervisor, disks, bus):
    rows = boot().disks * disks
    boot_spec.require_disks(hypervisor.caps(), FLAVOR, {}, [(bus, "disk")] * disks)
    server_id = str(uuid.uuid4())
    made = boot({"hw_disk_bus": bus}, id=server_id)
    files = {**FILES, "iso": FILES["config"]}
    spec = boot_spec.domain(made, files)
    extra = tuple(DiskSpec(f"more{number}", f"/x{number}", "raw", bus=bus) for number in range(len(rows) - 1))
    await hypervisor.define(replace(spec, disks=(*spec.disks, *extra)))
    await hypervisor.undefine(server_id)
