"""A domain as it is ordered."""

from dataclasses import dataclass, field
from enum import StrEnum

from cloudd.drivers.volume.base import Connection, Passphrase


class DiskKind(StrEnum):
    ROOT = "root"
    EPHEMERAL = "ephemeral"
    SWAP = "swap"
    CONFIG = "config"
    VOLUME = "volume"


@dataclass(frozen=True)
class DiskSpec:
    """A disk of a domain. `target` is the guest's name without /dev (vda); empty: the next free one of its bus.

    One that a volume driver told of is made by `volume_disk`; all that its `connection` says goes for it.
    """

    id: str                          # unique in its domain: "root", "ephemeral0", "swap", "config", a volume's id
    path: str
    format: str                      # raw or qcow2, always said, never guessed
    kind: DiskKind = DiskKind.ROOT
    bus: str = ""                    # virtio, scsi, ide, sata, usb; empty: what suits the device and the machine
    device: str = "disk"             # disk, cdrom
    target: str = ""
    serial: str = ""
    boot_index: int | None = None    # 0 boots first
    cache: str = ""                  # empty: the driver's configured mode
    readonly: bool = False
    connection: Connection | None = None
    passphrase: Passphrase | None = field(default=None, repr=False)              # opens an encrypted one; never written down


def volume_disk(connection: Connection, passphrase: Passphrase | None = None, *, bus: str = "", target: str = "",
                boot_index: int | None = None) -> DiskSpec:
    """The guest finds it by its serial number, the volume's id, of which a bus may show the first 20 characters only."""
    return DiskSpec(connection.volume_id, connection.path, connection.format, DiskKind.VOLUME, bus=bus, target=target,
                    serial=connection.volume_id, boot_index=boot_index, cache=connection.cache, readonly=connection.read_only,
                    connection=connection, passphrase=passphrase)


@dataclass(frozen=True)
class NicSpec:
    port_id: str
    mac: str
    tap: str                         # interface name, at most 15 characters
    model: str = "virtio"
    mtu: int = 1500
    queues: int = 1


@dataclass(frozen=True)
class CpuTopology:
    sockets: int
    cores: int
    threads: int


@dataclass(frozen=True)
class Hardware:
    """The small things of a machine."""

    watchdog: str = ""               # what it does to a guest that hangs: none, pause, poweroff, reset; empty: there is none
    scsi_model: str = "virtio-scsi"
    boot_menu: bool = False
    hpet: bool = False
    pmu: bool | None = None          # None leaves it to the hypervisor
    hide_hypervisor: bool = False    # of KVM only
    pointer: str = "usb"             # the bus of a tablet: usb, virtio; empty: a PS/2 mouse
    video_ram_mb: int | None = None


@dataclass(frozen=True)
class KernelBoot:
    """Boot these files directly, not the disk's boot loader."""

    kernel: str
    ramdisk: str = ""
    cmdline: str = ""


@dataclass(frozen=True)
class DomainNotes:
    """What an operator at the machine wants to know about a guest; written beside it, never read back."""

    display_name: str = ""
    flavor: str = ""
    project_id: str = ""
    project_name: str = ""
    user_id: str = ""
    user_name: str = ""
    image_id: str = ""
    created: str = ""


@dataclass(frozen=True)
class DomainSpec:
    server_id: str
    name: str                        # instance-0000002a
    vcpus: int
    memory_mb: int
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = ()
    machine: str = ""                # pc, q35; empty: the driver's default
    firmware: str = "bios"           # bios, uefi
    topology: CpuTopology | None = None
    cpu_shares: int | None = None
    video: str = ""                  # virtio, vga, cirrus, qxl, bochs, none; empty: the driver's default
    vnc: bool = True
    serial_ports: int = 1            # the first is the console that `console_log` reads
    rng: bool = True
    balloon: bool = True
    guest_agent: bool = True
    kernel: KernelBoot | None = None
    utc_clock: bool = True           # false: the guest's hardware clock is local time (Windows)
    hardware: Hardware = Hardware()
    version: str = ""                # told to the guest by SMBIOS, as cloudd's version
    notes: DomainNotes = DomainNotes()
