"""Security groups and anti-spoofing as nftables objects: pure functions from specs to chains and sets.

All policy stands in a bridge table, where both ports of a packet are known. Connection state does not exist there on
every kernel, so an inet chain, which br_netfilter runs earlier, leaves it on the packet as a mark.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from cloudd.drivers.network.base import Direction, Ethertype, PortSpec, SecurityGroupRule, SecurityGroupSpec
from cloudd.drivers.network.linux.names import hexid
from cloudd.drivers.network.linux.nft import Chain, Elements

ESTABLISHED, INVALID, ALLOWED = "0x10000", "0x20000", "0x40000"
PASSED = "0x80000"                                   # set on every frame that the forward chain saw: see guard.py
OTHERS = "0xfff0ffff"                                # all bits but these
ALLOW_OUT = f"meta mark set meta mark | {ALLOWED} return"
DROP = Chain(("drop",))

# Neighbour discovery, router advertisements to guests, and multicast listener reports: IPv6 does not live without.
ND_OUT = "{ 130, 131, 132, 133, 135, 136, 143 }"
ND_IN = "{ 130, 131, 132, 134, 135, 136 }"

PROTOCOLS = {
    "ah": "51", "dccp": "33", "egp": "8", "esp": "50", "gre": "47", "icmp": "1", "igmp": "2", "ipip": "4",
    "ipv6-encap": "41", "ipv6-frag": "44", "ipv6-icmp": "58", "icmpv6": "58", "ipv6-nonxt": "59", "ipv6-opts": "60",
    "ipv6-route": "43", "ospf": "89", "pgm": "113", "rsvp": "46", "sctp": "132", "tcp": "6", "udp": "17",
    "udplite": "136", "vrrp": "112",
}
WITH_PORTS = {"6": "tcp", "17": "udp", "33": "dccp", "132": "sctp", "136": "udplite"}

# br_netfilter's own hook stands at 0, takes IP packets out there and puts them back behind all of that priority; it is
# registered with a namespace's first bridge, so a chain at 0 would be passed by or not, by which of the two came first.
BRIDGE_HOOK = "type filter hook forward priority -10; policy accept;"
RAW_HOOK = "type filter hook prerouting priority -300;"
MARK_HOOK = "type filter hook prerouting priority -140;"

# A bridge is also an interface of the namespace: a packet for its MAC would go up to the host's own stack. Nothing of a
# tenant has business there. (Bridged packets pass the inet forward hook too, with the bridge on both sides.)
NO_INPUT = Chain(("iifname @bridges drop",), "type filter hook input priority -10; policy accept;")
NO_ROUTING = Chain(("iifname @bridges oifname != @bridges drop",), "type filter hook forward priority -10; policy accept;")
# The mark comes first and in the same chain, so that no frame has it that the chain did not judge.
FORWARD = Chain((f"meta mark set meta mark | {PASSED}", "iifname vmap @out", "oifname vmap @in"), BRIDGE_HOOK)
MARKS = Chain((
    "iifname != @bridges return",                    # in the host's own namespace, other traffic is none of our business
    f"meta mark set meta mark & {OTHERS}",           # veths within one namespace do not clear it
    f"ct state established,related meta mark set meta mark | {ESTABLISHED}",
    f"ct state invalid meta mark set meta mark | {INVALID}",
), MARK_HOOK)


def zone_chain(zones: Mapping[str, int]) -> Chain:
    """Tenants' equal addresses are told apart by a conntrack zone per bridge."""
    pairs = ", ".join(f'"{bridge}" : {zone}' for bridge, zone in sorted(zones.items()))
    return Chain((f"ct zone set iifname map {{ {pairs} }}",) if pairs else (), RAW_HOOK)


def bridge_set(zones: Mapping[str, int]) -> Elements:
    return Elements("ifname", {quoted(bridge): None for bridge in zones})


def quoted(name: str) -> str:
    return f'"{name}"'


def out_chain(port_id: str) -> str:
    return f"o_{hexid(port_id)}"


def in_chain(port_id: str) -> str:
    return f"i_{hexid(port_id)}"


def group_chain(direction: Direction, group_id: str) -> str:
    return f"sg{'i' if direction == Direction.INGRESS else 'o'}_{hexid(group_id)}"


