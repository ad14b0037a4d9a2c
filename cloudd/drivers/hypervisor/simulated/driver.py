"""The simulated hypervisor: domains that change state as real ones do, and tell of it."""

import asyncio
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

from cloudd.core import tasks
from cloudd.drivers.faults import Faults
from cloudd.drivers.hypervisor.base import (
    Capabilities,
    CpuInfo,
    DiskSpec,
    DiskStats,
    DomainEvent,
    DomainNotFound,
    DomainSpec,
    DomainState,
    DomainStats,
    DomainStatus,
    EventKind,
    HostInfo,
    Hypervisor,
    HypervisorConfig,
    HypervisorDown,
    HypervisorError,
    MachineCaps,
    NicSpec,
    NotLetGo,
    Unsupported,
    VcpuStats,
    default_bus,
    require_key,
    target_name,
)
from cloudd.drivers.hypervisor.feed import EventFeed, EventStream
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.simulated.consoles import SimulatedConsoles
from cloudd.drivers.hypervisor.simulated.disks import SimulatedDisks, export
from cloudd.drivers.hypervisor.simulated.domains import Domain, Register, add_disk, add_nic, updated
from cloudd.drivers.hypervisor.simulated.volumes import SimulatedVolumes

VCPUS, MEMORY_MB, DISK_GB = 64, 256 * 1024, 4000
HOST_MEMORY_MB = 512                 # what the machine itself uses
CAPS = Capabilities(
    arch="x86_64", virt_type="qemu", max_vcpus=255, machine_types=("pc", "q35", "pc-i440fx-7.2", "pc-q35-7.2"),
    default_machine="pc",
    disk_buses=("virtio", "scsi", "ide", "sata", "usb"), nic_models=("virtio", "e1000", "e1000e", "rtl8139"),
    video_models=("vga", "cirrus", "qxl", "virtio", "bochs", "none"), uefi=True,
    machines=tuple(MachineCaps(kind, buses, ("vga", "cirrus", "qxl", "virtio", "bochs", "none"), True, 255) for kind, buses in (
        ("pc", ("virtio", "scsi", "ide", "sata", "usb")), ("q35", ("virtio", "scsi", "sata", "usb")))))
CPU = CpuInfo("x86_64", "qemu64", "AMD", ("apic", "cx8", "fpu", "lm", "msr", "nx", "pae", "sse", "sse2", "svm"), 1, 2, 16, 2)
OFF = (DomainState.SHUTOFF, DomainState.CRASHED)


