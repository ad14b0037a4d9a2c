"""Ports as compute and the metadata service see them: plain values, loaded for many at once."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.rows import plain
from cloudd.core.rows.among import among
from cloudd.network.config import CONFIG
from cloudd.network.models import Allocation, FloatingIp, Network, Port, PortGroup, SecurityGroup, Subnet
from cloudd.network.models.l2 import tap_of

COLUMNS = (Port.id, Port.name, Port.network_id, Port.project_id, Port.mac_address, Port.admin_state_up, Port.status, Port.device_id,
           Port.device_owner, Port.vnic_type, Port.port_security_enabled, Port.dns_name, Port.dns_domain)


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


async def of_ids(tx: AsyncSession, port_ids: Iterable[str]) -> dict[str, PortView]:
    query = select(*COLUMNS).where(among(Port.id, port_ids))
    return {view.id: view for view in await _views(tx, query)}


async def by_address(tx: AsyncSession, network_id: str, address: str) -> PortView | None:
    """The guest's port that has an address in a network; an IPv6 link-local one is told by the MAC in it (RFC 4291, EUI-64)."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    query = select(*COLUMNS).where(Port.network_id == network_id)
    if parsed.version == 6 and parsed.is_link_local:
        if parsed.packed[11:13] != b"\xff\xfe":      # names no MAC: whoever has it chose it
            return None
        query = query.where(Port.mac_address == _mac_of(parsed))
    else:
        query = query.join(Allocation, Allocation.port_id == Port.id).where(Allocation.ip_address == str(parsed))
    views = await _views(tx, query)
    return views[0] if views else None


def _mac_of(address: ipaddress.IPv6Address) -> str:
    last = bytearray(address.packed[8:])
    last[0] ^= 2
    return ":".join(f"{byte:02x}" for byte in last[:3] + last[5:])


async def _views(tx: AsyncSession, query: Select[Any]) -> list[PortView]:
    """Plain columns, not rows with all their relatives: a list of servers asks for a thousand ports at once."""
    ports = (await tx.execute(query)).all()
    if not ports:
        return []
    ids = [port.id for port in ports]
    nets = {port.network_id for port in ports}
    networks = {row.id: row for row in await plain.read(tx, Network, select(Network).where(among(Network.id, nets)), alone=True)}
    subnets = await plain.read(tx, Subnet, select(Subnet).where(among(Subnet.network_id, nets)), alone=True)
    floating: dict[str, list[tuple[str, str]]] = defaultdict(list)
    query = select(FloatingIp.port_id, FloatingIp.floating_ip_address, FloatingIp.fixed_ip_address).where(
        among(FloatingIp.port_id, ids)).order_by(FloatingIp.created_at)
    for port_id, public, fixed in (await tx.execute(query)):
        floating[port_id].append((public, fixed))
    servers, groups, addresses = await _dhcp_servers(tx, nets), await _groups(tx, ids), await _addresses(tx, ids)
    facts = {subnet.id: _facts(subnet, servers) for subnet in subnets}
    return [_view(port, networks[port.network_id],
                  tuple(FixedIp(address, **facts[subnet_id]) for subnet_id, address in addresses[port.id]),
                  floating[port.id], groups[port.id]) for port in ports]


async def _groups(tx: AsyncSession, port_ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    query = select(PortGroup.port_id, SecurityGroup.id, SecurityGroup.name).join(
        SecurityGroup, SecurityGroup.id == PortGroup.group_id).where(among(PortGroup.port_id, port_ids))
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for port_id, group_id, name in await tx.execute(query.order_by(PortGroup.port_id, PortGroup.position)):
        found[port_id].append((group_id, name))
    return found


async def _addresses(tx: AsyncSession, port_ids: list[str]) -> dict[str, list[tuple[str, str]]]:
    query = select(Allocation.port_id, Allocation.subnet_id, Allocation.ip_address).where(among(Allocation.port_id, port_ids))
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for port_id, subnet_id, address in await tx.execute(
            query.order_by(Allocation.port_id, Allocation.position, Allocation.ip_address)):
        found[port_id].append((subnet_id, address))
    return found


async def _dhcp_servers(tx: AsyncSession, networks: Iterable[str]) -> dict[str, str]:
    query = select(Allocation.subnet_id, Allocation.ip_address).join(Port, Allocation.port_id == Port.id).where(
        among(Port.network_id, networks), Port.service == "network:dhcp")
    return dict((await tx.execute(query)).all())


def _view(port: Any, network: Network, fixed: tuple[FixedIp, ...], floating: list[tuple[str, str]],
          groups: list[tuple[str, str]]) -> PortView:
    return PortView(
        id=port.id, name=port.name, network_id=network.id, network_name=network.name, network_project_id=network.project_id,
        external=network.external, project_id=port.project_id, mac_address=port.mac_address, mtu=network.mtu,
        tap=tap_of(port.id), status=port.status, admin_state_up=port.admin_state_up, device_id=port.device_id,
        device_owner=port.device_owner, vnic_type=port.vnic_type, port_security_enabled=port.port_security_enabled,
        dns_name=port.dns_name, dns_domain=port.dns_domain or network.dns_domain or CONFIG.dns_domain, fixed_ips=fixed,
        floating_ips=tuple(floating), security_groups=tuple(groups))


def _facts(subnet: Subnet, servers: dict[str, str]) -> dict[str, Any]:
    """What all addresses of a subnet have in common."""
    return {"subnet_id": subnet.id, "version": subnet.ip_version, "cidr": subnet.cidr,
            "prefix": int(subnet.cidr.rpartition("/")[2]), "gateway": subnet.gateway_ip, "dns": tuple(subnet.dns_nameservers),
            "routes": tuple((one["destination"], one["nexthop"]) for one in subnet.host_routes),
            "dhcp_enabled": subnet.enable_dhcp, "dhcp_server": servers.get(subnet.id), "ipv6_ra_mode": subnet.ipv6_ra_mode,
            "ipv6_address_mode": subnet.ipv6_address_mode}
