"""What the daemon starts and stops of compute: the hypervisor, and the watch over its guests."""

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import ClassVar

from sqlalchemy import select

from cloudd import block
from cloudd.compute import jobs
from cloudd.compute.api import API, extensions, flavor_access, flavors, keypairs, limits, quota_sets, versions
from cloudd.compute.api.hosts import aggregates, availability_zones, hypervisors, services, usage, usage_audit_log
from cloudd.compute.api.servers import actions as servers_actions
from cloudd.compute.api.servers import admin as servers_admin
from cloudd.compute.api.servers import consoles, external_events, instance_actions, interfaces, migrations, security_groups, servers
from cloudd.compute.api.servers import diagnostics as server_diagnostics
from cloudd.compute.api.servers import groups as server_groups
from cloudd.compute.api.servers import metadata as server_metadata
from cloudd.compute.api.servers import password as server_password
from cloudd.compute.api.servers import tags as server_tags
from cloudd.compute.api.servers import volumes as server_volumes
from cloudd.compute.config import CONFIG
from cloudd.compute.consoles import ConsoleProxy
from cloudd.compute.metadata import MetadataServer
from cloudd.compute.models import Node, Service
from cloudd.compute.quotas import values as quotas
from cloudd.compute.servers import guests
from cloudd.compute.servers import interfaces as interface_rules
from cloudd.core import clock, ids, tasks
from cloudd.core.http.api import Api
from cloudd.core.http.server import Front
from cloudd.core.module import DriverError, Module, load_driver
from cloudd.core.parts import Parts
from cloudd.core.runner import Runner
from cloudd.drivers.hypervisor.base import (
    Consoles,
    Disks,
    DomainEvent,
    EventStream,
    Hypervisor,
    HypervisorConfig,
    HypervisorError,
    Volumes,
)

REGISTERED = (jobs, aggregates, availability_zones, consoles, extensions, external_events, flavor_access, flavors, hypervisors,
              instance_actions, interfaces, keypairs, limits, migrations, quota_sets, security_groups, server_diagnostics,
              server_groups, server_metadata, server_password, server_tags, server_volumes, servers, servers_actions, servers_admin,
              services, usage, usage_audit_log)
BINARIES = ("nova-conductor", "nova-scheduler", "nova-compute")
SOCKET_DIR_MAX = 50


