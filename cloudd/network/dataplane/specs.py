"""Rows as the driver wants to hear of them: specs of networks, routers, ports and security groups."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.rows import plain
from cloudd.core.rows.among import among
from cloudd.drivers.network import base
from cloudd.network.config import CONFIG
from cloudd.network.models import Allocation, FloatingIp, GroupRule, Network, Port, Router, SecurityGroup, Subnet

INTERFACE, GATEWAY, DHCP = "network:router_interface", "network:router_gateway", "network:dhcp"
DHCP_NAMES = {"bootfile": "bootfile-name"}


async def network_specs(tx: AsyncSession, ids: Iterable[str] | None = None) -> list[base.NetworkSpec]:
    """These networks, or all, with subnets and all that DHCP tells."""
    networks = await plain.read(tx, Network, _some(select(Network), Network.id, ids), alone=True)
    subnets: dict[str, list[Subnet]] = defaultdict(list)
    for subnet in await plain.read(tx, Subnet, _some(select(Subnet), Subnet.network_id, ids), alone=True):
        subnets[subnet.network_id].append(subnet)
    ports: dict[str, list[Member]] = defaultdict(list)
    for member in await _members(tx, ids):
        ports[member.network_id].append(member)
    return [_network(row, subnets[row.id], ports[row.id]) for row in networks]


@dataclass
class Member:
    """A port as its network's DHCP and DNS know it: read without the ORM, since a network may have thousands."""

    id: str
    network_id: str
    mac_address: str
    service: str
    dns_name: str
    extra_dhcp_opts: list[dict[str, Any]]
    admin_state_up: bool
    fixed_ips: list[Any] = field(default_factory=list)


async def _members(tx: AsyncSession, ids: Iterable[str] | None) -> list[Member]:
    columns = select(Port.id, Port.network_id, Port.mac_address, Port.service, Port.dns_name, Port.extra_dhcp_opts,
                     Port.admin_state_up)
    members = {row[0]: Member(*row) for row in await tx.execute(_some(columns, Port.network_id, ids).order_by(Port.id))}
    addresses = select(Allocation.port_id, Allocation.subnet_id, Allocation.ip_address)
    order = (Allocation.position, Allocation.ip_address)
    for row in await tx.execute(_some(addresses, Allocation.network_id, ids).order_by(*order)):
        if row.port_id in members:
            members[row.port_id].fixed_ips.append(row)
    return list(members.values())


def _some(query: Any, column: Any, ids: Iterable[str] | None) -> Any:
    return query if ids is None else query.where(among(column, ids))


def _network(row: Network, subnets: list[Subnet], ports: list[Member]) -> base.NetworkSpec:
    prefixes = {subnet.id: ipaddress.ip_network(subnet.cidr).prefixlen for subnet in subnets}
    dhcp = next((port for port in ports if port.service == DHCP and port.admin_state_up), None)
    return base.NetworkSpec(
        id=row.id, kind=kind_of(row), external=row.external, mtu=row.mtu, admin_state_up=row.admin_state_up,
        physical_network=row.physical_network if kind_of(row) is base.NetworkKind.BRIDGED else None,
        vlan=row.segmentation_id if row.network_type == "vlan" else None,
        dns_domain=(row.dns_domain or CONFIG.dns_domain).rstrip("."),
        subnets=tuple(_subnet(subnet) for subnet in sorted(subnets, key=lambda one: one.id)),
        dhcp_port=base.DhcpPort(dhcp.id, dhcp.mac_address, _with_prefix(dhcp, prefixes)) if dhcp else None,
        hosts=tuple(_host(port) for port in ports if not port.service) if dhcp else ())


def kind_of(row: Network) -> base.NetworkKind:
    """A provider network that the settings give an interface is joined to it; another external one ends on this host."""
    if row.physical_network and row.physical_network in CONFIG.bridged:
        return base.NetworkKind.BRIDGED
    return base.NetworkKind.NAT if row.external else base.NetworkKind.TENANT


def _with_prefix(port: Port | Member, prefixes: dict[str, int]) -> tuple[str, ...]:
    return tuple(f"{one.ip_address}/{prefixes[one.subnet_id]}" for one in port.fixed_ips if one.subnet_id in prefixes)


def _subnet(row: Subnet) -> base.SubnetSpec:
    return base.SubnetSpec(
        id=row.id, cidr=row.cidr, gateway=row.gateway_ip, dhcp=row.enable_dhcp, dns_nameservers=tuple(row.dns_nameservers),
        host_routes=tuple(base.Route(one["destination"], one["nexthop"]) for one in row.host_routes),
        pools=tuple(base.AddressPool(one["start"], one["end"]) for one in row.allocation_pools),
        ipv6_ra_mode=base.Ipv6Mode(row.ipv6_ra_mode) if row.ipv6_ra_mode else None,
        ipv6_address_mode=base.Ipv6Mode(row.ipv6_address_mode) if row.ipv6_address_mode else None)


