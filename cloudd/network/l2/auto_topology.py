"""A network for those who asked for none: made once a project from the default pools and the default external network."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound
from cloudd.network import standard
from cloudd.network.l2 import networks, subnets
from cloudd.network.l3 import router_interfaces, routers
from cloudd.network.models import Network, Router, SubnetPool, Topology

NETWORK_NAME, ROUTER_NAME, SUBNET_NAME = "auto_allocated_network", "auto_allocated_router", "auto_allocated_subnet_v{}"


@dataclass(frozen=True)
class Means:
    """What a topology is made from."""

    external: Network
    pools: tuple[SubnetPool, ...]


async def get(context: Context, tx: AsyncSession) -> Network:
    """The caller's project's network, made now if there is none. Raises Conflict when the cloud lacks the defaults."""
    project = context.project_id or ""
    found = await tx.get(Topology, project)
    if found is not None:
        return await tx.get_one(Network, found.network_id)
    means = await _means(context, tx)
    network = await networks.create(context, tx, {"name": NETWORK_NAME, "project_id": project})
    router = await routers.create(context, tx, {"name": ROUTER_NAME, "project_id": project,
                                                "external_gateway_info": {"network_id": means.external.id}})
    for pool in means.pools:
        subnet = await subnets.create(context, tx, {
            "network_id": network.id, "project_id": project, "subnetpool_id": pool.id, "ip_version": pool.ip_version,
            "name": SUBNET_NAME.format(pool.ip_version), **_modes(pool.ip_version)})
        await router_interfaces.add(context, tx, router, subnet.id, None)
    tx.add(Topology(project_id=project, network_id=network.id, router_id=router.id))
    return await standard.fresh(tx, network)


def _modes(version: int) -> dict[str, str]:
    return {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"} if version == 6 else {}


async def validate(context: Context, tx: AsyncSession) -> None:
    """Raise Conflict unless `get` would succeed."""
    if await tx.get(Topology, context.project_id or "") is None:
        await _means(context, tx)


async def _means(context: Context, tx: AsyncSession) -> Means:
    query = select(Network).where(Network.is_default, Network.external)
    external = (await tx.execute(standard.networks_of(context, query))).scalars().first()
    if external is None:
        raise Conflict("Deployment error: No default router:external network.", type="AutoAllocationFailure")
    query = select(SubnetPool).where(SubnetPool.is_default).order_by(SubnetPool.ip_version)
    pools = tuple((await tx.execute(standard.own_or_shared(context, query, SubnetPool))).scalars())
    if not pools:
        raise Conflict("Deployment error: No default subnetpools defined.", type="AutoAllocationFailure")
    return Means(external, pools)


async def delete(context: Context, tx: AsyncSession, project: str) -> None:
    """Take the topology of a project away. Raises NotFound, or Conflict when something still uses it."""
    found = await tx.get(Topology, project)
    if found is None:
        raise NotFound(f"No auto allocated topology for project {project}.", type="AutoAllocatedTopologyNotFound")
    network = await tx.get_one(Network, found.network_id)
    router = await tx.get(Router, found.router_id) if found.router_id else None
    if router is not None:
        for subnet in await routers.subnets_on(tx, router, gateway=False):
            await router_interfaces.remove(context, tx, router, subnet.id, None)
        await tx.refresh(router)
        await routers.delete(context, tx, router)
    await tx.delete(found)
    await networks.delete(context, tx, network)
