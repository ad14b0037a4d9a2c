"""What images (`hw_watchdog_action`) and flavors (`hw:watchdog_action`) may say of a guest's machine beyond its size.

Names and values are Glance's "useful image properties" and Nova's flavor extra specs. What asks for something that this cloud
does not give is refused when a server is ordered, rather than left out in silence.
"""

import re
from collections.abc import Mapping
from typing import Any

from cloudd.core.errors import BadRequest
from cloudd.core.ids import whole
from cloudd.drivers.hypervisor.base import Hardware

TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
BOOLEAN = TRUE + FALSE
NUMBER = re.compile(r"\d{1,9}")
VALUES = {
    "hw_watchdog_action": ("disabled", "none", "pause", "poweroff", "reset"),
    "hw_scsi_model": ("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078"),
    "hw_pointer_model": ("usbtablet", "ps2mouse"), "hw_input_bus": ("usb", "virtio"),
    "hw_boot_menu": BOOLEAN, "hw_time_hpet": BOOLEAN, "hw_pmu": BOOLEAN, "img_hide_hypervisor_id": BOOLEAN,
    "hw_cpu_policy": ("shared",), "hw_emulator_threads_policy": ("share",), "hw_mem_page_size": ("small", "any"),
    "hw_numa_nodes": ("1",), "hw_mem_encryption": FALSE, "hw_locked_memory": FALSE, "hw_firmware_stateless": FALSE,
    "hw_viommu_model": ("none",), "hw_tpm_version": (), "hw_tpm_model": (), "hw_tpm_secret_security": (),
    "os_secure_boot": ("disabled", "optional"), "hw_cpu_thread_policy": ("prefer",), "hw_cpu_realtime": FALSE,
    "hw_cpu_realtime_mask": (), "hw_cpu_dedicated_mask": (), "hw_mem_encryption_model": (), "hw_maxphysaddr_mode": (),
    "hw_maxphysaddr_bits": (), "hw_pmem": (), "hw_sound_model": (), "hw_usb_model": ("qemu-xhci",),
    "hw_redirected_usb_ports": ("0",), "hw_virtio_packed_ring": FALSE, "hw_rng_model": ("virtio",), "hw_ipxe_boot": FALSE,
    "ipxe_boot": FALSE, "hw_ephemeral_encryption": FALSE, "hw_ephemeral_encryption_format": (),
    "hw_ephemeral_encryption_secret_uuid": (), "hw_rescue_device": ("disk",), "hw_vif_multiqueue_enabled": BOOLEAN,
    "hw_qemu_guest_agent": BOOLEAN, "hw_hide_hypervisor_id": BOOLEAN,
}
"""The values that are served, by property; there is none of what is empty."""
NOTHING = re.compile(r"0|-1|normal")
LAYOUT, LIMIT = re.compile(r"hw[:_]numa_(cpus|mem)\.\d+"), re.compile(r"hw_rng:rate_(bytes|period)|quota:(?!cpu_shares$).*")
"""What is not served; of limits, NOTHING asks for none."""
RANGES = {"quota:cpu_shares": (2, 262144), "hw:serial_port_count": (0, None), "hw_serial_port_count": (0, None),
          "hw_video_ram": (1, 512), "hw_video:ram_max_mb": (0, None)}
"""Numbers, and what libvirt takes of them; None is told by the hypervisor, or is not a limit of its."""


class Hints:
    """What flavor and image say; the flavor goes first. Values are as in Nova case-insensitive where they are true or false."""

    def __init__(self, extra_specs: Mapping[str, Any], properties: Mapping[str, Any]):
        self.extra_specs, self.properties = extra_specs, properties

    def get(self, name: str, default: str = "") -> str:
        prefix, _, rest = name.partition("_")
        return str(self.extra_specs.get(f"{prefix}:{rest}") or self.properties.get(name) or default)

    def true(self, name: str) -> bool:
        return self.get(name).lower() in TRUE

    def number(self, name: str) -> int | None:
        return whole(self.get(name)) or None


def of(extra_specs: Mapping[str, Any], properties: Mapping[str, Any]) -> Hardware:
    """The machine's small things, for a server whose order `require` has passed."""
    hints = Hints(extra_specs, properties)
    watchdog, pmu = hints.get("hw_watchdog_action", "disabled"), hints.get("hw_pmu")
    pointer = "" if hints.get("hw_pointer_model") == "ps2mouse" else hints.get("hw_input_bus", "usb")
    return Hardware(
        watchdog="" if watchdog == "disabled" else watchdog, scsi_model=hints.get("hw_scsi_model", "virtio-scsi"),
        boot_menu=hints.true("hw_boot_menu"), hpet=hints.true("hw_time_hpet"), pmu=pmu.lower() in TRUE if pmu else None,
        hide_hypervisor=hints.true("img_hide_hypervisor_id") or hints.true("hw_hide_hypervisor_id")
        or str(extra_specs.get("hide_hypervisor_id", "")).lower() in TRUE,
        pointer=pointer, video_ram_mb=hints.number("hw_video_ram"))


def require(flavor: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Raise BadRequest for a value that is unknown, or known and not served here."""
    extra_specs = flavor.get("extra_specs") or {}
    for name, values in VALUES.items():
        prefix, _, rest = name.partition("_")
        for owner, key, told in (("The image", name, properties.get(name)),
                                 (f"Flavor {flavor['name']}", f"{prefix}:{rest}", extra_specs.get(f"{prefix}:{rest}"))):
            if told and not (str(told) in values or str(told).lower() in values):
                raise BadRequest(f"{owner} has {key} = {told}, which is not served here; "
                                 + (f"use one of: {', '.join(values)}." if values else "leave it out."))
    for owner, told in ((f"Flavor {flavor['name']}", extra_specs), ("The image", properties)):
        for key, value in told.items():
            if LAYOUT.fullmatch(key) or (LIMIT.fullmatch(key) and not NOTHING.fullmatch(str(value))):
                raise BadRequest(f"{owner} has {key} = {value}, which is not served here; leave it out.")
            if key in RANGES:
                _require_range(owner, key, str(value), *RANGES[key])
    _require_video_ram(flavor, extra_specs, properties)


def _require_range(owner: str, key: str, text: str, low: int, high: int | None) -> None:
    if not NUMBER.fullmatch(text) or int(text) < low or (high is not None and int(text) > high):
        words = f"from {low} to {high}" if high is not None else f"from {low} on"
        raise BadRequest(f"{owner} has {key} = {text}; it must be a number {words}.")


def _require_video_ram(flavor: Mapping[str, Any], extra_specs: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    wanted, most = str(properties.get("hw_video_ram") or "0"), str(extra_specs.get("hw_video:ram_max_mb") or "0")
    if whole(wanted, whole(most) or 0) is None:
        raise BadRequest(f"The image has hw_video_ram = {wanted}, but flavor {flavor['name']} allows {most} MiB of video memory "
                         "(hw_video:ram_max_mb).")
