"""The hypervisor driver for libvirt: joins the subjects beside it to the interface."""

import asyncio
import os
from pathlib import Path

from cloudd.core import log
from cloudd.core.disks import qemu_img
from cloudd.core.disks.files import direct_io_works
from cloudd.drivers.hypervisor.base import (
    Capabilities,
    DiskSpec,
    DomainEvent,
    DomainNotFound,
    DomainSpec,
    DomainState,
    DomainStats,
    DomainStatus,
    HostInfo,
    Hypervisor,
    HypervisorConfig,
    HypervisorDown,
    HypervisorError,
    NicSpec,
    NotLetGo,
    Unsupported,
)
from cloudd.drivers.hypervisor.feed import EventStream
from cloudd.drivers.hypervisor.layout import Layout, make_folder
from cloudd.drivers.hypervisor.libvirt import devices, domain_xml, host, power, probe, secrets
from cloudd.drivers.hypervisor.libvirt.connection import Connection
from cloudd.drivers.hypervisor.libvirt.console import SocketConsoles
from cloudd.drivers.hypervisor.libvirt.disks import FileDisks, lengthen
from cloudd.drivers.hypervisor.libvirt.events import Events
from cloudd.drivers.hypervisor.libvirt.taps import Taps
from cloudd.drivers.hypervisor.libvirt.volumes import LibvirtVolumes
from cloudd.drivers.hypervisor.tools import said
from cloudd.drivers.volume.base import Kind

LOG = log.get("cloudd.hypervisor.libvirt")
HEALTH_SECONDS = 5.0
DETACH_TRIES, DETACH_SECONDS = 12, 5.0       # a guest that boots does not listen yet; asking again helps
BACKUP_POLL_SECONDS = 0.1
CPU_MODES = ("host-model", "host-passthrough", "maximum", "custom", "none")
LIVE = (DomainState.RUNNING, DomainState.PAUSED)