def member_set(group_id: str, version: int) -> str:
    return f"rg{version}_{hexid(group_id)}"


# Ports

def port_chains(port: PortSpec, stateful: bool) -> dict[str, Chain]:
    """The chains of one tap; none for a port without port security, which is an open door on purpose."""
    if not port.admin_state_up:
        return {out_chain(port.id): DROP, in_chain(port.id): DROP}
    if not port.port_security:
        return {}
    return {out_chain(port.id): Chain(tuple(out_rules(port, stateful))),
            in_chain(port.id): Chain(tuple(in_rules(port, stateful)))}


def out_rules(port: PortSpec, stateful: bool) -> list[str]:
    """From the guest. `return` goes on to the chain of the port that the packet is for."""
    groups = [f"jump {group_chain(Direction.EGRESS, group)}" for group in sorted(port.security_groups)]
    state = [f"meta mark & {ESTABLISHED} != 0 return", f"meta mark & {INVALID} != 0 drop"] if stateful else []
    allowed = [f"meta mark & {ALLOWED} != 0 return"]
    return [*spoof_rules(port), *allowed, *state, *groups, *(allowed if groups else []), "drop"]


def spoof_rules(port: PortSpec) -> list[str]:
    pairs = address_pairs(port)
    macs = sorted({mac for mac, _ in pairs} | {port.mac.lower()})
    own4 = concat(pair for pair in pairs if pair[1].version == 4)
    own6 = concat([*(pair for pair in pairs if pair[1].version == 6), *((mac, link_local(mac)) for mac in macs)])
    return [
        f"ether saddr != {{ {', '.join(macs)} }} drop",
        "ether type != { arp, ip, ip6 } drop",
        *([f"ether type arp arp saddr ether . arp saddr ip {{ {own4} }} return"] if own4 else []),
        f"ether type arp arp saddr ether {{ {', '.join(macs)} }} arp saddr ip 0.0.0.0 return",   # address probes
        "ether type arp drop",
        f"ether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 {ALLOW_OUT}",
        f"ether type ip ether saddr . ip saddr != {{ {own4} }} drop" if own4 else "ether type ip drop",
        "ether type ip udp sport 67 udp dport 68 drop",                   # no DHCP server in a guest
        f"ether type ip udp sport 68 udp dport 67 {ALLOW_OUT}",
        f"ether type ip6 ip6 saddr :: icmpv6 type {{ 131, 135, 143 }} {ALLOW_OUT}",
        f"ether type ip6 ether saddr . ip6 saddr != {{ {own6} }} drop",
        "ether type ip6 icmpv6 type { 134, 137 } drop",                   # no router, no redirects
        f"ether type ip6 icmpv6 type 136 @th,64,128 != {{ {targets(pairs, macs)} }} drop",
        f"ether type ip6 icmpv6 type {ND_OUT} {ALLOW_OUT}",
        "ether type ip6 udp sport 547 udp dport 546 drop",
        f"ether type ip6 udp sport 546 udp dport 547 {ALLOW_OUT}",
    ]


def in_rules(port: PortSpec, stateful: bool) -> list[str]:
    state = [f"meta mark & {ESTABLISHED} != 0 accept", f"meta mark & {INVALID} != 0 drop"] if stateful else []
    return [
        "ether type arp accept",
        *state,
        f"ether type ip6 icmpv6 type {ND_IN} accept",
        "ether type ip udp sport 67 udp dport 68 accept",
        "ether type ip6 ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        *(f"jump {group_chain(Direction.INGRESS, group)}" for group in sorted(port.security_groups)),
        "drop",
    ]


Pair = tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]


def address_pairs(port: PortSpec) -> list[Pair]:
    """(mac, network) that the port may send from; networks of one MAC do not overlap, as the kernel demands."""
    by_mac: dict[str, list[str]] = {port.mac.lower(): list(port.addresses)}
    for pair in port.allowed_pairs:
        by_mac.setdefault((pair.mac or port.mac).lower(), []).append(pair.address)
    return [(mac, network) for mac, addresses in sorted(by_mac.items()) for network in collapsed(addresses)]


