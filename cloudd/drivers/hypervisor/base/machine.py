"""What a machine is and can, and what its guests use of it."""

from dataclasses import dataclass

from cloudd.drivers.hypervisor.base.states import DomainState


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