class LibvirtHypervisor(Hypervisor):
    def __init__(self, config: HypervisorConfig):
        self.config = config
        self._layout = Layout.of(config)
        self._ours: set[str] = set()
        self._events = Events(self._ours.__contains__)
        self._taps = Taps(self._layout)
        self._connection = Connection(config.uri, config.threads, self._prepare, self._events.state)
        self.disks = FileDisks(self._layout, config.image_cache_max_bytes)
        self.consoles = SocketConsoles(self._layout, self._connection)
        self.volumes = LibvirtVolumes(config.cloud_id, self._layout, self._connection, self._events)

    # -- the machine ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await asyncio.to_thread(self._layout.make)
        self.disks.cache.open()
        self._events.open()
        self._taps.open()
        await self._connection.open()
        group = await self._connection.run(host.group_of_qemu)
        if group is not None:
            self.group = group
            await asyncio.to_thread(self._layout.admit, group)
        virt_type = await self._connection.run(lambda conn: probe.virt_type(
            conn, self.config.virt_type, self._layout.instances, self.config.cloud_id))
        self._found = await self._connection.run(lambda conn: host.look(conn, virt_type, self.config.machine))
        self._facts = self._gather_facts(virt_type)
        await self.volumes.moments.heal()

    def _prepare(self, conn) -> None:
        """For each new connection, in a thread: listen, and know whose events are ours."""
        self._events.register(conn)
        self._ours.update(status.server_id for status in power.list_ours(conn, self.config.cloud_id))

    def _gather_facts(self, virt_type: str) -> domain_xml.Facts:
        cpu, model = self.config.cpu_mode, self.config.cpu_model
        if cpu == "auto":
            cpu = "host-model" if virt_type == "kvm" else "maximum"
        elif cpu not in CPU_MODES:
            cpu, model = "custom", cpu
            if model not in self._found.cpu_models:
                raise HypervisorError(f"[compute] cpu_mode = {model}: it must be auto, host-model, host-passthrough, maximum or a model "
                                      f"that libvirt knows: {', '.join(self._found.cpu_models)}")
        cache = self.config.disk_cache
        if cache == "auto":
            cache = "none" if direct_io_works(self._layout.instances) else "writeback"
        return domain_xml.Facts(
            cloud_id=self.config.cloud_id, virt_type=virt_type, arch=self._found.caps.arch, machine=self.config.machine,
            cpu_mode="" if cpu == "none" else cpu, cpu_model=model, disk_cache=cache,
            video=self._found.video, tb_cache_mib=self.config.tb_cache_mib if self._found.tb_cache else 0)

    async def close(self) -> None:
        self.consoles.close()
        self._taps.close()
        await self._connection.close()
        self._events.close()

    async def health(self) -> None:
        try:
            await asyncio.wait_for(self._connection.run(lambda conn: conn.getLibVersion()), HEALTH_SECONDS)
        except TimeoutError:
            raise HypervisorDown(f"libvirt did not answer within {HEALTH_SECONDS:g} seconds") from None

    async def host(self) -> HostInfo:
        return await self._connection.run(lambda conn: host.info(conn, self._found, self._layout.instances))

    def caps(self) -> Capabilities:
        return self._found.caps

    def events(self) -> EventStream[DomainEvent]:
        return self._events.feed.listen()

    # -- domains ----------------------------------------------------------------------------------------------------

    async def define(self, spec: DomainSpec) -> None:
        self._check(spec)
        paths = domain_xml.Paths(
            str(self._layout.vnc_socket(spec.server_id)),
            tuple(str(self._layout.serial_socket(spec.server_id, port)) for port in range(spec.serial_ports)),
            str(self._layout.console_log(spec.server_id)))
        make_folder(self._layout.server(spec.server_id))
        self._ours.add(spec.server_id)
        if any(disk.passphrase or disk.connection and disk.connection.encryption for disk in spec.disks):
            await self._connection.run(secrets.hand_over, spec.server_id, spec.disks)
        await self._connection.run(power.define, spec.server_id, domain_xml.domain(spec, self._facts, paths))

    def _check(self, spec: DomainSpec) -> None:
        """What libvirt would tell only when the domain starts, or in words that an owner does not know."""
        caps = self.caps()
        if spec.firmware == "uefi" and not caps.machine(spec.machine).uefi:
            raise Unsupported("this machine has no UEFI firmware for such guests; install ovmf")
        if spec.vcpus > caps.max_vcpus:
            raise Unsupported(f"a guest here can have at most {caps.max_vcpus} vCPUs, not {spec.vcpus}")

    async def undefine(self, server_id: str) -> None:
        await self._connection.run(power.undefine, server_id)
        await self._connection.run(secrets.forget, server_id)
        self._ours.discard(server_id)
        await asyncio.to_thread(self._layout.forget_sockets, server_id)
        await asyncio.to_thread(self._layout.forget_logs, server_id)

    async def list(self) -> tuple[DomainStatus, ...]:
        ours = await self._connection.run(lambda conn: power.list_ours(conn, self.config.cloud_id))
        return tuple(map(self.volumes.moments.seen, ours))

    async def state(self, server_id: str) -> DomainState:
        state = await self._connection.run(power.state, server_id)
        return self.volumes.moments.seen(DomainStatus(server_id, state)).state

    async def start(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        with self._taps.told(server_id, taps):
            await self._connection.run(power.start, server_id, paused)

    async def resume(self, server_id: str) -> None:
        await self._connection.run(power.resume, server_id)

    async def pause(self, server_id: str) -> None:
        await self._connection.run(power.pause, server_id)

    async def shutdown(self, server_id: str) -> None:
        await self._connection.run(power.shutdown, server_id)

    async def destroy(self, server_id: str) -> None:
        await self._connection.run(power.destroy, server_id)

    async def reset(self, server_id: str) -> None:
        await self._connection.run(power.reset, server_id)

    async def save(self, server_id: str) -> None:
        await self._connection.run(power.save, server_id)

    async def restore(self, server_id: str, *, paused: bool = False, taps: asyncio.Event | None = None) -> None:
        with self._taps.told(server_id, taps):
            await self._connection.run(power.restore, server_id, paused)

    # -- devices ----------------------------------------------------------------------------------------------------

    async def attach_nic(self, server_id: str, nic: NicSpec) -> None:
        await self._connection.run(devices.attach_nic, server_id, nic)

    async def detach_nic(self, server_id: str, port_id: str) -> None:
        await self._detach(server_id, domain_xml.nic_alias(port_id), f"network interface of port {port_id}")

    async def attach_disk(self, server_id: str, disk: DiskSpec) -> str:
        in_files = disk.connection is None or disk.connection.kind is not Kind.RBD
        if in_files and not await asyncio.to_thread(os.path.exists, disk.path):      # a guest that is off would notice at its next start
            raise HypervisorError(f"Cannot access storage file '{disk.path}': No such file or directory")
        await self._connection.run(secrets.hand_over, server_id, (disk,))
        try:
            return await self._connection.run(devices.attach_disk, server_id, disk, self._facts)
        except HypervisorError:
            await self._connection.run(devices.unless_attached, server_id, domain_xml.disk_alias(disk.id),
                                       lambda conn: secrets.forget(conn, server_id, disk.id))
            raise

    async def detach_disk(self, server_id: str, disk_id: str) -> None:
        await self._detach(server_id, domain_xml.disk_alias(disk_id), f"disk {disk_id}")
        await self._connection.run(secrets.forget, server_id, disk_id)

    async def _detach(self, server_id: str, alias: str, what: str) -> None:
        """The guest must agree: ask, wait for its answer, ask again. Off, or not there: nothing to ask."""
        try:
            for _ in range(DETACH_TRIES):
                if not await self._ask_to_let_go(server_id, alias):
                    break
            else:
                raise NotLetGo(f"the guest does not let go of the {what}; is it still booting, or has it mounted it?")
            await self._connection.run(devices.detach_config, server_id, alias)
        except DomainNotFound:
            return

    async def _ask_to_let_go(self, server_id: str, alias: str) -> bool:
        """Whether the guest still has the device."""
        gone = self._events.removal(server_id, alias)
        try:
            if not await self._connection.run(devices.begin_detach, server_id, alias):
                return False
            until = asyncio.get_running_loop().time() + DETACH_SECONDS
            await asyncio.wait({gone}, timeout=DETACH_SECONDS)
            if gone.done() and not gone.result():                        # it refused, maybe at once
                await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
            return await self._connection.run(devices.still_attached, server_id, alias)
        finally:
            gone.cancel()

    async def resize_disk(self, server_id: str, disk_id: str, size_bytes: int) -> None:
        state, disk = await self._connection.run(devices.find_disk, server_id, disk_id)
        path = Path(disk.path)
        if state in LIVE:
            if disk.format == "raw" and not disk.block_device and not disk.encrypted:
                await asyncio.to_thread(lengthen, path, size_bytes)      # a raw file does not grow by being told
            await self._connection.run(devices.block_resize, server_id, disk.target, size_bytes)
        elif not disk.block_device and not disk.is_volume:
            with said():
                await qemu_img.grow(path, disk.format, size_bytes)

    async def export_disk(self, server_id: str, disk_id: str, target: Path, format: str = "qcow2") -> None:
        state, disk = await self._connection.run(devices.find_disk, server_id, disk_id)
        await asyncio.to_thread(target.unlink, missing_ok=True)
        if state not in LIVE:
            with said():
                await qemu_img.copy(Path(disk.path), disk.format, target, format)
            return
        await self._connection.run(devices.begin_backup, server_id, disk.target, target, format)
        try:
            while not await self._connection.run(devices.backup_ended, server_id):  # noqa: ASYNC110 (its event may be missed)
                await asyncio.sleep(BACKUP_POLL_SECONDS)
        except BaseException:
            await self._connection.run(devices.abort_job, server_id)
            await asyncio.to_thread(target.unlink, missing_ok=True)
            raise

    # -- the guest itself -------------------------------------------------------------------------------------------

    async def stats(self, server_id: str) -> DomainStats:
        return await self._connection.run(host.stats, server_id)

    async def set_admin_password(self, server_id: str, user: str, password: str) -> None:
        await self._connection.run(power.set_admin_password, server_id, user, password)

    async def inject_nmi(self, server_id: str) -> None:
        await self._connection.run(power.inject_nmi, server_id)