def collapsed(addresses: Iterable[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    networks = [ipaddress.ip_network(address, strict=False) for address in addresses]
    return [*ipaddress.collapse_addresses(n for n in networks if n.version == 4),
            *ipaddress.collapse_addresses(n for n in networks if n.version == 6)]


def concat(pairs: Iterable[Pair]) -> str:
    """Elements of a `mac . address` set. A prefix of 0 is not accepted in one, so it is written as a range."""
    return ", ".join(f"{mac} . {written(network)}" for mac, network in pairs)


def written(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return f"{network[0]}-{network[-1]}" if network.prefixlen == 0 else str(network)


def link_local(mac: str) -> ipaddress.IPv6Network:
    part = [int(byte, 16) for byte in mac.split(":")]
    body = bytes([part[0] ^ 2, part[1], part[2], 0xFF, 0xFE, part[3], part[4], part[5]])
    return ipaddress.IPv6Network((bytes.fromhex("fe80000000000000") + body, 128))


def targets(pairs: Iterable[Pair], macs: Iterable[str]) -> str:
    """Addresses that a neighbour advertisement may speak for, as the raw numbers that this match needs."""
    networks = [network for _, network in pairs if network.version == 6] + [link_local(mac) for mac in macs]
    merged = ipaddress.collapse_addresses(networks)
    return ", ".join(f"0x{int(n[0]):032x}" if n.num_addresses == 1 else f"0x{int(n[0]):032x}-0x{int(n[-1]):032x}" for n in merged)


def member_addresses(ports: Iterable[PortSpec], version: int) -> Elements:
    """What the members of a remote group send from; allowed address pairs count, as in Neutron."""
    addresses = [a for port in ports for a in (*port.addresses, *(pair.address for pair in port.allowed_pairs))]
    networks = [n for n in collapsed(addresses) if n.version == version]
    return Elements(f"ipv{version}_addr", {str_of(n): None for n in networks}, "interval")


def str_of(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


# Groups

def group_chains(group_id: str, spec: SecurityGroupSpec | None) -> dict[str, Chain]:
    """Both chains of a group; empty ones for a group that a port names before it is told."""
    rules = spec.rules if spec else ()
    return {group_chain(direction, group_id): Chain(tuple(dict.fromkeys(
                rule_text(rule) for rule in rules if rule.direction == direction)))
            for direction in Direction}


def rule_text(rule: SecurityGroupRule) -> str:
    verdict = "accept" if rule.direction == Direction.INGRESS else ALLOW_OUT
    version = 4 if rule.ethertype == Ethertype.IPV4 else 6
    return " ".join(part for part in (f"ether type {'ip' if version == 4 else 'ip6'}", remote_match(rule, version),
                                      protocol_match(rule, version), verdict) if part)


def remote_match(rule: SecurityGroupRule, version: int) -> str:
    field = f"{'ip' if version == 4 else 'ip6'} {'saddr' if rule.direction == Direction.INGRESS else 'daddr'}"
    if rule.remote_group:
        return f"{field} @{member_set(rule.remote_group, version)}"
    if rule.remote_cidr and (network := ipaddress.ip_network(rule.remote_cidr, strict=False)).prefixlen:
        return f"{field} {str_of(network)}"
    return ""


def protocol_match(rule: SecurityGroupRule, version: int) -> str:
    if rule.protocol is None or str(rule.protocol).lower() in ("any", "0"):
        return ""
    number = PROTOCOLS.get(str(rule.protocol).lower(), str(rule.protocol))
    if number in ("1", "58") and (version == 6 or number == "1"):
        return icmp_match(rule, version)
    if number in WITH_PORTS and rule.port_min is not None:
        last = rule.port_min if rule.port_max is None else rule.port_max
        ports = str(rule.port_min) if rule.port_min == last else f"{rule.port_min}-{last}"
        return f"{WITH_PORTS[number]} dport {ports}"
    return f"meta l4proto {number}"


def icmp_match(rule: SecurityGroupRule, version: int) -> str:
    """On an IPv6 rule "icmp" means ICMPv6, as Neutron takes it."""
    name = "icmp" if version == 4 else "icmpv6"
    if rule.port_min is None:
        return f"meta l4proto {1 if version == 4 else 58}"
    code = f" {name} code {rule.port_max}" if rule.port_max is not None else ""
    return f"{name} type {rule.port_min}{code}"
