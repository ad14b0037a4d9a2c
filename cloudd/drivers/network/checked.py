"""Specs as the kernel and dnsmasq may hear of them: every value is read and written anew, whoever spelled it.

Nothing that a caller wrote reaches a rule, a file or a command line. What cannot be read is refused by name, before
anything changes.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from cloudd.drivers.network import base
from cloudd.drivers.network.base import NetworkDriverError

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Net = ipaddress.IPv4Network | ipaddress.IPv6Network

MAC = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
LINK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,63}")
DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
LAST_PORT = 65535
LAST_VLAN = 4094
NO_MAC = "02:00:00:00:00:00"
ANY = ("any", "ip", "hopopt")

PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44,
    "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
    "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}


@lru_cache(1 << 14)
def mac(text: str) -> str:
    if not MAC.fullmatch(text):
        raise ValueError(f"{text!r} is no MAC address")
    return text.lower()


@lru_cache(1 << 14)
def ip(text: str) -> Ip:
    """An address without a scope: what stands behind a `%` is anybody's text."""
    if "%" in text:
        raise ValueError(f"{text!r} has a scope, which no address here may have")
    return ipaddress.ip_address(text)


def address(text: str) -> str:
    return str(ip(text))


@lru_cache(1 << 14)
def network(text: str) -> Net:
    if "%" in text:
        raise ValueError(f"{text!r} has a scope, which no network may have")
    return ipaddress.ip_network(text, strict=False)


def str_of(one: Net) -> str:
    """A network as nftables writes it: a single address without its prefix."""
    return str(one.network_address) if one.prefixlen == one.max_prefixlen else str(one)


def parted(networks: Iterable[Net]) -> tuple[list[Net], list[Net]]:
    """Single addresses, and ranges that do not overlap, of one IP version: a set of ranges takes no overlaps, and one of
    single addresses costs the same however many there are."""
    some = set(networks)
    single = {one for one in some if one.prefixlen == one.max_prefixlen}
    return sorted(single), list(ipaddress.collapse_addresses(some - single))


def range_of(text: str) -> str:
    return str(network(text))


def interface(text: str) -> str:
    """An address with the prefix of its subnet."""
    host, slash, prefix = text.partition("/")
    return f"{address(host)}/{network(text).prefixlen}" if slash and prefix else address(host)


def link(text: str) -> str:
    if not LINK.fullmatch(text):
        raise ValueError(f"{text!r} is no name of an interface")
    return text


def subject(text: str) -> str:
    """An id, which becomes part of names."""
    if not ID.fullmatch(text):
        raise ValueError(f"{text!r} is no id")
    return text


def protocol(said: str | int | None) -> int | None:
    """A protocol's number, however it is written (`tcp`, `6`, `006`); None for any."""
    text = "" if said is None else str(said).lower()
    if text in ("", *ANY):
        return None
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if not (text.isascii() and text.isdecimal() and int(text) <= 255):
        raise ValueError(f"{said!r} is no protocol that is known, and no number from 0 to 255")
    return int(text) or None


