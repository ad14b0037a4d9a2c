"""A port's part of the firewall: elements of sets that all ports share, and chains shared by all with the same groups.

However many ports there are, what a packet costs is a constant number of look-ups, and a port's change some elements.
"""

import hashlib
import ipaddress
import zlib
from collections.abc import Iterable

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import Direction, PortSpec
from cloudd.drivers.network.checked import Net, parted, str_of
from cloudd.drivers.network.linux.firewall_rules import ALLOW_OUT, ALLOWED, ESTABLISHED, INVALID, INWARD, NUMBERED, PASSED, group_chain
from cloudd.drivers.network.linux.nft import Chain, Elements, quoted

# Neighbour discovery, router advertisements to guests, and multicast listener reports: IPv6 does not live without.
ND_OUT = "{ 130, 131, 132, 133, 135, 136, 143 }"
ND_IN = "{ 130, 131, 132, 134, 135, 136 }"

SETS = {
    "macs": Elements("ifname . ether_addr", {}),
    "own4": Elements("ifname . ether_addr . ipv4_addr", {}),
    "own6": Elements("ifname . ether_addr . ipv6_addr", {}),
    "wide4": Elements("ifname . ether_addr . ipv4_addr", {}, "interval"),
    "wide6": Elements("ifname . ether_addr . ipv6_addr", {}, "interval"),
    "asks4": Elements("ifname . ether_addr . ipv4_addr", {}),                         # firewall_metadata.py
    "asks6": Elements("ifname . ether_addr . ipv6_addr", {}),
    "target6": Elements("ifname . integer", {}, typeof="iifname . @th,64,128"),       # what neighbours may be told of
    "widetarget6": Elements("ifname . integer", {}, "interval", typeof="iifname . @th,64,128"),
    "out": Elements("ifname : verdict", {}),
    "in": Elements("ifname : verdict", {}),
    "numbers": Elements("ifname : mark", {}),
    "inward": Elements("ifname : mark", {}),
}

FROM4, FROM6 = "iifname . ether saddr . ip saddr", "iifname . ether saddr . ip6 saddr"
ARP = "iifname . arp saddr ether . arp saddr ip"
SPOOF = Chain((
    "iifname . ether saddr != @macs drop",
    "ether type != { arp, ip, ip6 } drop",
    f"ether type arp {ARP} @own4 {ALLOW_OUT}",
    f"ether type arp {ARP} @wide4 {ALLOW_OUT}",
    f"ether type arp iifname . arp saddr ether @macs arp saddr ip 0.0.0.0 {ALLOW_OUT}",   # address probes
    "ether type arp drop",
    f"ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 {ALLOW_OUT}",
    f"ether type ip {FROM4} != @own4 {FROM4} != @wide4 drop",
    "ether type ip udp sport 67 udp dport 68 drop",                       # no DHCP server in a guest
    f"ether type ip udp sport 68 udp dport 67 {ALLOW_OUT}",
    f"ether type ip6 ip6 saddr :: icmpv6 type {{ 131, 135, 143 }} {ALLOW_OUT}",
    f"ether type ip6 {FROM6} != @own6 {FROM6} != @wide6 drop",
    "ether type ip6 icmpv6 type { 134, 137 } drop",                       # no router, no redirects
    "ether type ip6 icmpv6 type 136 iifname . @th,64,128 != @target6 iifname . @th,64,128 != @widetarget6 drop",
    f"ether type ip6 icmpv6 type {ND_OUT} {ALLOW_OUT}",
    "ether type ip6 udp sport 547 udp dport 546 drop",
    f"ether type ip6 udp sport 546 udp dport 547 {ALLOW_OUT}",
))
Part = dict[str, dict[str, str | None]]              # set -> what is a port's own in it
Pair = tuple[str, Net]


def combination(groups: Iterable[str], stateful: bool) -> str:
    """The name of the chains that all ports with these groups share."""
    return hashlib.sha256("/".join((str(stateful), *sorted(set(groups)))).encode()).hexdigest()[:16]


def combination_chains(groups: Iterable[str], stateful: bool) -> dict[str, Chain]:
    name, groups = combination(groups, stateful), sorted(set(groups))
    return {f"o_{name}": Chain(tuple(out_rules(groups, stateful))), f"i_{name}": Chain(tuple(in_rules(groups, stateful)))}


