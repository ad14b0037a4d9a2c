"""What the daemon starts and stops of networks: the driver, and at start all that it shall make of the rows."""

import asyncio
import hashlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import select, update

from cloudd.core import log, tasks
from cloudd.core.http.api import Api
from cloudd.core.http.server import Front
from cloudd.core.module import DriverError, Module, load_driver
from cloudd.core.work.turns import Turns
from cloudd.drivers.network.base import NetworkConfig, NetworkDriver, NetworkDriverError
from cloudd.network import jobs
from cloudd.network.api import (
    API,
    agents,
    extensions,
    floatingips,
    misc,
    networks,
    ports,
    quotas,
    rbac,
    routers,
    security_groups,
    subnetpools,
    subnets,
    tags,
)
from cloudd.network.config import CONFIG, DEFAULT_QUOTAS, QUOTAS
from cloudd.network.dataplane import repair
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.dataplane.metadata import MetadataDesk
from cloudd.network.dataplane.pulse import Pulse
from cloudd.network.dataplane.watch import Watch
from cloudd.network.models import FloatingIp, Network, Port, Router

LOG = log.get("cloudd.network")
REGISTERED = (jobs, agents, extensions, floatingips, misc, networks, ports, quotas, rbac, routers, security_groups, subnetpools,
              subnets, tags)


class NetworkModule(Module):
    name = "network"
    apis: ClassVar[tuple[Api, ...]] = (API, misc.VERSIONS)

    def __init__(self, parts: Any):
        super().__init__(parts)
        self.driver: NetworkDriver | None = None
        self.repair: asyncio.Task[None] | None = None
        self.watch: Watch | None = None
        self.watching: asyncio.Task[None] | None = None
        read_settings(parts.settings)

    async def open(self) -> None:
        await self._open(driver_config(self.parts.settings))

    async def _open(self, config: NetworkConfig) -> None:
        desk = MetadataDesk()
        self.parts.services[MetadataDesk] = desk
        self.parts.services[Pulse] = Pulse()
        self.parts.services[Turns] = Turns()
        kind = load_driver("network", self.parts.settings.network.driver)
        driver: NetworkDriver = self.parts.deadlines.guard(kind(config), NetworkDriver, "network",
                                                           NetworkDriverError)
        try:
            await driver.open(desk.appeared, desk.gone)
        except NetworkDriverError as exc:
            raise DriverError(str(exc)) from exc
        self.driver = self.parts.drivers[NetworkDriver] = driver

    def routes(self, front: Front) -> None:
        front.metrics.gauge("cloudd_network_refused_packets", "Packets of guests that nobody outside could have answered",
                            lambda: self.watch.refused if self.watch else 0)
        front.metrics.labelled("cloudd_network_port_refused_packets", "Packets of connections beyond the limit of a port, as of the last "
                               "look at the dataplane", ("port", "direction"), lambda: self.watch.of_ports() if self.watch else {},
                               counts=True)

    async def start(self) -> None:
        if self.driver is None:
            return
        await self.restore(self.driver)
        self.repair = tasks.repeat("network repair", lambda: repair.repair(self.parts), lambda: repair.SECONDS)
        self.watch = self.parts.service(Pulse).watch = Watch(self.driver)
        self.watching = tasks.start("network watch", self.watch.run())

    async def restore(self, driver: NetworkDriver) -> None:
        """Bring the dataplane to the rows, then the rows' statuses to what came of it."""
        async with self.parts.database.read() as tx:
            wanted = await dataplane.everything(tx)
        report = await driver.restore(wanted)
        for line in report.failed:
            LOG.error("a part of the dataplane could not be restored", what=line)
        if report.created or report.removed:
            LOG.info("the dataplane was repaired", created=len(report.created), removed=len(report.removed))
        await self._correct_statuses(driver, set(report.failed))

    async def purge(self) -> None:
        """Wanted is nothing: the driver removes all that is ours, and takes no interface for it."""
        await self._open(replace(driver_config(self.parts.settings), uplinks=()))
        if self.driver is not None:
            await self.driver.purge()
            await self.driver.close()

    async def _correct_statuses(self, driver: NetworkDriver, failed: set[str]) -> None:
        plugged = await driver.plugged()
        ill = {word.rstrip(":") for line in failed for word in line.split()}
        async with self.parts.database.write() as tx:
            guests = select(Port.id, Port.status).where(Port.host_id != "", Port.service == "")
            for port_id, status in (await tx.execute(guests)).all():
                right = "ACTIVE" if port_id in plugged else "DOWN"
                if status != right:
                    await tx.execute(update(Port).where(Port.id == port_id).values(status=right))
            for model in (Network, Router):
                ids = [one for one in (await tx.execute(select(model.id))).scalars() if one in ill]
                await tx.execute(update(model).where(model.id.in_(ids)).values(status="ERROR"))
                await tx.execute(update(model).where(model.id.not_in(ids), model.status == "ERROR").values(status="ACTIVE"))
            await tx.execute(update(FloatingIp).where(FloatingIp.port_id.is_not(None), FloatingIp.status == "ERROR")
                             .values(status="ACTIVE"))

    async def stop(self) -> None:
        for task in (self.repair, self.watching):
            if task is not None:
                task.cancel()
        if self.driver is not None:
            await self.driver.close()

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"network": self._healthy}

    async def _healthy(self) -> None:
        if self.driver is None:
            raise NetworkDriverError("the network driver is not open")
        health = await self.parts.service(Pulse).health(self.driver)
        if not health.ok:
            raise NetworkDriverError("; ".join(health.problems))

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("network", "neutron", "/networking"),)


def read_settings(settings: Any) -> None:
    """Take what logic needs of the settings."""
    own = settings.network
    CONFIG.host = settings.compute.host_name or socket.gethostname()
    CONFIG.dns_domain, CONFIG.mtu, CONFIG.mac_base = own.dns_domain, own.global_mtu, own.mac_base
    CONFIG.bridged = (own.bridge_physical_network,) if own.bridge_physical_network and own.bridge_interface else ()
    CONFIG.zone = settings.compute.default_availability_zone
    QUOTAS.defaults.update({name: getattr(settings.quota, name) for name in DEFAULT_QUOTAS if hasattr(settings.quota, name)})


def driver_config(settings: Any) -> NetworkConfig:
    """What the driver is told: its own settings, and a name that tells this cloud from others on the machine."""
    own, state_dir = settings.network, Path(settings.server.state_dir).absolute()
    uplinks = ((own.bridge_physical_network, own.bridge_interface),) if CONFIG.bridged else ()
    return NetworkConfig(
        cloud_id=hashlib.sha256(str(state_dir).encode()).hexdigest()[:12], state_dir=str(state_dir / "network"),
        namespace=own.namespace, host_namespace=own.host_namespace, outbound=own.outbound, uplinks=uplinks, routed=own.routed_ranges,
        dns_forwarders=tuple(own.dns_servers), dhcp_lease_seconds=own.dhcp_lease_duration,
        connections_per_port=own.connections_per_port)
