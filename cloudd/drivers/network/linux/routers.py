"""Routers: a namespace each, with one veth per subnet and one to the external network. Blocking: for worker threads."""

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from cloudd.core.kernel.netlink import IPRoute
from cloudd.drivers.network.base import (
    Ipv6Mode,
    NetworkConfig,
    NetworkSpec,
    RouterGateway,
    RouterInterface,
    RouterSpec,
    SubnetSpec,
)
from cloudd.drivers.network.linux import bridges, dhcp, links, netns
from cloudd.drivers.network.linux.dnsmasq import Instance
from cloudd.drivers.network.linux.names import Names, gateway_inner, gateway_outer, router_inner, router_outer

ETH_P_ARP = 0x0806
RA_SECONDS = 200                                     # between unasked advertisements; a guest that asks is told at once

Networks = Mapping[str, NetworkSpec]


def ensure(config: NetworkConfig, names: Names, spec: RouterSpec, networks: Networks) -> bool:
    """The namespace with interfaces, addresses and routes as wanted; True when it was made now.

    Interfaces whose network is not there yet are left out, and come when it does.
    """
    namespace = names.router_namespace(spec.id)
    created = netns.create(namespace)
    prepare(namespace)
    with netns.route(config.namespace) as outer, netns.route(namespace) as inner:
        drop_unwanted(inner, spec)
        links.ensure_addresses(inner, 1, ["127.0.0.1/8", "::1/128", f"{dhcp.METADATA4}/32"])
        for interface in present(spec.interfaces, networks):
            attach(names, outer, inner, namespace, interface, router_outer(interface.port_id),
                   router_inner(interface.port_id), interface.addresses, networks, spec)
        if spec.gateway and spec.gateway.network_id in networks:
            announced = attach(names, outer, inner, namespace, spec.gateway, gateway_outer(spec.gateway.port_id),
                               gateway_inner(spec.gateway.port_id), gateway_addresses(spec), networks, spec)
            announce(namespace, gateway_inner(spec.gateway.port_id), spec.gateway.mac, announced)
        links.ensure_routes(inner, routes(spec, inner))
    return created


def prepare(namespace: str) -> None:
    dhcp.harden(namespace)
    with netns.inside(namespace):
        netns.sysctl("ipv4/ip_forward", 1)
        netns.sysctl("ipv6/conf/all/forwarding", 1)
        netns.sysctl("ipv4/conf/all/arp_ignore", 1)          # answer only for addresses of the asked interface
        netns.sysctl("ipv4/conf/all/arp_announce", 2)


def present(interfaces: Iterable[RouterInterface], networks: Networks) -> list[RouterInterface]:
    return [interface for interface in interfaces if interface.network_id in networks]


def attach(names: Names, outer: IPRoute, inner: IPRoute, namespace: str, port, outer_name: str, inner_name: str,
           addresses: Iterable[str], networks: Networks, spec: RouterSpec) -> tuple[str, ...]:
    """One interface of the router, on its network's bridge; the addresses that are new on it."""
    mtu = networks[port.network_id].mtu
    links.ensure_veth(outer, outer_name, inner, namespace, inner_name, mtu)
    bridges.join(outer, links.need(outer, outer_name), names.bridge(port.network_id), names.alias("router", port.port_id), mtu)
    link = links.need(inner, inner_name)
    links.adjust(inner, link, mtu=mtu, mac=port.mac, alias=names.alias("router", port.port_id), up=spec.admin_state_up)
    return links.ensure_addresses(inner, link.index, [*addresses, *extra_addresses(port, spec, networks[port.network_id])])


def extra_addresses(port: RouterInterface | RouterGateway, spec: RouterSpec, network: NetworkSpec) -> list[str]:
    """The metadata address of IPv6, where a router answers there."""
    return [f"{dhcp.METADATA6}/64"] if port is not spec.gateway and serves_metadata6(network) else []


def serves_metadata6(network: NetworkSpec) -> bool:
    """Only where the network's DHCP port does not: both would claim one link-local address on one link."""
    return network.dhcp_port is None


def gateway_addresses(spec: RouterSpec) -> list[str]:
    """The router's own, and every floating address, so that neighbours find it here."""
    return [*spec.gateway.addresses, *(f"{f.floating}/{128 if ':' in f.floating else 32}" for f in spec.floating_ips if f.fixed)]


def drop_unwanted(inner: IPRoute, spec: RouterSpec) -> None:
    wanted = {router_inner(interface.port_id) for interface in spec.interfaces}
    wanted |= {gateway_inner(spec.gateway.port_id)} if spec.gateway else set()
    for name, link in links.read_all(inner).items():
        if name.startswith(("qr-", "qg-")) and name not in wanted:
            with links.suppress_gone():
                inner.link("del", index=link.index)


