"""What the known extra specs of flavors may say (docs.openstack.org/nova, "Extra Specs"). Unknown namespaces are free."""

import re

from cloudd.core.errors import BadRequest

BOOL = r"(?i:t|true|on|y|yes|1|f|false|off|n|no|0)"
NUMBER = r"\d+"
POSITIVE = r"[1-9]\d*"
CPUS = r"\^?\d+(-\d+)?(,\^?\d+(-\d+)?)*"
TRAIT = r"required|forbidden"
ANY = r".*"
LIMIT = r"-?\d+"

KNOWN: tuple[tuple[str, str], ...] = (
    (r"accel:device_profile", ANY),
    (r"aggregate_instance_extra_specs:.+", ANY),
    (r"capabilities:.+", ANY),
    (r"hide_hypervisor_id", BOOL),
    (r"hw:boot_menu", BOOL),
    (r"hw:cpu_cores|hw:cpu_sockets|hw:cpu_threads|hw:cpu_max_cores|hw:cpu_max_sockets|hw:cpu_max_threads", POSITIVE),
    (r"hw:cpu_max_sockets|hw:numa_nodes", POSITIVE),
    (r"hw:cpu_policy", r"dedicated|shared|mixed"),
    (r"hw:cpu_thread_policy", r"prefer|isolate|require"),
    (r"hw:cpu_dedicated_mask|hw:cpu_realtime_mask", r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"),
    (r"hw:cpu_realtime", BOOL),
    (r"hw:emulator_threads_policy", r"isolate|share"),
    (r"hw:hide_hypervisor_id", BOOL),
    (r"hw:input_bus", r"usb|virtio"),
    (r"hw:locked_memory", BOOL),
    (r"hw:machine_type", ANY),
    (r"hw:maxphysaddr_mode", r"emulate|passthrough"),
    (r"hw:maxphysaddr_bits", NUMBER),
    (r"hw:mem_encryption", BOOL),
    (r"hw:mem_encryption_model", r"amd-sev|amd-sev-es"),
    (r"hw:mem_page_size", r"(large|small|any)|\d+([kKMGT]i?)?(b|bit|B)?"),
    (r"hw:numa_cpus\.\d+", CPUS),
    (r"hw:numa_mem\.\d+", POSITIVE),
    (r"hw:pci_numa_affinity_policy", r"required|preferred|legacy|socket"),
    (r"hw:pmem", ANY),
    (r"hw:serial_port_count", NUMBER),
    (r"hw:sound_model", r"sb16|es1370|pcspk|ac97|ich6|ich9|usb|virtio"),
    (r"hw:tpm_model", r"tpm-tis|tpm-crb"),
    (r"hw:tpm_secret_security", r"user|host|deployment"),
    (r"hw:tpm_version", r"1\.2|2\.0"),
    (r"hw:usb_model", r"piix3-uhci|piix4-uhci|ehci|ich9-ehci1|vt82c686b-uhci|pci-ohci|nec-xhci|qemu-xhci"),
    (r"hw:redirected_usb_ports", r"[0-9]|1[0-5]"),
    (r"hw:vif_multiqueue_enabled", BOOL),
    (r"hw:viommu_model", r"intel|smmuv3|virtio|auto"),
    (r"hw:virtio_packed_ring", BOOL),
    (r"hw:watchdog_action", r"none|pause|poweroff|reset|disabled"),
    (r"hw_rng:allowed", BOOL),
    (r"hw_rng:rate_bytes|hw_rng:rate_period", NUMBER),
    (r"hw_video:ram_max_mb", NUMBER),
    (r"os:secure_boot", r"required|disabled|optional"),
    (r"pci_passthrough:alias", r"[^:]+:\d+(,[^:]+:\d+)*"),
    (r"quota:(cpu_shares|cpu_period|cpu_quota|cpu_limit|cpu_reservation|cpu_shares_share)", LIMIT),
    (r"quota:(memory|disk_io|vif)_(limit|reservation|shares_share)", LIMIT),
    (r"quota:(cpu|memory|disk_io|vif)_shares_level", r"custom|high|normal|low"),
    (r"quota:disk_(read|write|total)_(bytes|iops)_sec(_max)?(_length)?", NUMBER),
    (r"quota:vif_(inbound|outbound)_(average|peak|burst)", NUMBER),
    (r"resources(_?[a-zA-Z0-9_-]{1,64})?:[A-Z0-9_]+", NUMBER),
    (r"trait(_?[a-zA-Z0-9_-]{1,64})?:[A-Z0-9_]+", TRAIT),
    (r"group_policy", r"none|isolate"),
    (r"powervm:.+|vmware:.+", ANY),
)
NAMESPACES = {"accel", "aggregate_instance_extra_specs", "capabilities", "hw", "hw_rng", "hw_video", "os", "pci_passthrough",
              "quota", "resources", "trait", "powervm", "vmware"}
_COMPILED = tuple((re.compile(name), re.compile(value), value) for name, value in KNOWN)


def check(specs: dict[str, str]) -> None:
    """Raise BadRequest for a spec of a known namespace that does not exist, or whose value cannot be."""
    for key, value in specs.items():
        found = [(values, text) for names, values, text in _COMPILED if names.fullmatch(key)]
        if found and not any(values.fullmatch(str(value)) for values, _ in found):
            raise BadRequest(f"Validation failed; extra spec '{key}' has the value '{value}', which does not match "
                             f"{found[0][1]}.")
        if not found and ":" in key and _namespace(key) in NAMESPACES:
            raise BadRequest(f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec.")


def _namespace(key: str) -> str:
    space = key.partition(":")[0]
    return next((name for name in ("resources", "trait") if space.startswith(name)), space)
