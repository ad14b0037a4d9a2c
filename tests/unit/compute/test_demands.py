"""Every extra spec of nova/api/validation/extra_specs and every property of nova/objects/image_meta.py, and what becomes of it.

OBEYED changes the guest's domain or the server; REFUSED is 400; NO_HOST is "No valid host"; HARMLESS asks nothing of the machine.
"""

import pytest

from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.config import CONFIG
from cloudd.compute.hosts import demands
from cloudd.core.errors import BadRequest, NoCapacity
from cloudd.drivers.hypervisor.simulated.driver import CAPS
from tests.unit.compute.test_servers import FILES, FLAVOR, boot

OBEYED, REFUSED, NO_HOST, HARMLESS = "obeyed", "refused", "no host", "harmless"
SPECS = {
    "accel:device_profile": ("fpga", REFUSED), "pci_passthrough:alias": ("gpu:1", REFUSED),
    "capabilities:hypervisor_type": ("xen", NO_HOST), "capabilities:unheard_of": ("QEMU", NO_HOST),
    "capabilities:cpu_info:features": ("<in> avx2", NO_HOST), "capabilities:vcpus_total": (">= 1000000", NO_HOST),
    "hide_hypervisor_id": ("true", OBEYED), "hw:hide_hypervisor_id": ("true", OBEYED), "hw:boot_menu": ("true", OBEYED),
    "hw:cpu_sockets": ("2", OBEYED), "hw:cpu_cores": ("2", OBEYED), "hw:cpu_threads": ("2", OBEYED),
    "hw:cpu_max_sockets": ("1", OBEYED), "hw:cpu_max_cores": ("2", OBEYED), "hw:cpu_max_threads": ("1", OBEYED),
    "hw:cpu_policy": ("dedicated", REFUSED), "hw:cpu_thread_policy": ("require", REFUSED),
    "hw:emulator_threads_policy": ("isolate", REFUSED), "hw:cpu_realtime": ("true", REFUSED),
    "hw:cpu_realtime_mask": ("^0", REFUSED), "hw:cpu_dedicated_mask": ("0-1", REFUSED), "hw:input_bus": ("virtio", OBEYED),
    "hw:locked_memory": ("true", REFUSED), "hw:machine_type": ("q35", OBEYED), "hw:maxphysaddr_mode": ("emulate", REFUSED),
    "hw:maxphysaddr_bits": ("42", REFUSED), "hw:mem_encryption": ("true", REFUSED), "hw:mem_encryption_model": ("amd-sev", REFUSED),
    "hw:mem_page_size": ("large", REFUSED), "hw:numa_nodes": ("2", REFUSED), "hw:numa_cpus.0": ("0-1", REFUSED),
    "hw:numa_mem.0": ("64", REFUSED), "hw:pci_numa_affinity_policy": ("required", HARMLESS), "hw:pmem": ("big", REFUSED),
    "hw:pmu": ("false", OBEYED), "hw:serial_port_count": ("2", OBEYED), "hw:sound_model": ("ac97", REFUSED),
    "hw:time_hpet": ("true", OBEYED), "hw:tpm_model": ("tpm-crb", REFUSED), "hw:tpm_secret_security": ("host", REFUSED),
    "hw:tpm_version": ("2.0", REFUSED), "hw:usb_model": ("ehci", REFUSED), "hw:redirected_usb_ports": ("3", REFUSED),
    "hw:vif_multiqueue_enabled": ("true", OBEYED), "hw:viommu_model": ("intel", REFUSED), "hw:virtio_packed_ring": ("true", REFUSED),
    "hw:watchdog_action": ("reset", OBEYED), "hw_rng:allowed": ("false", OBEYED), "hw_rng:rate_bytes": ("100", REFUSED),
    "hw_rng:rate_period": ("100", REFUSED), "hw_video:ram_max_mb": ("64", HARMLESS), "os:secure_boot": ("required", REFUSED),
    "quota:cpu_shares": ("2048", OBEYED), "quota:cpu_period": ("10000", REFUSED), "quota:cpu_quota": ("5000", REFUSED),
    "quota:cpu_limit": ("100", REFUSED), "quota:cpu_reservation": ("100", REFUSED), "quota:cpu_shares_level": ("high", REFUSED),
    "quota:cpu_shares_share": ("9", REFUSED), "quota:memory_limit": ("100", REFUSED), "quota:memory_reservation": ("9", REFUSED),
    "quota:memory_shares_level": ("low", REFUSED), "quota:memory_shares_share": ("9", REFUSED),
    "quota:disk_io_limit": ("9", REFUSED), "quota:disk_io_reservation": ("9", REFUSED), "quota:disk_io_shares_level": ("high", REFUSED),
    "quota:disk_io_shares_share": ("9", REFUSED), "quota:vif_limit": ("9", REFUSED), "quota:vif_reservation": ("9", REFUSED),
    "quota:vif_shares_level": ("low", REFUSED), "quota:vif_shares_share": ("9", REFUSED),
    **{f"quota:disk_{way}_{what}_sec{more}": ("100", REFUSED) for way in ("read", "write", "total") for what in ("bytes", "iops")
       for more in ("", "_max")},
    **{f"quota:vif_{way}_{what}": ("100", REFUSED) for way in ("inbound", "outbound") for what in ("average", "peak", "burst")},
    "resources:CUSTOM_X": ("1", NO_HOST), "resources1:VGPU": ("1", NO_HOST), "resources:VCPU": ("8", NO_HOST),
    "resources:MEMORY_MB": ("128", HARMLESS), "resources:DISK_GB": ("0", HARMLESS), "group_policy": ("isolate", HARMLESS),
    "trait:CUSTOM_GOLD": ("required", NO_HOST), "trait1:HW_CPU_X86_AVX2": ("required", NO_HOST),
    "trait:COMPUTE_STORAGE_BUS_VIRTIO": ("required", HARMLESS), "trait:COMPUTE_STORAGE_BUS_SCSI": ("forbidden", NO_HOST),
    "trait:CUSTOM_SLOW": ("forbidden", HARMLESS), "powervm:min_mem": ("9", HARMLESS), "vmware:hw_version": ("9", HARMLESS),
    "free words": ("x", HARMLESS),
}
PROPERTIES = {
    "architecture": ("aarch64", REFUSED), "hw_architecture": ("ppc64le", REFUSED), "hw_emulation_architecture": ("aarch64", REFUSED),
    "hw_auto_disk_config": ("true", HARMLESS), "hw_boot_menu": ("true", OBEYED), "hw_cdrom_bus": ("sata", OBEYED),
    "hw_cpu_sockets": ("2", OBEYED), "hw_cpu_cores": ("2", OBEYED), "hw_cpu_threads": ("2", OBEYED),
    "hw_cpu_max_sockets": ("2", OBEYED), "hw_cpu_max_cores": ("4", OBEYED), "hw_cpu_max_threads": ("1", OBEYED),
    "hw_cpu_policy": ("dedicated", REFUSED), "hw_cpu_thread_policy": ("isolate", REFUSED), "hw_cpu_realtime_mask": ("^0", REFUSED),
    "hw_device_id": ("2", HARMLESS), "hw_disk_bus": ("scsi", OBEYED), "hw_disk_type": ("thin", HARMLESS),
    "hw_ephemeral_encryption": ("true", REFUSED), "hw_ephemeral_encryption_format": ("luks", REFUSED),
    "hw_ephemeral_encryption_secret_uuid": ("u", REFUSED), "hw_firmware_stateless": ("true", REFUSED),
    "hw_firmware_type": ("uefi", OBEYED), "hw_floppy_bus": ("fdc", HARMLESS), "hw_input_bus": ("virtio", OBEYED),
    "hw_ipxe_boot": ("true", REFUSED), "hw_locked_memory": ("true", REFUSED), "hw_machine_type": ("q35", OBEYED),
    "hw_maxphysaddr_mode": ("emulate", REFUSED), "hw_maxphysaddr_bits": ("42", REFUSED), "hw_mem_encryption": ("true", REFUSED),
    "hw_mem_encryption_model": ("amd-sev-es", REFUSED), "hw_mem_page_size": ("2MB", REFUSED), "hw_numa_nodes": ("2", REFUSED),
    "hw_numa_cpus.0": ("0", REFUSED), "hw_numa_mem.0": ("64", REFUSED), "hw_pci_numa_affinity_policy": ("legacy", HARMLESS),
    "hw_pmu": ("true", OBEYED), "hw_pointer_model": ("ps2mouse", OBEYED), "hw_qemu_guest_agent": ("no", OBEYED),
    "hw_redirected_usb_ports": ("3", REFUSED), "hw_rescue_bus": ("usb", HARMLESS), "hw_rescue_device": ("cdrom", REFUSED),
    "hw_rng_model": ("virtio", HARMLESS), "hw_scsi_model": ("lsilogic", OBEYED), "hw_serial_port_count": ("2", OBEYED),
    "hw_sound_model": ("ich6", REFUSED), "hw_time_hpet": ("true", OBEYED), "hw_tpm_model": ("tpm-tis", REFUSED),
    "hw_tpm_version": ("1.2", REFUSED), "hw_tpm_secret_security": ("host", REFUSED), "hw_usb_model": ("nec-xhci", REFUSED),
    "hw_vif_model": ("e1000", OBEYED), "hw_vif_multiqueue_enabled": ("true", OBEYED), "hw_video_model": ("vga", OBEYED),
    "hw_video_ram": ("16", REFUSED), "hw_viommu_model": ("virtio", REFUSED), "hw_virtio_packed_ring": ("true", REFUSED),
    "hw_vm_mode": ("xen", NO_HOST), "vm_mode": ("uml", NO_HOST), "hw_watchdog_action": ("poweroff", OBEYED),
    "img_bittorrent": ("true", HARMLESS), "img_cache_in_nova": ("true", HARMLESS), "img_compression_level": ("1", HARMLESS),
    "img_hide_hypervisor_id": ("true", OBEYED), "img_hv_requested_version": (">=99", NO_HOST),
    "hypervisor_version_requires": ("<1", NO_HOST), "img_hv_type": ("xen", NO_HOST), "hypervisor_type": ("vmware", NO_HOST),
    "img_linked_clone": ("true", HARMLESS), "img_owner_id": ("p", HARMLESS), "img_use_agent": ("true", HARMLESS),
    "img_version": ("1", HARMLESS), "os_distro": ("debian", HARMLESS), "os_secure_boot": ("required", REFUSED),
    "os_skip_agent_inject_ssh": ("true", HARMLESS), "os_type": ("windows", OBEYED), "trait:CUSTOM_X": ("required", NO_HOST),
    "something_else": ("x", HARMLESS),
}


