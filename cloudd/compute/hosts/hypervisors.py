"""What this machine has and holds, as the hypervisor driver and the rows of its servers tell it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.config import CONFIG
from cloudd.compute.hosts.services import COMPUTE, is_up
from cloudd.compute.models import Node, Server, Service
from cloudd.core import ids
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import HostInfo, Hypervisor, HypervisorError

ZERO = ("current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb", "local_gb_used", "memory_mb",
        "memory_mb_used", "running_vms", "vcpus", "vcpus_used")


@dataclass(frozen=True)
class Holds:
    """What the living servers of a node take, and who they are."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    count: int
    busy: int
    servers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Machine:
    """A node and all that is told of it. `info` is None while the hypervisor is out of reach."""

    node: Node
    service: Service | None
    holds: Holds
    info: HostInfo | None

    @property
    def is_up(self) -> bool:
        return self.service is not None and is_up(self.service) and self.info is not None

    @property
    def disabled(self) -> bool:
        return self.service is None or self.service.disabled

    @cached_property
    def usage(self) -> dict[str, int]:
        """Nova's counters. Used is what servers were promised, not what they touch."""
        info, holds = self.info, self.holds
        known = info or CONFIG
        vcpus, memory, disk = known.vcpus, known.memory_mb, known.disk_gb
        memory_used = holds.memory_mb + CONFIG.reserved_memory_mb
        least = disk - info.disk_used_gb if info else disk - holds.disk_gb
        return {"current_workload": holds.busy, "disk_available_least": least, "free_disk_gb": disk - holds.disk_gb,
                "free_ram_mb": memory - memory_used, "local_gb": disk, "local_gb_used": holds.disk_gb, "memory_mb": memory,
                "memory_mb_used": memory_used, "running_vms": holds.count, "vcpus": vcpus, "vcpus_used": holds.vcpus}

    def cpu_info(self) -> dict[str, Any]:
        if self.info is None:
            return {}
        cpu = self.info.cpu
        return {"arch": cpu.arch, "model": cpu.model, "vendor": cpu.vendor, "features": sorted(cpu.features),
                "topology": {"cells": cpu.cells, "sockets": cpu.sockets, "cores": cpu.cores, "threads": cpu.threads}}


async def machines(parts: Parts, *, with_servers: bool = False, pattern: str | None = None) -> list[Machine]:
    """Every node (there is one; more where the host was renamed), filtered by a part of its name."""
    async with parts.database.read() as tx:
        query = select(Node).order_by(Node.id)
        nodes = [node for node in (await tx.execute(query)).scalars() if not pattern or pattern in node.hypervisor_hostname]
        rows = (await tx.execute(select(Service).where(Service.binary == COMPUTE))).scalars()
        services = {row.host: row for row in rows}
        holds = {node.host: await _holds(tx, node.host, with_servers) for node in nodes}
    info = await _info(parts)
    return [Machine(node, services.get(node.host), holds[node.host], info if node.host == CONFIG.host else None)
            for node in nodes]


async def _holds(tx: AsyncSession, host: str, with_servers: bool) -> Holds:
    columns = (Server.vcpus, Server.memory_mb, Server.root_gb + Server.ephemeral_gb)
    query = select(*(func.coalesce(func.sum(column), 0) for column in columns), func.count(), func.count(Server.task_state))
    row = (await tx.execute(query.where(Server.host == host, Server.deleted_at.is_(None)))).one()
    servers: list[tuple[str, str]] = []
    if with_servers:
        named = select(Server.id, Server.number).where(Server.host == host, Server.deleted_at.is_(None))
        servers = [(key, CONFIG.instance_name(number)) for key, number in await tx.execute(named.order_by(Server.number))]
    return Holds(*row, servers)


async def _info(parts: Parts) -> HostInfo | None:
    try:
        return await parts.driver(Hypervisor).host()
    except HypervisorError:
        return None


async def one(parts: Parts, key: str, *, by_uuid: bool, with_servers: bool = False) -> Machine:
    """A node by what this version calls its id. Raises BadRequest, NotFound."""
    if by_uuid and not ids.is_uuid(key):
        raise BadRequest(f"Invalid uuid {key}", type="InvalidUUID")
    for machine in await machines(parts, with_servers=with_servers):
        if key == (machine.node.uuid if by_uuid else str(machine.node.id)):
            return machine
    raise NotFound(f"Hypervisor with ID '{key}' could not be found.", type="ComputeHostNotFound")


def require_some(found: list[Machine], pattern: str) -> list[Machine]:
    """Raise NotFound when no name has the pattern in it."""
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern}' could be found.", type="HTTPNotFound")
    return found
