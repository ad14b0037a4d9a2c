"""The rules of a router's interfaces: by subnet (the gateway's address) or by a port that the user made."""

import ipaddress
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.network import changes, standard
from cloudd.network.config import CONFIG
from cloudd.network.l3 import routers
from cloudd.network.l3.routers import INTERFACE
from cloudd.network.models import Allocation, FloatingIp, Port, Router, Subnet
from cloudd.network.ports import addresses, ports


@dataclass(frozen=True)
class Interface:
    """What the caller is told of an interface that came or went."""

    router: Router
    port_id: str
    network_id: str
    subnet_ids: tuple[str, ...]

    @property
    def subnet_id(self) -> str | None:
        return self.subnet_ids[-1] if self.subnet_ids else None


async def add(context: Context, tx: AsyncSession, router: Router, subnet_id: str | None, port_id: str | None) -> Interface:
    if subnet_id and port_id:
        raise BadRequest("Bad router request: Cannot specify both subnet-id and port-id.", type="BadRequest")
    if not subnet_id and not port_id:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.", type="BadRequest")
    made = await (_add_port(context, tx, router, port_id) if port_id else _add_subnet(context, tx, router, subnet_id or ""))
    standard.touch(context, router)
    await changes.network(tx, context, made.network_id)
    await changes.router(tx, context, router.id)
    await standard.tell(tx, context, "router.interface", "create", router)
    return made


async def _add_subnet(context: Context, tx: AsyncSession, router: Router, subnet_id: str) -> Interface:
    subnet = await standard.subnet(context, tx, subnet_id)
    if not subnet.gateway_ip:
        raise BadRequest("Bad router request: Subnet for router interface must have a gateway IP.", type="BadRequest")
    if subnet.project_id != router.project_id and not _may_join(context, subnet):
        raise BadRequest(f"Bad router request: Cannot add interface to router because subnet {subnet_id} is not owned by project "
                         f"{router.project_id} making the request.", type="BadRequest")
    if subnet.ip_version == 6 and subnet.ipv6_address_mode and not subnet.ipv6_ra_mode:
        raise BadRequest(f"Bad router request: IPv6 subnet {subnet_id} configured to receive RAs from an external router "
                         "cannot be added to Neutron Router.", type="BadRequest")
    await routers.require_no_overlap(tx, router, subnet)
    wanted = {"subnet_id": subnet.id, "ip_address": subnet.gateway_ip}
    port = await _joinable(tx, router, subnet) if subnet.ip_version == 6 else None
    if port is None:
        network = await standard.network(context, tx, subnet.network_id)
        port = await ports.make(context, tx, network, router.project_id, {
            "device_id": router.id, "host_id": CONFIG.host, "fixed_ips": [wanted]}, service=INTERFACE, router_id=router.id)
        return Interface(router, port.id, port.network_id, (subnet.id,))
    chosen = await addresses.choose(tx, port, [wanted])
    addresses.write(port, [*addresses.of(port), *chosen])
    standard.touch(context, port)
    return Interface(router, port.id, port.network_id, (subnet.id,))


def _may_join(context: Context, subnet: Subnet) -> bool:
    return context.is_admin or subnet.shared_with(context.project_id)


async def _joinable(tx: AsyncSession, router: Router, subnet: Subnet) -> Port | None:
    """The router's port in this network that carries IPv6 already: one port has all IPv6 prefixes of a network."""
    query = select(Port).where(Port.router_id == router.id, Port.service == INTERFACE, Port.network_id == subnet.network_id)
    rows = (await tx.execute(query)).scalars()
    return next((row for row in rows if row.fixed_ips and all(":" in one.ip_address for one in row.fixed_ips)), None)