class ComputeModule(Module):
    name = "compute"
    apis: ClassVar[tuple[Api, ...]] = (API, versions.VERSIONS)
    _events: EventStream[DomainEvent] | None = None
    _watch: "asyncio.Task[None] | None" = None

    def __init__(self, parts: Parts):
        super().__init__(parts)
        self._metadata = MetadataServer(parts)

    def routes(self, front: Front) -> None:
        ConsoleProxy(self.parts).routes(front)

    async def open(self) -> None:
        settings, driver = self.parts.settings, await self._open()
        if driver.group >= 0:
            await block.admit(self.parts, driver.group)
        try:
            host = await driver.host()
        except HypervisorError as exc:
            raise self._away(exc) from exc
        CONFIG.from_settings(settings, host.hostname)
        CONFIG.vcpus, CONFIG.memory_mb, CONFIG.disk_gb = host.vcpus, host.memory_mb, host.disk_gb
        CONFIG.address = host.host_ip
        CONFIG.hypervisor_type, CONFIG.hypervisor_version = host.hypervisor_type, host.hypervisor_version
        CONFIG.caps = driver.caps()
        quotas.from_settings(settings)
        if self.parts.bus is not None:
            self.parts.bus.subscribe("compute.ports", ("port.delete.end",), interface_rules.port_gone)
        if (jobs := self.parts.services.get(Runner)) is not None:
            jobs.limits.setdefault("compute.server.create", settings.compute.max_concurrent_builds)

    def _away(self, exc: HypervisorError) -> DriverError:
        return DriverError(f"[compute] driver = {self.parts.settings.compute.driver}: {exc}")

    async def _open(self) -> Hypervisor:
        driver: Hypervisor = load_driver("hypervisor", self.parts.settings.compute.driver)(self._config())
        for part, kind, name in ((driver, Hypervisor, "hypervisor"), (driver.disks, Disks, "hypervisor.disks"),
                                 (driver.consoles, Consoles, "hypervisor.consoles"), (driver.volumes, Volumes, "hypervisor.volumes")):
            self.parts.deadlines.guard(part, kind, name, HypervisorError)
        try:
            await driver.open()
        except HypervisorError as exc:
            raise self._away(exc) from exc
        self.parts.drivers[Hypervisor] = driver
        return driver

    def _config(self) -> HypervisorConfig:
        options, state = self.parts.settings.compute, Path(self.parts.settings.server.state_dir).absolute()
        model = options.cpu_mode not in ("auto", "host-model", "host-passthrough", "maximum", "none")
        return HypervisorConfig(
            cloud_id=_cloud_id(state), instances_dir=str(state / "instances"), cache_dir=str(state / "image-cache"),
            run_dir=_run_dir(state), uri=options.libvirt_uri, virt_type=options.virt_type,
            cpu_mode="custom" if model else options.cpu_mode, cpu_model=options.cpu_mode if model else "",
            disk_cache=options.disk_cache_mode, tb_cache_mib=options.tb_cache_mb,
            image_cache_max_bytes=options.image_cache_max_gb << 30)

    async def start(self) -> None:
        await self._register_host()
        driver = self.parts.driver(Hypervisor)
        await self._metadata.start()
        self._events = driver.events()
        await guests.reconcile(self.parts)
        self._watch = tasks.start("guests", guests.follow(self.parts, self._events))

    async def _register_host(self) -> None:
        """The rows that os-services and os-hypervisors show of this host."""
        async with self.parts.database.write() as tx:
            now = clock.now()
            there = set((await tx.execute(select(Service.binary).where(Service.host == CONFIG.host))).scalars())
            for binary in BINARIES:
                if binary not in there:
                    tx.add(Service(uuid=ids.new_uuid(), host=CONFIG.host, binary=binary, created_at=now, updated_at=now))
            if (await tx.execute(select(Node.id).where(Node.host == CONFIG.host))).scalar() is None:
                tx.add(Node(uuid=ids.new_uuid(), host=CONFIG.host, hypervisor_hostname=CONFIG.node, created_at=now))

    async def stop(self) -> None:
        if self._events is not None:
            self._events.close()
        await self._metadata.stop()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if Hypervisor in self.parts.drivers:
            await self.parts.driver(Hypervisor).close()
            self._forget_run_dir()

    def _forget_run_dir(self) -> None:
        """No guest has a socket there: it may go, and is made again at the next start."""
        with contextlib.suppress(OSError):
            os.rmdir(self._config().run_dir)

    async def purge(self) -> None:
        """Destroy every guest of this cloud on this host, with its disks."""
        driver = await self._open()
        for domain in await driver.list():
            await driver.destroy(domain.server_id)
            await driver.undefine(domain.server_id)
        for server_id in await driver.disks.owners():
            await driver.disks.delete(server_id)
        await driver.close()
        self._forget_run_dir()

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"hypervisor": self._answers}

    async def _answers(self) -> None:
        await self.parts.driver(Hypervisor).health()

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("compute", "nova", "/compute/v2.1"),)


def _cloud_id(state: Path) -> str:
    """Tells this cloud's guests from another's on the same hypervisor; made once."""
    path = state / "cloud-id"
    if not path.exists():
        state.mkdir(parents=True, exist_ok=True)
        path.write_text(ids.new_uuid() + "\n")
    return path.read_text().strip()


def _run_dir(state: Path) -> str:
    """Where sockets lie: in the state directory, or, where that is too long for a socket's path, a short one named for it."""
    if len(str(state / "run")) <= SOCKET_DIR_MAX:
        return str(state / "run")
    base = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    return str(base / f"cloudd-{hashlib.sha256(str(state).encode()).hexdigest()[:12]}")
