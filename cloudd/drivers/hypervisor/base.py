"""What a hypervisor driver must do, and the plain values that it is told.

Everything is keyed by our ids: a server's id is its domain's UUID. Every verb may be repeated: defining twice, starting
what runs, destroying or deleting what is not there all succeed. The guests outlive the daemon: `close` leaves them be.

Wiring. A NIC is a bare tap, made when its domain starts. So a start goes: `define`, `start(paused=True)`, the network
driver takes the tap to its bridge, `resume`. The same holds for `restore`; `reset` and a guest's own reboot keep the taps.

`Hypervisor` has the domains; `Hypervisor.disks` the files that they boot from; `Hypervisor.consoles` their screens and lines.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from cloudd.core.errors import Away
from cloudd.drivers.hypervisor.feed import EventStream


class HypervisorError(Exception):
    """It could not be done; the message says what and why, in words that a server's owner can act on."""


class DomainNotFound(HypervisorError):
    """No such domain of ours."""

    def __init__(self, server_id: str):
        super().__init__(f"the hypervisor has no guest {server_id}")
        self.server_id = server_id


class Unsupported(HypervisorError):
    """This driver, or this machine, or this guest cannot do it; where the machine is the reason, `caps` would have said so."""


class HypervisorDown(HypervisorError, Away):
    """The hypervisor cannot be reached now; trying again later may help."""


class BadImage(HypervisorError):
    """The image is not what it is said to be, or refers to files outside itself."""


class DomainState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    SUSPENDED = "suspended"          # off, with its memory saved: `restore` goes on from there
    CRASHED = "crashed"