async def _add_port(context: Context, tx: AsyncSession, router: Router, port_id: str) -> Interface:
    port = await standard.port(context, tx, port_id)
    if port.device_id or port.is_ours or port.host_id:
        raise Conflict(f"Unable to complete operation on port {port_id} for network {port.network_id}. Port already has "
                       f"an attached device {port.device_id or port.host_id}.", type="PortInUse")
    if not port.fixed_ips:
        raise BadRequest("Bad router request: Router port must have at least one fixed IP.", type="BadRequest")
    if len([one for one in port.fixed_ips if ipaddress.ip_address(one.ip_address).version == 4]) > 1:
        raise BadRequest("Bad router request: Cannot have multiple IPv4 subnets on router port.", type="BadRequest")
    if port.project_id != router.project_id and not context.is_admin:
        raise BadRequest(f"Bad router request: Cannot add interface to router because port {port_id} is not owned by project "
                         f"{router.project_id} making the request.", type="BadRequest")
    wanted = [one.subnet_id for one in port.fixed_ips]
    for subnet in (await tx.execute(select(Subnet).where(Subnet.id.in_(wanted)))).scalars().all():
        await routers.require_no_overlap(tx, router, subnet)
    port.device_id, port.device_owner, port.host_id = router.id, INTERFACE, CONFIG.host
    port.service, port.router_id = INTERFACE, router.id
    port.group_rows, port.port_security_enabled, port.allowed_address_pairs = [], False, []
    standard.touch(context, port)
    await tx.flush()
    return Interface(router, port.id, port.network_id, tuple(wanted))


async def remove(context: Context, tx: AsyncSession, router: Router, subnet_id: str | None, port_id: str | None) -> Interface:
    if not subnet_id and not port_id:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.", type="BadRequest")
    port = await (_port(tx, router, port_id) if port_id else _port_on(tx, router, subnet_id or ""))
    on_it = [one.subnet_id for one in port.fixed_ips]
    if subnet_id and subnet_id not in on_it:
        raise Conflict(f"Subnet ID {subnet_id} is not on port {port.id}.", type="SubnetMismatchForPort")
    gone = [subnet_id] if subnet_id and not port_id else on_it
    for one in gone:
        await _require_unneeded(tx, router, one)
    if len(gone) < len(on_it):
        addresses.write(port, [item for item in addresses.of(port) if item.subnet_id not in gone])
        standard.touch(context, port)
    else:
        await ports.drop(context, tx, port)
    standard.touch(context, router)
    await changes.network(tx, context, port.network_id)
    await changes.router(tx, context, router.id)
    await standard.tell(tx, context, "router.interface", "delete", router)
    return Interface(router, port.id, port.network_id, tuple(gone))


async def _port(tx: AsyncSession, router: Router, port_id: str) -> Port:
    query = select(Port).where(Port.id == port_id, Port.router_id == router.id, Port.service == INTERFACE)
    port = (await tx.execute(query)).scalar()
    if port is None:
        raise NotFound(f"Router {router.id} does not have an interface with id {port_id}", type="RouterInterfaceNotFound")
    return port


async def _port_on(tx: AsyncSession, router: Router, subnet_id: str) -> Port:
    query = select(Port).join(Allocation, Allocation.port_id == Port.id).where(
        Port.router_id == router.id, Port.service == INTERFACE, Allocation.subnet_id == subnet_id)
    port = (await tx.execute(query)).scalars().first()
    if port is None:
        raise NotFound(f"Router {router.id} has no interface on subnet {subnet_id}", type="RouterInterfaceNotFoundForSubnet")
    return port


async def _require_unneeded(tx: AsyncSession, router: Router, subnet_id: str) -> None:
    """Neither a floating address nor a route of the router needs its interface in this subnet."""
    subnet = await tx.get_one(Subnet, subnet_id)
    query = select(FloatingIp.id).join(Allocation, (Allocation.port_id == FloatingIp.port_id)
                                       & (Allocation.ip_address == FloatingIp.fixed_ip_address))
    query = query.where(FloatingIp.router_id == router.id, Allocation.subnet_id == subnet_id)
    if (await tx.execute(query.limit(1))).scalar():
        raise Conflict(f"Router interface for subnet {subnet_id} on router {router.id} cannot be deleted, as it is "
                       "required by one or more floating IPs.", type="RouterInterfaceInUseByFloatingIP")
    net = ipaddress.ip_network(subnet.cidr)
    if any(ipaddress.ip_address(one["nexthop"]) in net for one in router.routes):
        raise Conflict(f"Router interface for subnet {subnet_id} on router {router.id} cannot be deleted, as it is "
                       "required by one or more routes.", type="RouterInterfaceInUseByRoute")