class SimulatedHypervisor(Hypervisor):
    """Beside the interface: `fail` for faults, `guest_…` for what guests do by themselves, `down` and `up`."""

    def __init__(self, config: HypervisorConfig):
        self.config = config
        self._layout = Layout.of(config)
        self._register = Register(self._layout.instances / ".simulated")
        self._faults = Faults("hypervisor", HypervisorError)
        self._feed = EventFeed[DomainEvent]()
        self._doing: dict[str, asyncio.Task[None]] = {}          # per domain: it boots, or it shuts down
        self._down = "not opened yet"
        self.disks = SimulatedDisks(self._layout, config.image_cache_max_bytes, self._faults)
        self._holding: set[tuple[str, str]] = set()              # disks that guests do not let go of
        self.consoles = SimulatedConsoles(self._layout, self._register, self._faults)
        self.volumes = SimulatedVolumes(self._register, self._hit)

    # -- for tests --------------------------------------------------------------------------------------------------

    def fail(self, method: str, nth: int = 1, error: BaseException | None = None) -> None:
        """The nth call from now of a method, here or of `disks` or `consoles`, raises; later ones work again."""
        self._faults.add(method, nth, error)

    def hang(self, method: str, nth: int = 1) -> None:
        """The nth call from now of a method, and all after it, never return."""
        self._faults.hang(method, nth)

    def heal(self) -> None:
        self._faults.clear()

    def guest_powers_off(self, server_id: str) -> None:
        self._stop(self._find(server_id), DomainState.SHUTOFF, EventKind.STOPPED, "shutdown")

    def guest_crashes(self, server_id: str) -> None:
        self._stop(self._find(server_id), DomainState.CRASHED, EventKind.CRASHED, "crashed")

    def guest_writes(self, server_id: str, data: bytes) -> None:
        self.consoles.guest_writes(server_id, data)

    def guest_holds(self, server_id: str, disk_id: str) -> None:
        """From now on it does not let go of the disk."""
        self._holding.add((server_id, disk_id))

    def guest_lets_go(self, server_id: str, disk_id: str) -> None:
        """Of itself, be it long after it was asked."""
        self._holding.discard((server_id, disk_id))
        domain = self._find(server_id)
        if domain.live is not None and domain.live.disks.pop(disk_id, None) is not None:
            self._register.save(domain)
            self._feed.tell(DomainEvent(EventKind.DISK_GONE, server_id, disk_id))

    def devices(self, server_id: str) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of the disks and ports that the domain has: those of its guest when it runs."""
        view = self._find(server_id).views()[-1]
        return frozenset(view.disks), frozenset(view.nics)

    def down(self, reason: str = "the simulated hypervisor was switched off") -> None:
        self._down = reason
        self._feed.tell(DomainEvent(EventKind.DISCONNECTED))

    def up(self) -> None:
        self._down = ""
        self._feed.tell(DomainEvent(EventKind.RECONNECTED))

    # -- the machine ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._faults.hit("open")
        self._layout.make()
        self.disks.cache.open()
        self._register.open()
        self._down = ""
        for domain in self._register.domains.values():
            if domain.is_live and domain.stopping:
                self._begin(domain, self._shut_down(domain.server_id))
            elif domain.state is DomainState.RUNNING and not domain.booted:
                self._begin(domain, self._boot(domain.server_id))

    async def close(self) -> None:
        for task in tuple(self._doing.values()):
            task.cancel()
        self._doing.clear()
        self.consoles.close()
        self._feed.close()

    async def health(self) -> None:
        await self._hit("health")

    async def host(self) -> HostInfo:
        await self._hit("host")
        used = sum(domain.memory_mb for domain in self._register.domains.values() if domain.is_live)
        return HostInfo(
            hostname=platform.node() or "simulated", arch="x86_64", vcpus=VCPUS, cpu=CPU, memory_mb=MEMORY_MB,
            memory_used_mb=HOST_MEMORY_MB + used, disk_gb=DISK_GB, disk_used_gb=0, hypervisor_type="QEMU",
            hypervisor_version=7_002_022, virt_type="qemu",
            uptime=f" {time.strftime('%H:%M:%S')} up 1 day,  0:00,  0 users,  load average: 0.00, 0.00, 0.00")

    def caps(self) -> Capabilities:
        return replace(CAPS, default_machine=self.config.machine)

    def events(self) -> EventStream[DomainEvent]:
        return self._feed.listen()

    # -- domains ----------------------------------------------------------------------------------------------------

    async def define(self, spec: DomainSpec) -> None:
        await self._hit("define")
        if spec.vcpus > CAPS.max_vcpus:
            raise Unsupported(f"a guest here can have at most {CAPS.max_vcpus} vCPUs, not {spec.vcpus}")
        for disk in spec.disks:
            require_key(disk)
        old = self._register.domains.get(spec.server_id)
        self._register.save(updated(old, spec, spec.machine or self.config.machine))

    async def undefine(self, server_id: str) -> None:
        await self._hit("undefine")
        if (domain := self._register.domains.get(server_id)) is not None:
            self._stop(domain, DomainState.SHUTOFF, EventKind.STOPPED, "destroyed")
            self._register.forget(server_id)
        self._layout.forget_logs(server_id)

    async def list(self) -> tuple[DomainStatus, ...]:
        await self._hit("list")
        return tuple(DomainStatus(domain.server_id, domain.state) for domain in self._register.domains.values())

    async def state(self, server_id: str) -> DomainState:
        await self._hit("state")
        return self._find(server_id).state

    async def start(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        await self._hit("start")
        domain = self._find(server_id)
        if not domain.is_live:
            for disk in domain.config.disks.values():
                _need_file(disk["path"])
        _made(taps)
        if domain.is_live:
            return
        domain.live, domain.booted, domain.stopping, domain.started = domain.config.copy(), False, False, time.time()
        self._turn_on(domain, paused)

    async def restore(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        await self._hit("restore")
        domain = self._find(server_id)
        if not domain.is_live and domain.state is not DomainState.SUSPENDED:
            raise HypervisorError("the guest has no saved memory to go on from")
        _made(taps)
        if domain.is_live:
            return
        self._turn_on(domain, paused)

    async def save(self, server_id: str) -> None:
        await self._hit("save")
        domain = self._find(server_id)
        if domain.state in OFF:
            raise HypervisorError("the guest is off: it has no memory to save")
        if domain.is_live:
            kept = domain.live
            self._stop(domain, DomainState.SUSPENDED, EventKind.SUSPENDED, "saved")
            domain.live = kept
            self._register.save(domain)

    async def resume(self, server_id: str) -> None:
        await self._hit("resume")
        domain = self._find(server_id)
        if not domain.is_live:
            raise HypervisorError("the guest is off: it cannot be resumed")
        if domain.state is DomainState.PAUSED:
            self._run(domain)

    async def pause(self, server_id: str) -> None:
        await self._hit("pause")
        domain = self._running(server_id)
        if domain.state is DomainState.RUNNING:
            self._halt(domain)

    async def shutdown(self, server_id: str) -> None:
        await self._hit("shutdown")
        domain = self._find(server_id)
        if domain.is_live and not domain.stopping:
            domain.stopping = True
            self._register.save(domain)
            if domain.state is DomainState.RUNNING:
                self._begin(domain, self._shut_down(server_id))

    async def destroy(self, server_id: str) -> None:
        await self._hit("destroy")
        if (domain := self._register.domains.get(server_id)) is not None and domain.is_live:
            self._stop(domain, DomainState.SHUTOFF, EventKind.STOPPED, "destroyed")

    async def reset(self, server_id: str) -> None:
        await self._hit("reset")
        domain = self._running(server_id)
        domain.booted = False
        self._register.save(domain)
        if domain.state is DomainState.RUNNING:
            self._begin(domain, self._boot(server_id))

    # -- devices ----------------------------------------------------------------------------------------------------

    async def attach_nic(self, server_id: str, nic: NicSpec) -> None:
        await self._hit("attach_nic")
        domain = self._find(server_id)
        add_nic(domain, nic)
        self._register.save(domain)

    async def detach_nic(self, server_id: str, port_id: str) -> None:
        await self._hit("detach_nic")
        if (domain := self._register.domains.get(server_id)) is not None:
            for view in domain.views():
                view.nics.pop(port_id, None)
            self._register.save(domain)

    async def attach_disk(self, server_id: str, disk: DiskSpec) -> str:
        await self._hit("attach_disk")
        domain = self._find(server_id)
        present = domain.disk(disk.id)
        _need_file(disk.path)
        require_key(disk)
        if present is None:
            bus = disk.bus or default_bus(disk.device, domain.machine)
            taken = set().union(*(view.targets() for view in domain.views()))
            present = replace(disk, bus=bus, target=disk.target or target_name(bus, taken))
        add_disk(domain, present)
        self._register.save(domain)
        return present.target

    async def detach_disk(self, server_id: str, disk_id: str) -> None:
        await self._hit("detach_disk")
        if (domain := self._register.domains.get(server_id)) is not None:
            if domain.is_live and (server_id, disk_id) in self._holding:
                raise NotLetGo(f"the guest does not let go of the disk {disk_id}; is it still booting, or has it mounted it?")
            self.guest_lets_go(server_id, disk_id)
            domain.config.disks.pop(disk_id, None)
            self._register.save(domain)

    async def resize_disk(self, server_id: str, disk_id: str, size_bytes: int) -> None:
        await self._hit("resize_disk")
        if (disk := self._disk(server_id, disk_id)).connection is None:
            _lengthen(Path(disk.path), size_bytes)
        else:
            self._find(server_id).change(disk_id, lambda told: replace(told, size=size_bytes))
            self._register.save(self._find(server_id))

    async def export_disk(self, server_id: str, disk_id: str, target: Path, format: str = "qcow2") -> None:
        await self._hit("export_disk")
        export(Path(self._disk(server_id, disk_id).path), target, format)

    # -- the guest itself -------------------------------------------------------------------------------------------

    async def stats(self, server_id: str) -> DomainStats:
        await self._hit("stats")
        domain = self._find(server_id)
        if not domain.is_live or domain.live is None:
            return DomainStats(domain.state, (), (), domain.memory_mb, 0)
        busy = int((time.time() - domain.started) * 1e7)         # one percent of a core
        disks = tuple(DiskStats(disk["target"], 1 << 20, 256, 1 << 16, 16) for disk in domain.live.disks.values())
        vcpus = tuple(VcpuStats(number, busy) for number in range(domain.vcpus))
        return DomainStats(domain.state, vcpus, disks, domain.memory_mb, domain.memory_mb // 2)

    async def set_admin_password(self, server_id: str, user: str, password: str) -> None:
        await self._hit("set_admin_password")
        if not self._running(server_id).agent:
            raise Unsupported("the guest has no channel to an agent")

    async def inject_nmi(self, server_id: str) -> None:
        await self._hit("inject_nmi")
        self._running(server_id)

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _hit(self, method: str) -> None:
        if self._down:
            raise HypervisorDown(self._down)
        await self._faults.hit(method)

    def _find(self, server_id: str) -> Domain:
        try:
            return self._register.domains[server_id]
        except KeyError:
            raise DomainNotFound(server_id) from None

    def _running(self, server_id: str) -> Domain:
        domain = self._find(server_id)
        if not domain.is_live:
            raise HypervisorError("the guest is off")
        return domain

    def _disk(self, server_id: str, disk_id: str) -> DiskSpec:
        disk = self._find(server_id).disk(disk_id)
        if disk is None:
            raise HypervisorError(f"the guest has no disk {disk_id}")
        return disk

    def _turn_on(self, domain: Domain, paused: bool) -> None:
        self._feed.tell(DomainEvent(EventKind.STARTED, domain.server_id))
        if paused:
            self._halt(domain)
        else:
            self._run(domain)

    def _halt(self, domain: Domain) -> None:
        self._cease(domain)
        domain.state = DomainState.PAUSED
        self._register.save(domain)
        self._feed.tell(DomainEvent(EventKind.PAUSED, domain.server_id, "user"))

    def _run(self, domain: Domain) -> None:
        domain.state = DomainState.RUNNING
        self._register.save(domain)
        self._feed.tell(DomainEvent(EventKind.RESUMED, domain.server_id))
        if domain.stopping:
            self._begin(domain, self._shut_down(domain.server_id))
        elif not domain.booted:
            self._begin(domain, self._boot(domain.server_id))

    def _stop(self, domain: Domain, state: DomainState, kind: EventKind, detail: str) -> None:
        if not domain.is_live:
            return
        self._cease(domain)
        domain.state, domain.live, domain.stopping = state, None, False
        self._register.save(domain)
        self.consoles.end(domain.server_id)
        self._feed.tell(DomainEvent(kind, domain.server_id, detail))

    def _begin(self, domain: Domain, deed) -> None:
        self._cease(domain)
        self._doing[domain.server_id] = tasks.start(f"simulated guest {domain.server_id}", deed)

    def _cease(self, domain: Domain) -> None:
        task = self._doing.pop(domain.server_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    async def _boot(self, server_id: str) -> None:
        self.consoles.guest_writes(server_id, b"Linux version 6.1.0 (simulated)\r\n")
        await asyncio.sleep(self.config.boot_seconds)
        domain = self._find(server_id)
        domain.booted = True
        self._register.save(domain)
        self.consoles.guest_writes(server_id, f"\r\n{domain.name} login: ".encode())

    async def _shut_down(self, server_id: str) -> None:
        await asyncio.sleep(self.config.boot_seconds)
        self.consoles.guest_writes(server_id, b"\r\nreboot: Power down\r\n")
        self.guest_powers_off(server_id)


def _made(taps: asyncio.Event | None) -> None:
    """A guest's taps are there."""
    if taps is not None:
        taps.set()


def _need_file(path: str) -> None:
    if not os.path.exists(path):
        raise HypervisorError(f"Cannot access storage file '{path}': No such file or directory")


def _lengthen(path: Path, size: int) -> None:
    if path.is_file() and path.stat().st_size < size:
        os.truncate(path, size)
