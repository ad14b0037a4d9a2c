"""What a hypervisor driver must do, and the plain values that it is told.

Everything is keyed by our ids: a server's id is its domain's UUID. Every verb may be repeated: defining twice, starting
what runs, destroying or deleting what is not there all succeed. The guests outlive the daemon: `close` leaves them be.

Wiring. A NIC is a bare tap, made when its domain starts. So a start goes: `define`, `start(paused=True)`, the network
driver takes the tap to its bridge, `resume`. The same holds for `restore`; `reset` and a guest's own reboot keep the taps.

`Hypervisor` has the domains; `Hypervisor.disks` the files that they boot from; `Hypervisor.consoles` their screens and lines.
"""

from cloudd.drivers.hypervisor.base.config import HypervisorConfig
from cloudd.drivers.hypervisor.base.consoles import Consoles, SerialLine
from cloudd.drivers.hypervisor.base.disks import DiskFile, Disks, ImageSource
from cloudd.drivers.hypervisor.base.errors import BadImage, DomainNotFound, HypervisorDown, HypervisorError, Unsupported
from cloudd.drivers.hypervisor.base.hypervisor import Hypervisor
from cloudd.drivers.hypervisor.base.machine import Capabilities, CpuInfo, DiskStats, DomainStats, HostInfo, MachineCaps, VcpuStats
from cloudd.drivers.hypervisor.base.spec import CpuTopology, DiskKind, DiskSpec, DomainNotes, DomainSpec, Hardware, KernelBoot, NicSpec
from cloudd.drivers.hypervisor.base.states import DomainEvent, DomainState, DomainStatus, EventKind
from cloudd.drivers.hypervisor.base.targets import BUS_PREFIX, default_bus, target_name, with_targets
from cloudd.drivers.hypervisor.feed import EventStream

__all__ = [
    "BUS_PREFIX", "BadImage", "Capabilities", "Consoles", "CpuInfo", "CpuTopology", "DiskFile", "DiskKind", "DiskSpec",
    "DiskStats", "Disks", "DomainEvent", "DomainNotFound", "DomainNotes", "DomainSpec", "DomainState", "DomainStats",
    "DomainStatus", "EventKind", "EventStream", "Hardware", "HostInfo", "Hypervisor", "HypervisorConfig", "HypervisorDown",
    "HypervisorError", "ImageSource", "KernelBoot", "MachineCaps", "NicSpec", "SerialLine", "Unsupported", "VcpuStats",
    "default_bus", "target_name", "with_targets",
]
