"""The rules of subnets: a range, its gateway, the pools that addresses are given from."""

import ipaddress
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.core.rows.among import among
from cloudd.network import changes, standard
from cloudd.network.config import QUOTAS
from cloudd.network.l2 import subnetpools
from cloudd.network.l2.pools import (
    IPV6_LEAST_MTU,
    Net,
    check_gateway,
    check_pools,
    default_gateway,
    default_pools,
    mtu_conflict,
)
from cloudd.network.models import Allocation, Network, Port, Subnet
from cloudd.network.ports import addresses, dhcp, floating_links

PLAIN = ("name", "description", "dns_nameservers", "host_routes", "service_types", "enable_dhcp", "dns_publish_fixed_ip")
MODES = ("ipv6_ra_mode", "ipv6_address_mode")
MAX_DNS, MAX_ROUTES = 5, 20
Values = dict[str, Any]
UNSET = object()


async def create(context: Context, tx: AsyncSession, values: Values) -> Subnet:
    network = await standard.network(context, tx, values["network_id"])
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, subnet=1)
    net, pool_id = await _range(context, tx, values, network)
    if net.version == 6 and network.mtu < IPV6_LEAST_MTU:
        raise mtu_conflict(network.id)
    await _check_overlap(tx, network.id, net)
    _check_modes(net, values)
    gateway = _gateway(net, values.get("gateway_ip", UNSET))
    pools = _pools(net, values.get("allocation_pools"), gateway)
    _check_extras(net, values)
    subnet = standard.born(context, Subnet, project, network_id=network.id, cidr=str(net), ip_version=net.version,
                           gateway_ip=gateway, allocation_pools=pools, subnetpool_id=pool_id,
                           ipv6_ra_mode=values.get("ipv6_ra_mode"), ipv6_address_mode=values.get("ipv6_address_mode"),
                           **{name: values[name] for name in PLAIN if values.get(name) is not None})
    tx.add(subnet)
    standard.set_tags(subnet, values.get("tags") or [])
    standard.touch(context, network)
    await dhcp.ensure(context, tx, network.id)
    if subnet.is_auto:
        await _give_everybody(context, tx, subnet)
    await _spread(context, tx, network.id)
    await standard.fresh(tx, subnet)
    await standard.tell(tx, context, "subnet", "create", subnet)
    return subnet


async def _range(context: Context, tx: AsyncSession, values: Values, network: Network) -> tuple[Net, str | None]:
    """The subnet's range: as given, or cut from a pool."""
    cidr, pool_id, version = values.get("cidr"), values.get("subnetpool_id"), values.get("ip_version")
    if pool_id is None and values.get("use_default_subnetpool"):
        pool_id = await subnetpools.default_id(context, tx, version or 4)
    if pool_id:
        net = await subnetpools.cut(context, tx, pool_id, version, cidr, values.get("prefixlen"))
        return net, pool_id
    if values.get("prefixlen") is not None and cidr is None:
        raise BadRequest("Bad subnet request: prefixlen needs a subnetpool_id.", type="BadRequest")
    if not cidr:
        raise BadRequest("Bad subnets request: a subnetpool must be specified in the absence of a cidr.", type="BadRequest")
    net = ipaddress.ip_network(cidr, strict=False)
    if version is not None and net.version != version:
        raise BadRequest(f"Invalid input for operation: ip_version {version} does not match cidr {cidr}.", type="InvalidInput")
    if net.prefixlen == 0:
        raise BadRequest(f"Invalid input for operation: 0 is not allowed as CIDR prefix length: {cidr}.", type="InvalidInput")
    if net.is_multicast or net.is_loopback:
        raise BadRequest(f"Invalid input for operation: Multicast or loopback IP subnet is not supported: {cidr}.",
                         type="InvalidInput")
    return net, None


async def _check_overlap(tx: AsyncSession, network_id: str, net: Net) -> None:
    query = select(Subnet.cidr).where(Subnet.network_id == network_id, Subnet.ip_version == net.version)
    for other in (await tx.execute(query)).scalars():
        if net.overlaps(ipaddress.ip_network(other)):
            raise BadRequest(f"Invalid input for operation: Requested subnet with cidr: {net} for network: {network_id} overlaps "
                             f"with another subnet ({other}).", type="InvalidInput")


def _check_modes(net: Net, values: Values) -> None:
    ra_mode, address_mode = values.get("ipv6_ra_mode"), values.get("ipv6_address_mode")
    if not (ra_mode or address_mode):
        return
    if net.version == 4:
        raise BadRequest("Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4.",
                         type="InvalidInput")
    if values.get("enable_dhcp") is False:
        raise BadRequest("Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp "
                         "is set to False.", type="InvalidInput")
    if ra_mode and address_mode and ra_mode != address_mode:
        raise BadRequest(f"Invalid input for operation: ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to "
                         f"'{address_mode}' is not valid. If both attributes are set, they must be the same value.",
                         type="InvalidInput")
    if {"slaac", "dhcpv6-stateless"} & {ra_mode, address_mode} and net.prefixlen != 64:
        raise BadRequest(f"Invalid input for operation: Invalid CIDR {net} for IPv6 address mode. OpenStack uses the EUI-64 "
                         "address format, which requires the prefix to be /64.", type="InvalidInput")


def _gateway(net: Net, wanted: Any) -> str | None:
    if wanted is UNSET:
        return default_gateway(net)
    if wanted is not None:
        check_gateway(net, wanted)
        return str(ipaddress.ip_address(wanted))
    return None


def _pools(net: Net, wanted: list[dict[str, str]] | None, gateway: str | None) -> list[dict[str, str]]:
    if wanted is None:
        return default_pools(net, gateway)
    return check_pools(net, wanted, gateway)