@pytest.fixture(autouse=True)
def host(monkeypatch):
    monkeypatch.setattr(CONFIG, "caps", CAPS)
    monkeypatch.setattr(CONFIG, "hypervisor_version", 7002022)


async def judged(specs, properties):
    flavor = {**FLAVOR, "extra_specs": specs}
    try:
        boot_spec.require_possible(CAPS, flavor, properties)
        await demands.require(None, flavor, properties)
    except BadRequest as exc:
        return REFUSED, exc.message
    except NoCapacity as exc:
        return NO_HOST, exc.message
    with_scsi = {"hw_disk_bus": "scsi"} if "hw_scsi_model" in properties else {}
    plain, asked = (boot_spec.domain(boot({**with_scsi, **words}, given), FILES) for words, given in (({}, {}), (properties, specs)))
    return (HARMLESS if plain == asked else OBEYED), ""


@pytest.mark.parametrize("key", SPECS)
async def test_what_becomes_of_an_extra_spec(key):
    value, how = SPECS[key]
    verdict, message = await judged({key: value}, {})
    assert verdict == how and (how in (OBEYED, HARMLESS) or (key in message and value in message))


@pytest.mark.parametrize("key", PROPERTIES)
async def test_what_becomes_of_an_image_property(key):
    value, how = PROPERTIES[key]
    verdict, message = await judged({}, {key: value})
    assert verdict == how and (how in (OBEYED, HARMLESS) or (value in message))


