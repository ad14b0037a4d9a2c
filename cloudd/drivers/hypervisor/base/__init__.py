"""What a hypervisor driver must do, and the plain values that it is told.

Everything is keyed by our ids: a server's id is its domain's UUID. Every verb may be repeated: defining twice, starting
what runs, destroying or deleting what is not there all succeed. The guests outlive the daemon: `close` leaves them be.

Wiring. A NIC is a bare tap, made when its domain starts. So a start goes: `define`, `start(paused=True)`, the network
driver takes the tap to its bridge (the start tells when it may, so that the rest of it need not be waited for), `resume`.
The same holds for `restore`; `reset` and a guest's own reboot keep the taps.

Volumes. A disk may be a volume driver's: `volume_disk(connection)`, for `define` and `attach_disk` alike. A domain keeps no more of it
than it needs until its next start, for which it is defined anew with connections of that moment.

`Hypervisor` has the domains; `Hypervisor.disks` the files that they boot from; `Hypervisor.consoles` their screens and lines;
`Hypervisor.volumes` what happens to volumes that domains have.
"""

from cloudd.drivers.hypervisor.base.config import HypervisorConfig
from cloudd.drivers.hypervisor.base.consoles import Consoles, SerialLine
from cloudd.drivers.hypervisor.base.disks import DiskFile, Disks, ImageSource
from cloudd.drivers.hypervisor.base.errors import (
    BadImage,
    DomainNotFound,
    HypervisorDown,
    HypervisorError,
    NotLetGo,
    TooLong,
    Unsupported,
)
from cloudd.drivers.hypervisor.base.hypervisor import Hypervisor
from cloudd.drivers.hypervisor.base.machine import Capabilities, CpuInfo, DiskStats, DomainStats, HostInfo, MachineCaps, VcpuStats
from cloudd.drivers.hypervisor.base.spec import (
    CpuTopology,
    DiskKind,
    DiskSpec,
    DomainNotes,
    DomainSpec,
    Hardware,
    KernelBoot,
    NicSpec,
    volume_disk,
)
from cloudd.drivers.hypervisor.base.states import DomainEvent, DomainState, DomainStatus, EventKind
from cloudd.drivers.hypervisor.base.targets import BUS_PREFIX, default_bus, target_name, with_targets
from cloudd.drivers.hypervisor.base.volumes import AttachedVolume, Progress, Switch, Volumes, require_key
from cloudd.drivers.hypervisor.feed import EventStream

__all__ = [
    "AttachedVolume", "BUS_PREFIX", "BadImage", "Capabilities", "Consoles", "CpuInfo", "CpuTopology", "DiskFile", "DiskKind",
    "DiskSpec", "DiskStats", "Disks", "DomainEvent", "DomainNotFound", "DomainNotes", "DomainSpec", "DomainState",
    "DomainStats", "DomainStatus", "EventKind", "EventStream", "Hardware", "HostInfo", "Hypervisor", "HypervisorConfig",
    "HypervisorDown", "HypervisorError", "ImageSource", "KernelBoot", "MachineCaps", "NicSpec", "NotLetGo", "Progress",
    "SerialLine", "Switch", "TooLong", "Unsupported", "VcpuStats", "Volumes", "default_bus", "require_key", "target_name",
    "volume_disk", "with_targets",
]