def out_rules(groups: list[str], stateful: bool) -> list[str]:
    """From the guest. `return` goes on to the chain of the port that the packet is for."""
    jumps = [f"jump {group_chain(Direction.EGRESS, group)}" for group in groups]
    state = [f"meta mark & {ESTABLISHED} != 0 return", f"meta mark & {INVALID} != 0 drop"] if stateful else []
    allowed = [f"meta mark & {ALLOWED} != 0 return"]
    return ["jump spoof", *allowed, *state, *jumps, *(allowed if jumps else []), "drop"]


def in_rules(groups: list[str], stateful: bool) -> list[str]:
    state = [f"meta mark & {ESTABLISHED} != 0 accept", f"meta mark & {INVALID} != 0 drop"] if stateful else []
    return [
        "ether type arp accept",
        *state,
        f"ether type ip6 icmpv6 type {ND_IN} accept",
        "ether type ip udp sport 67 udp dport 68 accept",
        "ether type ip6 ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        *(f"jump {group_chain(Direction.INGRESS, group)}" for group in groups),
        "drop",
    ]


def number(port_id: str) -> int:
    """What counts a port's connections: the same after each start. Two ports with one number, which are rare, share a limit."""
    return NUMBERED | int(PASSED, 16) | zlib.crc32(port_id.encode()) % int(PASSED, 16)


def elements(port: PortSpec, stateful: bool) -> Part:
    """A port's own elements of the sets. One without port security is an open door on purpose, but its connections count."""
    tap = quoted(checked.link(port.tap))
    part: Part = {"numbers": {tap: str(number(port.id))}, "inward": {tap: str(number(port.id) | INWARD)}}
    if not port.admin_state_up:
        return part | {"out": {owned(tap, port): "drop"}, "in": {tap: "drop"}}
    part |= asking(tap, port)
    if not port.port_security:
        return part
    name = combination(port.security_groups, stateful)
    return part | {"out": {owned(tap, port): f"jump o_{name}"}, "in": {tap: f"jump i_{name}"}} | sources(tap, port)


def owned(tap: str, port: PortSpec) -> str:
    """A tap with its port's id, so that the kernel's tables tell whose it is."""
    return f'{tap} comment "{checked.subject(port.id)}"'


def sources(tap: str, port: PortSpec) -> Part:
    """What the port may send from. Ranges of one MAC do not overlap, as the kernel demands."""
    by_mac = address_pairs(port)
    part: Part = {"macs": {f"{tap} . {mac}": None for mac in by_mac}}
    spoken: set[Net] = set()
    for mac, networks in by_mac.items():
        for version in (4, 6):
            single, wide = parted(one for one in networks if one.version == version)
            for name, some in ((f"own{version}", single), (f"wide{version}", wide)):
                part.setdefault(name, {}).update((f"{tap} . {mac} . {str_of(one)}", None) for one in some)
        spoken |= {one for one in networks if one.version == 6}
    single, wide = parted(spoken)
    part["target6"] = {f"{tap} . 0x{int(one[0]):032x}": None for one in single}
    part["widetarget6"] = {f"{tap} . 0x{int(one[0]):032x}-0x{int(one[-1]):032x}": None for one in wide}
    return part


def asking(tap: str, port: PortSpec) -> Part:
    """What the metadata service knows the port by: its own addresses. Of link-local ones only the one that names its MAC."""
    mac = checked.mac(port.mac)
    own = {checked.ip(address) for address in port.addresses}
    own = {one for one in own if not (one.version == 6 and one.is_link_local)} | {link_local(mac).network_address}
    return {f"asks{version}": {f"{tap} . {mac} . {one}": None for one in own if one.version == version} for version in (4, 6)}


def address_pairs(port: PortSpec) -> dict[str, set[Net]]:
    """MAC -> networks that the port may send from, link-local ones included."""
    own = checked.mac(port.mac)
    found = {own: {checked.network(address) for address in port.addresses}}
    for pair in port.allowed_pairs:
        found.setdefault(checked.mac(pair.mac) if pair.mac else own, set()).add(checked.network(pair.address))
    for mac, networks in found.items():
        networks.add(link_local(mac))
    return found


def link_local(mac: str) -> ipaddress.IPv6Network:
    part = [int(byte, 16) for byte in mac.split(":")]
    body = bytes([part[0] ^ 2, part[1], part[2], 0xFF, 0xFE, part[3], part[4], part[5]])
    return ipaddress.IPv6Network((bytes.fromhex("fe80000000000000") + body, 128))


def taps(out: Iterable[str]) -> dict[str, str]:
    """Tap -> port id, from the elements of the map `out`."""
    pairs = (key.split(" comment ") for key in out if " comment " in key)
    return {tap.strip('"'): owner.strip('"') for tap, owner in pairs}
