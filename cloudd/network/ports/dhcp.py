"""The port from which a network's DHCP, DNS and metadata are served: there as long as a subnet wants DHCP."""

import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import log
from cloudd.core.context import Context
from cloudd.core.errors import NoCapacity
from cloudd.network import changes, standard
from cloudd.network.config import CONFIG
from cloudd.network.models import Network, Port, Subnet
from cloudd.network.ports import addresses, ports

LOG = log.get("cloudd.network")
OWNER = "network:dhcp"


async def port_of(tx: AsyncSession, network_id: str) -> Port | None:
    query = select(Port).where(Port.network_id == network_id, Port.service == OWNER)
    return (await tx.execute(query)).scalars().first()


async def ensure(context: Context, tx: AsyncSession, network_id: str) -> None:
    """Give the network's DHCP port an address in every subnet with DHCP; make it, or let it go, as needed."""
    await tx.flush()
    network = await tx.get_one(Network, network_id)
    query = select(Subnet).where(Subnet.network_id == network_id, Subnet.enable_dhcp).order_by(Subnet.created_at, Subnet.id)
    subnets = list((await tx.execute(query)).scalars())
    port = await port_of(tx, network_id)
    if not subnets or network.dhcp_served is False:
        if port is not None:
            await ports.drop(context, tx, port)
        return
    if port is None:
        port = await ports.make(context, tx, network, network.project_id, {
            "device_id": device_id(network_id), "host_id": CONFIG.host, "fixed_ips": []}, service=OWNER)
    await _addresses(tx, port, subnets)
    await changes.network(tx, context, network_id)
    await standard.fresh(tx, port)


async def _addresses(tx: AsyncSession, port: Port, subnets: list[Subnet]) -> None:
    have = {item.subnet_id: item for item in addresses.of(port)}
    chosen = []
    for subnet in subnets:
        if subnet.id in have:
            chosen.append(have[subnet.id])
            continue
        try:
            found = await addresses.choose(tx, port, [{"subnet_id": subnet.id}])
            chosen += [item for item in found if item.subnet_id == subnet.id]
        except NoCapacity:
            LOG.warning("no address is left for DHCP", network=port.network_id, subnet=subnet.id)
    addresses.write(port, chosen)


def device_id(network_id: str) -> str:
    """Neutron's form: the host's agent and the network."""
    return f"dhcp{uuid.uuid5(uuid.NAMESPACE_DNS, CONFIG.host)}-{network_id}"