def _host(port: Member) -> base.DhcpHost:
    options = tuple(base.DhcpOption(DHCP_NAMES.get(one["opt_name"], one["opt_name"]), one["opt_value"],
                                    int(one.get("ip_version") or 4)) for one in port.extra_dhcp_opts)
    return base.DhcpHost(port.id, port.mac_address, tuple(one.ip_address for one in port.fixed_ips), port.dns_name, options)


async def router_specs(tx: AsyncSession, ids: Iterable[str] | None = None) -> list[base.RouterSpec]:
    """These routers, or all, with interfaces, gateway and floating addresses."""
    routers = await plain.read(tx, Router, _some(select(Router).where(Router.served), Router.id, ids))
    query = select(Port).where(Port.service == INTERFACE, Port.admin_state_up)
    interfaces: dict[str, list[Port]] = defaultdict(list)
    for port in await plain.read(tx, Port, _some(query, Port.router_id, ids)):
        interfaces[port.router_id].append(port)
    floating: dict[str, list[FloatingIp]] = defaultdict(list)
    wanted = select(FloatingIp).where(FloatingIp.port_id.is_not(None))
    for row in await plain.read(tx, FloatingIp, _some(wanted, FloatingIp.router_id, ids), alone=True):
        floating[row.router_id].append(row)
    used = {one.subnet_id for ports in interfaces.values() for port in ports for one in port.fixed_ips}
    used |= {one.subnet_id for row in routers if row.gw_port for one in row.gw_port.fixed_ips}
    subnets = {row.id: row for row in await plain.read(tx, Subnet, select(Subnet).where(among(Subnet.id, used)), alone=True)}
    return [_router(row, interfaces[row.id], floating[row.id], subnets) for row in routers]


def _router(row: Router, interfaces: list[Port], floating: list[FloatingIp], subnets: dict[str, Subnet]) -> base.RouterSpec:
    prefixes = {key: ipaddress.ip_network(subnet.cidr).prefixlen for key, subnet in subnets.items()}
    return base.RouterSpec(
        id=row.id, admin_state_up=row.admin_state_up,
        interfaces=tuple(base.RouterInterface(port.id, port.network_id, port.mac_address, _with_prefix(port, prefixes))
                         for port in sorted(interfaces, key=lambda one: one.id)),
        gateway=_gateway(row, subnets, prefixes) if row.gw_port else None,
        routes=tuple(base.Route(one["destination"], one["nexthop"]) for one in row.routes),
        floating_ips=tuple(sorted((base.FloatingIp(one.floating_ip_address, one.fixed_ip_address or "") for one in floating),
                                  key=lambda one: one.floating)))


def _gateway(row: Router, subnets: dict[str, Subnet], prefixes: dict[str, int]) -> base.RouterGateway:
    port = row.gw_port
    nexthops: dict[int, str] = {}
    for one in port.fixed_ips:
        subnet = subnets[one.subnet_id]
        if subnet.gateway_ip:
            nexthops.setdefault(subnet.ip_version, subnet.gateway_ip)
    return base.RouterGateway(port.id, port.network_id, port.mac_address, _with_prefix(port, prefixes), tuple(nexthops.values()),
                              row.enable_snat)


async def port_specs(tx: AsyncSession, ids: Iterable[str] | None = None) -> list[base.PortSpec]:
    """The bound guests' ports among these, or all."""
    query = select(Port).where(Port.host_id != "", Port.service == "")
    return [port_spec(row) for row in await plain.read(tx, Port, _some(query, Port.id, ids))]


def port_spec(row: Port) -> base.PortSpec:
    pairs = tuple(base.AddressPair(one["ip_address"], one.get("mac_address")) for one in row.allowed_address_pairs)
    return base.PortSpec(
        id=row.id, network_id=row.network_id, tap=row.tap, mac=row.mac_address,
        addresses=tuple(one.ip_address for one in row.fixed_ips), allowed_pairs=pairs,
        security_groups=tuple(row.security_groups), port_security=row.port_security_enabled, admin_state_up=row.admin_state_up)


async def group_specs(tx: AsyncSession, ids: Iterable[str] | None = None) -> list[base.SecurityGroupSpec]:
    rows = await plain.read(tx, SecurityGroup, _some(select(SecurityGroup), SecurityGroup.id, ids))
    return [base.SecurityGroupSpec(row.id, tuple(_rule(rule) for rule in row.rules), row.stateful) for row in rows]


def _rule(row: GroupRule) -> base.SecurityGroupRule:
    return base.SecurityGroupRule(
        direction=base.Direction(row.direction), ethertype=base.Ethertype(row.ethertype), protocol=row.protocol,
        port_min=row.port_range_min, port_max=row.port_range_max, remote_cidr=row.remote_ip_prefix,
        remote_group=row.remote_group_id)


async def everything(tx: AsyncSession) -> base.DataplaneSpec:
    """All that is wanted of the dataplane, for the driver's start."""
    return base.DataplaneSpec(tuple(await network_specs(tx)), tuple(await router_specs(tx)), tuple(await group_specs(tx)),
                              tuple(await port_specs(tx)))