def _check_extras(net: Net, values: Values) -> None:
    """Resolvers and routes of the same IP version, not too many."""
    if len(values.get("dns_nameservers") or ()) > MAX_DNS:
        raise BadRequest("Unable to complete operation for subnet. The number of DNS nameservers exceeds the limit "
                         f"{MAX_DNS}.", type="DNSNameServersExhausted")
    routes = values.get("host_routes") or ()
    if len(routes) > MAX_ROUTES:
        raise BadRequest(f"Unable to complete operation for subnet. The number of host routes exceeds the limit {MAX_ROUTES}.",
                         type="HostRoutesExhausted")
    for route in routes:
        kinds = {ipaddress.ip_network(route["destination"], strict=False).version, ipaddress.ip_address(route["nexthop"]).version}
        if kinds != {net.version}:
            raise BadRequest(f"Invalid input for operation: host route {route['destination']} via {route['nexthop']} is "
                             f"not of IP version {net.version}.", type="InvalidInput")


async def _give_everybody(context: Context, tx: AsyncSession, subnet: Subnet) -> None:
    """Guests that are on the network already make themselves an address of the new prefix."""
    query = select(Port).where(Port.network_id == subnet.network_id, Port.service.not_in(
        [*addresses.ROUTER_OWNERS, "network:floatingip", dhcp.OWNER]))
    for port in (await tx.execute(query)).scalars().all():
        own = addresses.from_mac(subnet.cidr, port.mac_address)
        addresses.write(port, [*addresses.of(port), addresses.Chosen(subnet.id, own)])
        standard.touch(context, port)
        await changes.port(tx, context, port)


async def _spread(context: Context, tx: AsyncSession, network_id: str) -> None:
    await changes.network(tx, context, network_id)
    await changes.routers_on(tx, context, network_id)


async def update(context: Context, tx: AsyncSession, subnet: Subnet, values: Values) -> Subnet:
    net = ipaddress.ip_network(subnet.cidr)
    if any(mode in values and values[mode] != getattr(subnet, mode) for mode in MODES):
        raise BadRequest("Invalid input for operation: ipv6_ra_mode and ipv6_address_mode cannot be changed.",
                         type="InvalidInput")
    if subnet.ipv6_ra_mode and values.get("enable_dhcp") is False:
        raise BadRequest("Invalid input for operation: Cannot disable enable_dhcp with ipv6 attributes set.", type="InvalidInput")
    _check_extras(net, values)
    await _change_range(tx, subnet, net, values)
    for name in PLAIN:
        if values.get(name) is not None:
            setattr(subnet, name, values[name])
    standard.touch(context, subnet)
    await dhcp.ensure(context, tx, subnet.network_id)
    await _spread(context, tx, subnet.network_id)
    await standard.fresh(tx, subnet)
    await standard.tell(tx, context, "subnet", "update", subnet)
    return subnet


async def _change_range(tx: AsyncSession, subnet: Subnet, net: Net, values: Values) -> None:
    gateway = subnet.gateway_ip
    if "gateway_ip" in values and values["gateway_ip"] != gateway:
        await _require_gateway_free(tx, subnet)
        gateway = _gateway(net, values["gateway_ip"])
    pools = values.get("allocation_pools")
    subnet.allocation_pools = check_pools(net, subnet.allocation_pools if pools is None else pools, gateway)
    subnet.gateway_ip = gateway


async def _require_gateway_free(tx: AsyncSession, subnet: Subnet) -> None:
    if not subnet.gateway_ip:
        return
    query = select(Port.id).join(Allocation, Allocation.port_id == Port.id).where(
        Allocation.subnet_id == subnet.id, Allocation.ip_address == subnet.gateway_ip)
    holder = (await tx.execute(query)).scalar()
    if holder is not None:
        raise Conflict(f"Current gateway ip {subnet.gateway_ip} already in use by port {holder}. Unable to update.",
                       type="GatewayIpInUse")


async def delete(context: Context, tx: AsyncSession, subnet: Subnet) -> None:
    """Delete a subnet that nobody has an address of, but DHCP and guests that made it themselves."""
    query = select(Port).join(Allocation, Allocation.port_id == Port.id).where(Allocation.subnet_id == subnet.id)
    holders = list((await tx.execute(query)).scalars().unique())
    held = [port.id for port in holders if not _lets_go(subnet, port)]
    if held:
        raise Conflict(f"Unable to complete operation on subnet {subnet.id}: One or more ports have an IP allocation from this "
                       f"subnet: {', '.join(held[:20])}.", type="SubnetInUse")
    for port in holders:
        await floating_links.require_unused(tx, port, [row.ip_address for row in port.fixed_ips if row.subnet_id == subnet.id])
        addresses.write(port, [item for item in addresses.of(port) if item.subnet_id != subnet.id])
        await changes.port(tx, context, port)
    await standard.tell(tx, context, "subnet", "delete", subnet)
    await tx.flush()
    await tx.delete(subnet)
    network = await tx.get_one(Network, subnet.network_id)
    standard.touch(context, network)
    await dhcp.ensure(context, tx, subnet.network_id)
    await _spread(context, tx, subnet.network_id)


def _lets_go(subnet: Subnet, port: Port) -> bool:
    return port.service == dhcp.OWNER or (subnet.is_auto and port.service not in addresses.ROUTER_OWNERS)


async def count_used(tx: AsyncSession, subnet_ids: list[str]) -> dict[str, int]:
    """How many addresses of each subnet are in use."""
    query = select(Allocation.subnet_id, func.count()).where(among(Allocation.subnet_id, subnet_ids)).group_by(Allocation.subnet_id)
    return dict((await tx.execute(query)).all())
