"""Ports as compute and the metadata service see them: plain values, loaded for many at once."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.network.config import CONFIG
from cloudd.network.models import Allocation, FloatingIp, Network, Port, SecurityGroup, Subnet


@dataclass(frozen=True)
class FixedIp:
    """An address of a port and what a guest must know of its subnet. `routes` are (destination, nexthop)."""

    address: str
    subnet_id: str
    version: int
    cidr: str
    prefix: int
    gateway: str | None
    dns: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    dhcp_enabled: bool
    dhcp_server: str | None
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None


@dataclass(frozen=True)
class PortView:
    """A port and all around it. `floating_ips` are (floating address, fixed address), `security_groups` (id, name)."""

    id: str
    name: str
    network_id: str
    network_name: str
    network_project_id: str
    external: bool
    project_id: str
    mac_address: str
    mtu: int
    tap: str
    status: str
    admin_state_up: bool
    device_id: str
    device_owner: str
    vnic_type: str
    port_security_enabled: bool
    dns_name: str
    dns_domain: str
    fixed_ips: tuple[FixedIp, ...]
    floating_ips: tuple[tuple[str, str], ...]
    security_groups: tuple[tuple[str, str], ...]
    tag: str | None = None

    @property
    def first_address(self) -> str | None:
        return self.fixed_ips[0].address if self.fixed_ips else None


async def of_devices(tx: AsyncSession, device_ids: Iterable[str]) -> dict[str, list[PortView]]:
    """The ports of each device, oldest first; devices without one have an empty list."""
    wanted = list(dict.fromkeys(device_ids))
    result: dict[str, list[PortView]] = {device: [] for device in wanted}
    if not wanted:
        return result
    query = select(Port).where(Port.device_id.in_(wanted)).order_by(Port.created_at, Port.id)
    for view in await _views(tx, list((await tx.execute(query)).scalars())):
        result[view.device_id].append(view)
    return result


async def of_ids(tx: AsyncSession, port_ids: Iterable[str]) -> dict[str, PortView]:
    query = select(Port).where(Port.id.in_(list(port_ids)))
    return {view.id: view for view in await _views(tx, list((await tx.execute(query)).scalars()))}


async def by_address(tx: AsyncSession, network_id: str, address: str) -> PortView | None:
    """The guest's port that has an address in a network; an IPv6 link-local one is told by the MAC in it (RFC 4291, EUI-64)."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    query = select(Port).where(Port.network_id == network_id)
    if parsed.version == 6 and parsed.is_link_local:
        query = query.where(Port.mac_address == _mac_of(parsed))
    else:
        query = query.join(Allocation, Allocation.port_id == Port.id).where(Allocation.ip_address == str(parsed))
    views = await _views(tx, list((await tx.execute(query)).scalars()))
    return views[0] if views else None


def _mac_of(address: ipaddress.IPv6Address) -> str:
    last = bytearray(address.packed[8:])
    last[0] ^= 2
    return ":".join(f"{byte:02x}" for byte in last[:3] + last[5:])


async def _views(tx: AsyncSession, ports: list[Port]) -> list[PortView]:
    if not ports:
        return []
    ids = [port.id for port in ports]
    nets = {port.network_id for port in ports}
    networks = {row.id: row for row in (await tx.execute(select(Network).where(Network.id.in_(nets)))).scalars()}
    subnets = {row.id: row for row in (await tx.execute(select(Subnet).where(Subnet.network_id.in_(nets)))).scalars()}
    groups = {group_id for port in ports for group_id in port.security_groups}
    named = select(SecurityGroup.id, SecurityGroup.name).where(SecurityGroup.id.in_(groups))
    names = dict((await tx.execute(named)).all()) if groups else {}
    floating: dict[str, list[tuple[str, str]]] = defaultdict(list)
    query = select(FloatingIp.port_id, FloatingIp.floating_ip_address, FloatingIp.fixed_ip_address).where(
        FloatingIp.port_id.in_(ids)).order_by(FloatingIp.created_at)
    for port_id, public, fixed in (await tx.execute(query)):
        floating[port_id].append((public, fixed))
    servers = await _dhcp_servers(tx, nets)
    return [_view(port, networks[port.network_id], subnets, names, floating[port.id], servers) for port in ports]


async def _dhcp_servers(tx: AsyncSession, networks: Iterable[str]) -> dict[str, str]:
    query = select(Allocation.subnet_id, Allocation.ip_address).join(Port, Allocation.port_id == Port.id).where(
        Port.network_id.in_(list(networks)), Port.device_owner == "network:dhcp")
    return dict((await tx.execute(query)).all())


def _view(port: Port, network: Network, subnets: dict[str, Subnet], names: dict[str, str], floating: list[tuple[str, str]],
          servers: dict[str, str]) -> PortView:
    return PortView(
        id=port.id, name=port.name, network_id=network.id, network_name=network.name, network_project_id=network.project_id,
        external=network.external, project_id=port.project_id, mac_address=port.mac_address, mtu=network.mtu, tap=port.tap,
        status=port.status, admin_state_up=port.admin_state_up, device_id=port.device_id, device_owner=port.device_owner,
        vnic_type=port.vnic_type, port_security_enabled=port.port_security_enabled, dns_name=port.dns_name,
        dns_domain=port.dns_domain or network.dns_domain or CONFIG.dns_domain,
        fixed_ips=tuple(_fixed(row.ip_address, subnets[row.subnet_id], servers) for row in port.fixed_ips),
        floating_ips=tuple(floating),
        security_groups=tuple((group_id, names.get(group_id, group_id)) for group_id in port.security_groups))


def _fixed(address: str, subnet: Subnet, servers: dict[str, str]) -> FixedIp:
    return FixedIp(
        address=address, subnet_id=subnet.id, version=subnet.ip_version, cidr=subnet.cidr,
        prefix=ipaddress.ip_network(subnet.cidr).prefixlen, gateway=subnet.gateway_ip, dns=tuple(subnet.dns_nameservers),
        routes=tuple((one["destination"], one["nexthop"]) for one in subnet.host_routes), dhcp_enabled=subnet.enable_dhcp,
        dhcp_server=servers.get(subnet.id), ipv6_ra_mode=subnet.ipv6_ra_mode, ipv6_address_mode=subnet.ipv6_address_mode)
