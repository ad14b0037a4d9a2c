"""What images (`hw_watchdog_action`) and flavors (`hw:watchdog_action`) may say of a guest's machine beyond its size.

Names and values are Glance's "useful image properties" and Nova's flavor extra specs. What asks for something that this cloud
does not give is refused when a server is ordered, rather than left out in silence.
"""

from collections.abc import Mapping
from typing import Any

from cloudd.core.errors import BadRequest
from cloudd.core.ids import whole
from cloudd.drivers.hypervisor.base import Hardware

TRUE, FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")
BOOLEAN = TRUE + FALSE
VALUES = {
    "hw_watchdog_action": ("disabled", "none", "pause", "poweroff", "reset"),
    "hw_scsi_model": ("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078"),
    "hw_pointer_model": ("usbtablet", "ps2mouse"), "hw_input_bus": ("usb", "virtio"),
    "hw_boot_menu": BOOLEAN, "hw_time_hpet": BOOLEAN, "hw_pmu": BOOLEAN, "img_hide_hypervisor_id": BOOLEAN,
    "hw_cpu_policy": ("shared",), "hw_emulator_threads_policy": ("share",), "hw_mem_page_size": ("small", "any"),
    "hw_numa_nodes": ("1",), "hw_mem_encryption": FALSE, "hw_locked_memory": FALSE, "hw_firmware_stateless": FALSE,
    "hw_viommu_model": ("none",), "hw_tpm_version": (), "os_secure_boot": ("disabled", "optional"),
}
"""The values that are served, by property; there is none of what is empty."""


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
        hide_hypervisor=hints.true("img_hide_hypervisor_id") or str(extra_specs.get("hide_hypervisor_id", "")).lower() in TRUE,
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
    _require_video_ram(flavor, extra_specs, properties)


def _require_video_ram(flavor: Mapping[str, Any], extra_specs: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    wanted, most = str(properties.get("hw_video_ram") or "0"), str(extra_specs.get("hw_video:ram_max_mb") or "0")
    if whole(wanted, whole(most) or 0) is None:
        raise BadRequest(f"The image has hw_video_ram = {wanted}, but flavor {flavor['name']} allows {most} MiB of video memory "
                         "(hw_video:ram_max_mb).")