def routes(spec: RouterSpec, inner: IPRoute) -> dict[str, tuple[str, int | None]]:
    """The gateway's, then the tenant's own, those that point nowhere from here left out: the kernel refuses them."""
    found: dict[str, tuple[str, int | None]] = {}
    link = links.read(inner, gateway_inner(spec.gateway.port_id)) if spec.gateway else None
    if link:
        for hop in spec.gateway.nexthops:
            found["::/0" if ":" in hop else "0.0.0.0/0"] = (hop, link.index)
    local = [ipaddress.ip_interface(a).network for i in (*spec.interfaces, *filter(None, [spec.gateway])) for a in i.addresses]
    for route in spec.routes:
        if any(ipaddress.ip_address(route.nexthop) in network for network in local):
            found[route.destination] = (route.nexthop, None)
    return found if spec.admin_state_up else {}


def announce(namespace: str, interface: str, mac: str, addresses: Iterable[str]) -> None:
    """Tell neighbours at once where new IPv4 addresses are (gratuitous ARP); they may remember another router."""
    fours = [ipaddress.ip_interface(a).ip.packed for a in addresses if ":" not in a]
    if not fours:
        return
    source = bytes.fromhex(mac.replace(":", ""))
    with netns.inside(namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((interface, ETH_P_ARP))
        for address in fours:
            head = b"\xff" * 6 + source + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, 1)
            raw.send(head + source + address + b"\x00" * 6 + address)


def remove(config: NetworkConfig, names: Names, router_id: str) -> None:
    """The veths go with their namespace."""
    netns.remove(names.router_namespace(router_id))


# Router advertisements

def advertised(spec: RouterSpec, networks: Networks) -> list[tuple[RouterInterface, SubnetSpec]]:
    """(interface, subnet) wherever a subnet wants its router to advertise it."""
    found = []
    for interface in present(spec.interfaces, networks):
        network = networks[interface.network_id]
        for subnet in network.subnets if dhcp.advertises(network) else ():
            if subnet.ipv6_ra_mode and dhcp.own_address(interface.addresses, subnet):
                found.append((interface, subnet))
    return found


def instance(config: NetworkConfig, names: Names, spec: RouterSpec, networks: Networks) -> Instance | None:
    """The dnsmasq that advertises, and serves DHCPv6 where the subnet says so; None when there is nothing to say."""
    pairs = advertised(spec, networks) if spec.admin_state_up else []
    if not pairs:
        return None
    joined = [networks[i] for i in dict.fromkeys(interface.network_id for interface, _ in pairs)]
    served = [subnet for _, subnet in pairs if subnet.ipv6_ra_mode == Ipv6Mode.STATEFUL]
    hosts = [(host, network) for network in joined for host in network.hosts] if served else []
    return Instance(
        folder=Path(config.state_dir) / "ra" / spec.id,
        namespace=names.router_namespace(spec.id),
        config=("port=0", "enable-ra", f"dhcp-duid={dhcp.duid(spec.id)}", *interface_lines(pairs, networks),
                *(range_line(subnet, config.dhcp_lease_seconds) for _, subnet in pairs)),
        hosts=tuple(line for host, network in hosts for line in six_lines(host, network, served)),
        options=tuple(line for interface, subnet in pairs for line in options(interface, subnet, networks)),
        leases=tuple(sorted({(a, host.mac.lower()) for host, _ in hosts for a in host.addresses if ":" in a})),
    )


def interface_lines(pairs: Iterable[tuple[RouterInterface, SubnetSpec]], networks: Networks) -> list[str]:
    mtus = {router_inner(interface.port_id): networks[interface.network_id].mtu for interface, _ in pairs}
    return [line for name, mtu in mtus.items() for line in (f"interface={name}", f"ra-param={name},mtu:{mtu},{RA_SECONDS}")]


def range_line(subnet: SubnetSpec, lease: int) -> str:
    network = ipaddress.ip_network(subnet.cidr)
    mode = {Ipv6Mode.SLAAC: "ra-only", Ipv6Mode.STATELESS: "ra-stateless", Ipv6Mode.STATEFUL: "static"}[subnet.ipv6_ra_mode]
    return f"dhcp-range=set:{dhcp.tag(subnet)},{network.network_address},{mode},{network.prefixlen},{lease}s"


def six_lines(host, network: NetworkSpec, served: list[SubnetSpec]) -> list[str]:
    inside = [a for a in host.addresses if any(ipaddress.ip_address(a) in ipaddress.ip_network(s.cidr) for s in served)]
    return dhcp.host_lines6(host, network, inside)


def options(interface: RouterInterface, subnet: SubnetSpec, networks: Networks) -> list[str]:
    """Names are answered by the network's DHCP port, not here."""
    network = networks[interface.network_id]
    return dhcp.options6(network.dhcp_port.addresses if network.dhcp_port else (), network, subnet)