class EventKind(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"              # detail: "shutdown" (by the guest itself), "destroyed", "failed", "shutoff"
    PAUSED = "paused"                # detail: "user", "ioerror", "watchdog", …
    RESUMED = "resumed"
    SUSPENDED = "suspended"          # memory saved, domain off
    CRASHED = "crashed"
    DISCONNECTED = "disconnected"    # no server: the hypervisor is out of reach; events may be missed until…
    RECONNECTED = "reconnected"      # …now: compare all states with `list()`


class DiskKind(StrEnum):
    ROOT = "root"
    EPHEMERAL = "ephemeral"
    SWAP = "swap"
    CONFIG = "config"
    VOLUME = "volume"


@dataclass(frozen=True)
class DomainEvent:
    kind: EventKind
    server_id: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class DomainStatus:
    server_id: str
    state: DomainState


@dataclass(frozen=True)
class DiskSpec:
    """A disk of a domain. `target` is the guest's name without /dev (vda); empty: the next free one of its bus."""

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


@dataclass(frozen=True)
class CpuInfo:
    """As Nova's `cpu_info` tells it."""

    arch: str
    model: str
    vendor: str
    features: tuple[str, ...]
    cells: int
    sockets: int
    cores: int
    threads: int


@dataclass(frozen=True)
class HostInfo:
    hostname: str
    arch: str
    vcpus: int
    cpu: CpuInfo
    memory_mb: int
    memory_used_mb: int
    disk_gb: int                     # of the file system that holds the instances' disks
    disk_used_gb: int
    hypervisor_type: str             # QEMU
    hypervisor_version: int          # 7002022 for 7.2.22
    virt_type: str                   # kvm, qemu
    uptime: str                      # as uptime(1) writes it
    host_ip: str = "127.0.0.1"


@dataclass(frozen=True)
class MachineCaps:
    """What guests of one machine type can have."""

    kind: str                        # pc, q35
    disk_buses: tuple[str, ...]
    video_models: tuple[str, ...]
    uefi: bool
    max_vcpus: int


@dataclass(frozen=True)
class Capabilities:
    arch: str
    virt_type: str
    max_vcpus: int
    machine_types: tuple[str, ...]
    default_machine: str
    disk_buses: tuple[str, ...]
    nic_models: tuple[str, ...]
    video_models: tuple[str, ...]
    uefi: bool
    vnc: bool = True
    serial: bool = True
    pause: bool = True
    suspend: bool = True
    hot_plug: bool = True            # disks and NICs of running guests
    resize_disk: bool = True         # of running guests
    live_export: bool = True         # copies of disks of running guests
    admin_password: bool = True      # when the guest's agent answers
    nmi: bool = True
    screenshot: bool = True
    serial_ports: int = 4
    machines: tuple[MachineCaps, ...] = ()

    def machine(self, name: str) -> MachineCaps:
        """What goes for guests of a machine type (`q35`, `pc-q35-7.2`; empty: the default one)."""
        kind = "q35" if "q35" in (name or self.default_machine) else "pc"
        whole = MachineCaps(kind, self.disk_buses, self.video_models, self.uefi, self.max_vcpus)
        return next((one for one in self.machines if one.kind == kind), whole)


@dataclass(frozen=True)
class VcpuStats:
    id: int
    time_ns: int


@dataclass(frozen=True)
class DiskStats:
    target: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    errors: int = -1                 # -1: not counted


@dataclass(frozen=True)
class DomainStats:
    """Traffic of NICs is the network driver's to tell."""

    state: DomainState
    vcpus: tuple[VcpuStats, ...]
    disks: tuple[DiskStats, ...]
    memory_max_mb: int
    memory_used_mb: int


@dataclass(frozen=True)
class DiskFile:
    """A file that a domain can be given. `size` is what a guest sees, `allocated` what it takes on this machine."""

    path: str
    format: str
    size: int
    allocated: int = 0


@dataclass(frozen=True)
class HypervisorConfig:
    cloud_id: str                    # tells several clouds on one hypervisor apart
    instances_dir: str
    cache_dir: str                   # on the same file system as instances_dir
    run_dir: str                     # unix sockets; at most 50 characters long, since socket paths are short
    uri: str = "qemu:///system"
    virt_type: str = "auto"          # auto, kvm, qemu
    machine: str = "pc"
    cpu_mode: str = "auto"           # auto, host-model, host-passthrough, maximum, custom, none, or a model
    cpu_model: str = ""              # for custom
    disk_cache: str = "auto"         # auto, none, writeback, writethrough, unsafe, directsync
    tb_cache_mib: int = 32           # translated code each emulated guest may keep
    image_cache_max_bytes: int = 50 * 1024**3
    threads: int = 12                # blocking calls at once
    boot_seconds: float = 0.05       # simulated guests: from start to login prompt


ImageSource = Path | Callable[[], AsyncIterator[bytes]]
"""A file of the caller's that stays untouched, or a function that opens the image's data anew each time."""


class SerialLine(ABC):
    """One reader and writer of a guest's serial line; others may read and write at the same time."""

    @abstractmethod
    async def read(self) -> bytes:
        """What the guest wrote since; empty when the line has ended."""

    @abstractmethod
    async def write(self, data: bytes) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...


class Consoles(ABC):
    @abstractmethod
    async def log(self, server_id: str, max_bytes: int = 1 << 20) -> bytes:
        """The end of what the guest wrote to its first serial line, however often it was started since `define`."""

    @abstractmethod
    async def open_serial(self, server_id: str) -> SerialLine:
        """Join the guest's first serial line. Raises Unsupported when it has none, HypervisorError when it is off."""

    @abstractmethod
    async def open_vnc(self, server_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A fresh connection to the guest's screen, speaking RFB without a password: for the daemon alone."""

    @abstractmethod
    async def screenshot(self, server_id: str) -> bytes:
        """A PNG of the screen."""


class Disks(ABC):
    """The image cache, and one directory of files a server. Makers return what is there when it is there already."""

    @abstractmethod
    async def cache_image(self, image_id: str, source: ImageSource, format: str) -> DiskFile:
        """Bring an image here, checked and flattened. Callers for one image share one fetch. Raises BadImage.

        `format` is Glance's disk_format. Only raw, iso, aki, ari and ami come byte for byte.
        """

    @abstractmethod
    async def cached_images(self) -> frozenset[str]: ...

    @abstractmethod
    async def drop_image(self, image_id: str) -> None:
        """Forget a cached image. Disks made from it keep what they need."""

    @abstractmethod
    async def create_root_disk(self, server_id: str, image_id: str, size_bytes: int, name: str = "root") -> DiskFile:
        """A disk that begins as the cached image; `size_bytes` 0 leaves it the image's size, less than that is refused."""

    @abstractmethod
    async def create_blank_disk(self, server_id: str, name: str, size_bytes: int, content: str = "",
                                label: str = "") -> DiskFile:
        """An empty disk; content "ext4", "vfat" or "swap" makes it one."""

    @abstractmethod
    async def create_config_drive(self, server_id: str, files: Mapping[str, bytes]) -> DiskFile:
        """A CD labelled config-2 with these files; made anew each time."""

    @abstractmethod
    async def link_image(self, server_id: str, name: str, image_id: str) -> DiskFile:
        """The cached image itself, read-only, kept for this server: a kernel, a ramdisk, an ISO."""

    @abstractmethod
    async def find(self, server_id: str, name: str) -> DiskFile | None:
        """A file of this server's: root, rescue, ephemeral0, swap, config, kernel, ramdisk…"""

    @abstractmethod
    async def usage(self, server_id: str) -> tuple[DiskFile, ...]: ...

    @abstractmethod
    async def resize(self, server_id: str, name: str, size_bytes: int) -> DiskFile:
        """Grow a disk of a domain that is off; for a running one: `Hypervisor.resize_disk`. Never shrinks."""

    @abstractmethod
    async def delete(self, server_id: str, name: str | None = None) -> None:
        """Delete one of the server's files, or without a name all that it has."""

    @abstractmethod
    async def owners(self) -> frozenset[str]:
        """The servers that have files here, for repair."""


class Hypervisor(ABC):
    """The guests of one machine. Errors are HypervisorError."""

    config: HypervisorConfig
    disks: Disks
    consoles: Consoles

    @abstractmethod
    async def open(self) -> None:
        """Connect and find out what the machine can. Raises HypervisorDown when it cannot be reached at all."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the hypervisor; guests stay as they are."""

    @abstractmethod
    async def health(self) -> None:
        """Raises HypervisorDown with the reason when the hypervisor does not answer."""

    @abstractmethod
    async def host(self) -> HostInfo: ...

    @abstractmethod
    def caps(self) -> Capabilities:
        """What may be promised; known once open."""

    @abstractmethod
    def events(self) -> EventStream[DomainEvent]:
        """Changes of state from now on; each caller gets all of them. Also what the guests do by themselves."""

    # -- domains ----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def define(self, spec: DomainSpec) -> None:
        """Make the domain be this when it next starts; a running one goes on as it was."""

    @abstractmethod
    async def undefine(self, server_id: str) -> None:
        """Destroy and forget the domain, its saved memory, its firmware's variables and its console log; not its disks."""

    @abstractmethod
    async def list(self) -> tuple[DomainStatus, ...]:
        """All that are ours."""

    @abstractmethod
    async def state(self, server_id: str) -> DomainState: ...

    @abstractmethod
    async def start(self, server_id: str, *, paused: bool = False) -> None:
        """Boot; memory that was saved is thrown away."""

    @abstractmethod
    async def resume(self, server_id: str) -> None:
        """Let a paused guest run."""

    @abstractmethod
    async def pause(self, server_id: str) -> None: ...

    @abstractmethod
    async def shutdown(self, server_id: str) -> None:
        """Press the power button and return; the guest may take its time, or never listen. Its end is an event."""

    @abstractmethod
    async def destroy(self, server_id: str) -> None:
        """Off, now."""

    @abstractmethod
    async def reset(self, server_id: str) -> None:
        """Press the reset button."""

    @abstractmethod
    async def save(self, server_id: str) -> None:
        """Write the guest's memory to disk and switch it off."""

    @abstractmethod
    async def restore(self, server_id: str, *, paused: bool = False) -> None:
        """Go on from the saved memory."""

    # -- devices ----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def attach_nic(self, server_id: str, nic: NicSpec) -> None:
        """To the domain, and at once to the guest when it runs: its tap is there afterwards, to be plugged."""

    @abstractmethod
    async def detach_nic(self, server_id: str, port_id: str) -> None:
        """Returns when the guest has let go. Raises HypervisorError when it does not in time; it may still do so later."""

    @abstractmethod
    async def attach_disk(self, server_id: str, disk: DiskSpec) -> str:
        """As attach_nic; returns the target name (vdb)."""

    @abstractmethod
    async def detach_disk(self, server_id: str, disk_id: str) -> None: ...

    @abstractmethod
    async def resize_disk(self, server_id: str, disk_id: str, size_bytes: int) -> None:
        """Grow a disk; a running guest sees it at once."""

    @abstractmethod
    async def export_disk(self, server_id: str, disk_id: str, target: Path, format: str = "qcow2") -> None:
        """A complete copy of a disk as it is at one moment, also of a running guest."""

    # -- the guest itself -------------------------------------------------------------------------------------------

    @abstractmethod
    async def stats(self, server_id: str) -> DomainStats: ...

    @abstractmethod
    async def set_admin_password(self, server_id: str, user: str, password: str) -> None:
        """Through the guest's agent. Raises Unsupported when none answers."""

    @abstractmethod
    async def inject_nmi(self, server_id: str) -> None: ...


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