def number(value: int | None, last: int, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= last:
        raise ValueError(f"{value!r} is no {what} (0 to {last})")
    return value


# Specs

T = TypeVar("T")


def _named(kind: str, owner: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as exc:
        raise NetworkDriverError(f"{kind} {owner}: {exc}") from exc


def _all(read: Callable[[str], str], texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(read, texts))


def port(spec: base.PortSpec) -> base.PortSpec:
    return _named("port", spec.id, lambda: replace(
        spec, id=subject(spec.id), network_id=subject(spec.network_id), tap=link(spec.tap), mac=mac(spec.mac),
        addresses=_all(address, spec.addresses), security_groups=_all(subject, spec.security_groups),
        allowed_pairs=tuple(base.AddressPair(range_of(pair.address), mac(pair.mac) if pair.mac else None)
                            for pair in spec.allowed_pairs)))


def group(spec: base.SecurityGroupSpec) -> base.SecurityGroupSpec:
    return _named("security group", spec.id, lambda: replace(spec, id=subject(spec.id),
                                                             rules=tuple(dict.fromkeys(rule(one) for one in spec.rules))))


def rule(spec: base.SecurityGroupRule) -> base.SecurityGroupRule:
    kind = protocol(spec.protocol)
    last, what = (255, "ICMP type or code") if kind in (1, 58) else (LAST_PORT, "port")
    return replace(spec, direction=base.Direction(spec.direction), ethertype=base.Ethertype(spec.ethertype),
                   protocol=None if kind is None else str(kind), port_min=number(spec.port_min, last, what),
                   port_max=number(spec.port_max, last, what),
                   remote_cidr=range_of(spec.remote_cidr) if spec.remote_cidr else None,
                   remote_group=subject(spec.remote_group) if spec.remote_group else None)


def network_spec(spec: base.NetworkSpec) -> base.NetworkSpec:
    return _named("network", spec.id, lambda: replace(
        spec, id=subject(spec.id), vlan=number(spec.vlan, LAST_VLAN, "VLAN"), dns_domain=domain(spec.dns_domain),
        subnets=tuple(subnet(one) for one in spec.subnets), hosts=tuple(host(one) for one in spec.hosts),
        dhcp_port=spec.dhcp_port and replace(spec.dhcp_port, mac=mac(spec.dhcp_port.mac),
                                             addresses=_all(interface, spec.dhcp_port.addresses))))


def domain(text: str) -> str:
    if text and not DOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is no domain name")
    return text


def subnet(spec: base.SubnetSpec) -> base.SubnetSpec:
    return replace(spec, id=subject(spec.id), cidr=range_of(spec.cidr), gateway=address(spec.gateway) if spec.gateway else None,
                   dns_nameservers=_all(address, spec.dns_nameservers), host_routes=routes(spec.host_routes),
                   ipv6_ra_mode=base.Ipv6Mode(spec.ipv6_ra_mode) if spec.ipv6_ra_mode else None,
                   ipv6_address_mode=base.Ipv6Mode(spec.ipv6_address_mode) if spec.ipv6_address_mode else None)


def routes(some: Iterable[base.Route]) -> tuple[base.Route, ...]:
    return tuple(base.Route(range_of(one.destination), address(one.nexthop)) for one in some)


def host(spec: base.DhcpHost) -> base.DhcpHost:
    """Made outright: a network may have thousands, and `replace` costs twice as much."""
    return base.DhcpHost(subject(spec.port_id), mac(spec.mac), _all(address, spec.addresses), spec.hostname, spec.options)


def router(spec: base.RouterSpec) -> base.RouterSpec:
    return _named("router", spec.id, lambda: replace(
        spec, id=subject(spec.id), routes=routes(spec.routes),
        interfaces=tuple(replace(one, port_id=subject(one.port_id), network_id=subject(one.network_id), mac=mac(one.mac),
                                 addresses=_all(interface, one.addresses)) for one in spec.interfaces),
        gateway=spec.gateway and gateway(spec.gateway),
        floating_ips=tuple(base.FloatingIp(address(one.floating), address(one.fixed) if one.fixed else "")
                           for one in spec.floating_ips)))


def gateway(spec: base.RouterGateway) -> base.RouterGateway:
    return replace(spec, port_id=subject(spec.port_id), network_id=subject(spec.network_id), mac=mac(spec.mac),
                   addresses=_all(interface, spec.addresses), nexthops=_all(address, spec.nexthops))


# All of them

def closed_port(spec: base.PortSpec) -> base.PortSpec:
    """The port, letting nothing through."""
    return base.PortSpec(spec.id, spec.network_id, spec.tap, NO_MAC, admin_state_up=False)


def closed_group(spec: base.SecurityGroupSpec) -> base.SecurityGroupSpec:
    """The group, allowing nothing."""
    return base.SecurityGroupSpec(spec.id, (), spec.stateful)


def dataplane(wanted: base.DataplaneSpec) -> tuple[base.DataplaneSpec, list[str]]:
    """All that can be read, and what cannot, with the reason: a port or group of that sort is there, but closed."""
    failed: list[str] = []

    def readable(specs: Iterable[T], read: Callable[[T], T], close: Callable[[T], T] | None = None) -> tuple[T, ...]:
        found = []
        for spec in specs:
            try:
                found.append(read(spec))
            except NetworkDriverError as exc:
                failed.append(str(exc))
                if close is not None:
                    found += readable([close(spec)], read)
        return tuple(found)

    spec = base.DataplaneSpec(readable(wanted.networks, network_spec), readable(wanted.routers, router),
                              readable(wanted.security_groups, group, closed_group), readable(wanted.ports, port, closed_port))
    return spec, list(dict.fromkeys(failed))
