"""The domains of one machine."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

from cloudd.drivers.hypervisor.base.config import HypervisorConfig
from cloudd.drivers.hypervisor.base.consoles import Consoles
from cloudd.drivers.hypervisor.base.disks import Disks
from cloudd.drivers.hypervisor.base.machine import Capabilities, DomainStats, HostInfo
from cloudd.drivers.hypervisor.base.spec import DiskSpec, DomainSpec, NicSpec
from cloudd.drivers.hypervisor.base.states import DomainEvent, DomainState, DomainStatus
from cloudd.drivers.hypervisor.base.volumes import Volumes
from cloudd.drivers.hypervisor.feed import EventStream


class Hypervisor(ABC):
    """The guests of one machine. Errors are HypervisorError."""

    config: HypervisorConfig
    disks: Disks
    consoles: Consoles
    volumes: Volumes
    group: int = -1                  # that QEMU runs in; -1: it may open all files

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
    async def start(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        """Boot; memory that was saved is thrown away. `taps` is set as soon as its NICs' taps may be plugged, if possible before it
        returns; not when it fails."""

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
    async def restore(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        """Go on from the saved memory. `taps` as for `start`."""

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
    async def detach_disk(self, server_id: str, disk_id: str) -> None:
        """Returns when the guest has let go: it is asked every 5 seconds. Raises NotLetGo after 60; the disk then is as it was, and a
        late letting-go is told by DISK_GONE."""

    @abstractmethod
    async def resize_disk(self, server_id: str, disk_id: str, size_bytes: int) -> None:
        """Grow a disk; a running guest sees it before this returns. Of a volume, which its driver has grown, only that is done."""

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
