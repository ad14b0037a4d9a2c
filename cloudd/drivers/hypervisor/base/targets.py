"""What a guest calls its disks."""

from dataclasses import replace

from cloudd.drivers.hypervisor.base.errors import HypervisorError
from cloudd.drivers.hypervisor.base.spec import DiskSpec

BUS_PREFIX = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}


def target_name(bus: str, taken: set[str]) -> str:
    """The first free name of a bus: vda … vdz, vdaa …"""
    prefix = BUS_PREFIX.get(bus, "vd")
    for number in range(26 * 27):
        high, low = divmod(number, 26)
        name = prefix + (chr(96 + high) if high else "") + chr(97 + low)
        if name not in taken:
            return name
    raise HypervisorError(f"the guest has no room for another disk on bus {bus}")


def default_bus(device: str, machine: str) -> str:
    """Not SATA for the CD of a q35: common cloud kernels come without AHCI."""
    if device != "cdrom":
        return "virtio"
    return "scsi" if "q35" in machine else "ide"


def with_targets(disks: tuple[DiskSpec, ...], machine: str) -> tuple[DiskSpec, ...]:
    """The same disks, each with bus and target; `define` does it too, so a server's device names can be told before."""
    taken = {disk.target for disk in disks if disk.target}
    named = []
    for disk in disks:
        bus = disk.bus or default_bus(disk.device, machine)
        target = disk.target or target_name(bus, taken)
        taken.add(target)
        named.append(replace(disk, bus=bus, target=target))
    return tuple(named)