@pytest.mark.parametrize(("specs", "properties"), [
    ({"quota:cpu_shares": "1"}, {}), ({"quota:cpu_shares": "262145"}, {}), ({"quota:cpu_shares": "many"}, {}),
    ({}, {"hw_serial_port_count": "5"}), ({"hw:serial_port_count": "5"}, {}), ({}, {"hw_serial_port_count": "-1"}),
    ({"hw:serial_port_count": "1"}, {"hw_serial_port_count": "2"}), ({}, {"hw_serial_port_count": "x"}),
    ({"hw_video:ram_max_mb": "1024"}, {"hw_video_ram": "513"}), ({}, {"hw_machine_type": "q35", "hw_disk_bus": "ide"}),
    ({"hw:machine_type": "q35"}, {"hw_cdrom_bus": "ide"}), ({}, {"hw_cdrom_bus": "virtio"}), ({}, {"hw_machine_type": "pc-i440fx-99.9"}),
    ({}, {"hw_machine_type": "pc-q35-7.2", "hw_rescue_bus": "ide"}), ({"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1",
                                                                     "hw:cpu_max_threads": "2"}, {}),
])
def test_numbers_and_pairs_that_libvirt_would_refuse(specs, properties):
    with pytest.raises(BadRequest):
        boot_spec.require_possible(CAPS, {**FLAVOR, "extra_specs": specs}, properties)


@pytest.mark.parametrize(("have", "want", "fits"), [
    ("QEMU", "QEMU", True), ("QEMU", "xen", False), ("QEMU", "s== QEMU", True), ("QEMU", "s!= QEMU", False),
    ("8", ">= 4", True), ("8", "= 9", False), ("8", "== 8", True), ("8", "!= 8", False), ("8", "<= 7", False), ("x", ">= 4", False),
    ("QEMU", "<or> xen <or> QEMU", True), ("QEMU", "<or> xen", False), ("avx,sse", "<in> sse", True), ("avx", "<all-in> avx sse", False),
    ("true", "<is> True", True), ("", "", True),
])
def test_the_language_of_novas_filters(have, want, fits):
    assert demands.matches(have, want) is fits


@pytest.mark.parametrize(("specs", "properties"), [
    ({"capabilities:hypervisor_type": "s== QEMU"}, {}), ({"capabilities:hypervisor_version": ">= 6000000"}, {}),
    ({}, {"hypervisor_type": "qemu"}), ({}, {"img_hv_type": "QEMU"}), ({}, {"vm_mode": "hvm"}),
    ({}, {"img_hv_requested_version": ">=7.2, <8"}),
])
async def test_demands_that_are_met(specs, properties):
    assert (await judged(specs, properties))[0] == HARMLESS
