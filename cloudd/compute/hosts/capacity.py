"""Whether this host can take what is asked: what it has times the allocation ratios, less what its servers hold."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.config import CONFIG
from cloudd.compute.hosts import aggregates
from cloudd.compute.models import Flavor, Server, Service
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NoCapacity


@dataclass(frozen=True, slots=True)
class Claim:
    """What one server takes of the host."""

    vcpus: int
    memory_mb: int
    disk_gb: int

    @classmethod
    def of_flavor(cls, flavor: dict[str, Any]) -> "Claim":
        swap_gb = -(-flavor["swap"] // 1024)
        return cls(flavor["vcpus"], flavor["ram"], flavor["disk"] + flavor["ephemeral"] + swap_gb)


@dataclass(frozen=True, slots=True)
class Free:
    vcpus: int
    memory_mb: int
    disk_gb: int


async def free(tx: AsyncSession) -> Free:
    """What may still be promised."""
    sums = [func.coalesce(func.sum(column), 0) for column in
            (Server.vcpus, Server.memory_mb, Server.root_gb, Server.ephemeral_gb, Server.swap_mb)]
    query = select(*sums).where(Server.deleted_at.is_(None), Server.host == CONFIG.host)
    vcpus, memory, root, ephemeral, swap = (await tx.execute(query)).one()
    return Free(int(CONFIG.vcpus * CONFIG.cpu_ratio) - vcpus,
                int((CONFIG.memory_mb - CONFIG.reserved_memory_mb) * CONFIG.ram_ratio) - memory,
                int((CONFIG.disk_gb - CONFIG.reserved_disk_gb) * CONFIG.disk_ratio) - root - ephemeral - -(-swap // 1024))


async def require(tx: AsyncSession, claim: Claim, count: int = 1) -> int:
    """How many of `count` servers fit, at least one. Raises NoCapacity, saying what was asked, what is free, what would fit."""
    service = (await tx.execute(select(Service).where(Service.host == CONFIG.host, Service.binary == "nova-compute"))).scalar()
    if service is not None and (service.disabled or service.forced_down):
        reason = f" ({service.disabled_reason})" if service.disabled_reason else ""
        raise _no_host(f"The compute service of {CONFIG.host} is disabled{reason}.")
    if claim.vcpus > CONFIG.vcpus:
        raise _no_host(f"Asked for {claim.vcpus} vCPUs in one server; {CONFIG.host} has {CONFIG.vcpus}.")
    left = await free(tx)
    pairs = ((left.vcpus, claim.vcpus), (left.memory_mb, claim.memory_mb), (left.disk_gb, claim.disk_gb))
    fits = min([count, *(have // want for have, want in pairs if want > 0)])
    if fits < 1:
        raise _no_host(await _words(tx, claim, left))
    return fits


def _no_host(words: str) -> NoCapacity:
    return NoCapacity(f"No valid host was found. {words}", type="NoValidHost")


async def _words(tx: AsyncSession, claim: Claim, left: Free) -> str:
    figures = (("vCPUs", claim.vcpus, left.vcpus), ("memory MiB", claim.memory_mb, left.memory_mb),
               ("disk GiB", claim.disk_gb, left.disk_gb))
    short = [f"{name} {want} (free: {max(have, 0)})" for name, want, have in figures if want > have]
    query = select(Flavor.name).where(Flavor.vcpus <= min(left.vcpus, CONFIG.vcpus), Flavor.ram <= left.memory_mb,
                                      Flavor.disk + Flavor.ephemeral <= left.disk_gb, Flavor.is_public, ~Flavor.disabled)
    fitting = (await tx.execute(query.order_by(Flavor.ram.desc(), Flavor.vcpus.desc()).limit(3))).scalars().all()
    advice = f"Would fit: {', '.join(fitting)}." if fitting else "No flavor fits: delete or shrink servers."
    return f"{CONFIG.host} has too little left of what was asked: {', '.join(short)}. {advice}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server goes: its zone, the zone it was asked to stay in, and whether a host was forced."""

    zone: str
    pinned: str | None
    forced: bool = False


async def place(tx: AsyncSession, asked: str | None, *, host: str | None = None, node: str | None = None) -> Place:
    """Read `zone`, `zone:host`, `zone:host:node` or `zone::node`, and a requested host. Raises BadRequest."""
    zone = await aggregates.zone_of(tx, CONFIG.host)
    parts = (asked or "").split(":")
    if len(parts) > 3:
        raise BadRequest(f"Unable to parse the availability zone {asked}: it is ZONE, ZONE:HOST or ZONE:HOST:NODE.")
    wanted, forced_host, forced_node = [*parts, "", "", ""][:3]
    if wanted and wanted != zone and not (wanted == CONFIG.zone and (forced_host or forced_node)):
        raise BadRequest(f"The requested availability zone is not available: {wanted}; available: {zone}.",
                         type="RequestedAvailabilityZoneNotFound")
    for name, mine, what in ((forced_host, CONFIG.host, "host"), (host, CONFIG.host, "host"),
                             (forced_node, CONFIG.node, "node"), (node, CONFIG.node, "node")):
        if name and name != mine:
            raise BadRequest(f"Compute {what} {name} could not be found.", type="ComputeHostNotFound")
    return Place(zone, wanted or None, bool(forced_host or forced_node))


async def require_hints(tx: AsyncSession, context: Context, hints: dict[str, Any]) -> None:
    """Refuse hints that one host cannot follow: another host than that of a named server."""
    named = hints.get("different_host") or []
    named = [named] if isinstance(named, str) else named
    query = select(Server.id).where(Server.id.in_(named), Server.host == CONFIG.host, Server.deleted_at.is_(None),
                                    Server.vm_state != states.ERROR)
    taken = (await tx.execute(query)).scalars().first() if named else None
    if taken:
        raise _no_host(f"A host without server {taken} was asked for (different_host); {CONFIG.host} is the only one.")
