"""The firewall's frame and security groups as nftables objects: pure functions from specs to chains and sets.

All policy stands in a bridge table, where both ports of a packet are known. Connection state does not exist there on
every kernel, so an inet chain, which br_netfilter runs earlier, leaves it on the packet as a mark.
"""

from collections.abc import Collection, Iterable, Mapping

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import Direction, Ethertype, PortSpec, SecurityGroupRule, SecurityGroupSpec
from cloudd.drivers.network.checked import parted, str_of
from cloudd.drivers.network.linux.names import hexid
from cloudd.drivers.network.linux.nft import Chain, Elements, quoted

ESTABLISHED, INVALID, ALLOWED = "0x10000", "0x20000", "0x40000"
PASSED = "0x20000000"                                # set on every frame that the forward chain saw: see guard.py
OTHERS = "0xdff8ffff"                                # all bits but these
CUT = 0x20000                                        # on a flow: its right has ended (conntrack.py)
REFUSED = "refused"
NUMBERED, INWARD = 0x80000000, 0x40000000            # on a packet that the filter let through: the other bits are a port's number
ALLOW_OUT = f"meta mark set meta mark | {ALLOWED} return"
WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}

# br_netfilter's own hook stands at 0, takes IP packets out there and puts them back behind all of that priority; it is
# registered with a namespace's first bridge, so a chain at 0 would be passed by or not, by which of the two came first.
BRIDGE_HOOK = "type filter hook forward priority -10; policy accept;"
CHARGE_HOOK = "type filter hook forward priority -5; policy accept;"
RAW_HOOK = "type filter hook prerouting priority -300; policy accept;"
MARK_HOOK = "type filter hook prerouting priority -140; policy accept;"

# A bridge is also an interface of the namespace: a packet for its MAC would go up to the host's own stack. Nothing of a
# tenant has business there. (Bridged packets pass the inet forward hook too, with the bridge on both sides.)
NO_INPUT = Chain(("iifname @bridges drop",), "type filter hook input priority -10; policy accept;")
# The mark comes first and in the same chain, so that no frame has it that the chain did not judge.
FORWARD = Chain((f"meta mark set meta mark | {PASSED}", "oifname @served jump asked", "iifname @served jump answered",
                 "iifname vmap @out", "oifname vmap @in"), BRIDGE_HOOK)
# Who is charged for a connection: the guest that opens it; where none on this bridge does, the one that it is opened to,
# in an account of its own, so that strangers never use up what a guest may open.
# Its numbers hold PASSED as well, so nothing comes here that the chain before did not see.
CHARGE = Chain((f"meta mark & {PASSED} == 0 drop", "meta mark set iifname map @numbers accept", "meta mark set oifname map @inward"),
               CHARGE_HOOK)
MARKS = Chain((
    "iifname != @bridges return",                    # in the host's own namespace, other traffic is none of our business
    f"meta mark set meta mark & {OTHERS}",           # veths within one namespace do not clear it
    f"ct mark & {CUT:#x} != 0 meta mark set meta mark | {INVALID} return",
    f"ct state established,related meta mark set meta mark | {ESTABLISHED}",
    f"ct state invalid meta mark set meta mark | {INVALID}",
    # The kernel would take a TCP flow up in its middle, so that one that was cut came back with its next packet.
    f"ct state new tcp flags & (fin | syn | rst | ack) != syn meta mark set meta mark | {INVALID}",
), MARK_HOOK)
NO_ROUTING = "iifname @bridges oifname != @bridges drop"
BORN = f"iifname @bridges ct state new ct status & confirmed == 0 meta mark & {NUMBERED:#x} != 0 jump counted"


def frame(zones: Mapping[str, int], limit: int) -> dict[str, Chain | Elements]:
    """The inet table: zones and marks before the filter, what a port has of connections after it."""
    made = {
        "bridges": Elements("ifname", {quoted(bridge): None for bridge in zones}),
        # Tenants' equal addresses are told apart by a conntrack zone per bridge.
        "zones": Elements("ifname : integer", {quoted(bridge): str(zone) for bridge, zone in zones.items()},
                          typeof="iifname : ct zone"),
        "raw": Chain(("ct zone set iifname map @zones",), RAW_HOOK),
        "ctmark": MARKS,
        "input": NO_INPUT,
        "forward": Chain((NO_ROUTING, *((BORN,) if limit else ())), BRIDGE_HOOK),
    }
    return made | (limits(limit) if limit else {})


def limits(limit: int) -> dict[str, Chain | Elements]:
    """At its limit a port opens nothing for a second, in which its flood costs one look-up a packet. The set is named by
    the limit, since an element keeps the one that it was born with."""
    connections = f"connections_{limit}"
    return {
        connections: Elements("mark", {}, "dynamic", "size 65535;"),
        "full": Elements("mark", {}, "dynamic,timeout", "size 65535; timeout 1s;"),
        REFUSED: Elements("mark", {}, "dynamic", "size 65535; counter;"),
        "counted": Chain((
            f"meta mark @full update @{REFUSED} {{ meta mark }} drop",
            f"add @{connections} {{ meta mark ct count over {limit} }} add @full {{ meta mark }} "
            f"update @{REFUSED} {{ meta mark }} drop",
        )),
    }


def group_chain(direction: Direction, group_id: str) -> str:
    return f"sg{'i' if direction == Direction.INGRESS else 'o'}_{hexid(group_id)}"


def member_set(group_id: str, version: int) -> str:
    return f"rg{version}_{hexid(group_id)}"


def wide_member_set(group_id: str, version: int) -> str:
    return f"rw{version}_{hexid(group_id)}"


# Groups

Wide = Collection[tuple[str, int]]                   # groups of which some member sends from a range, by IP version


def member_sets(group_id: str, ports: Iterable[PortSpec], referred: bool) -> dict[str, Elements | None]:
    """What the members of a remote group send from, where a rule refers to the group: single addresses, and where there are
    any, ranges, since each set costs a start its time. Allowed address pairs count, as in Neutron."""
    found: dict[str, Elements | None] = {name(group_id, version): None for version in (4, 6) for name in (member_set, wide_member_set)}
    if not referred:
        return found
    networks = {checked.network(a) for port in ports for a in (*port.addresses, *(pair.address for pair in port.allowed_pairs))}
    for version in (4, 6):
        single, wide = parted(network for network in networks if network.version == version)
        found[member_set(group_id, version)] = Elements(f"ipv{version}_addr", dict.fromkeys(map(str_of, single)))
        if wide:
            found[wide_member_set(group_id, version)] = Elements(f"ipv{version}_addr", dict.fromkeys(map(str_of, wide)), "interval")
    return found


def group_chains(group_id: str, spec: SecurityGroupSpec | None, wide: Wide = ()) -> dict[str, Chain]:
    """Both chains of a group; empty ones for a group that a port names before it is told."""
    rules = spec.rules if spec else ()
    return {group_chain(direction, group_id): Chain(tuple(dict.fromkeys(
                text for rule in rules if rule.direction == direction for text in rule_texts(rule, wide))))
            for direction in Direction}


def rule_texts(rule: SecurityGroupRule, wide: Wide = ()) -> list[str]:
    """A rule; two of a remote group that has members with ranges."""
    verdict = "accept" if rule.direction == Direction.INGRESS else ALLOW_OUT
    version = 4 if rule.ethertype == Ethertype.IPV4 else 6
    return [" ".join(part for part in (f"ether type {'ip' if version == 4 else 'ip6'}", remote, protocol_match(rule, version),
                                       verdict) if part)
            for remote in remote_matches(rule, version, wide)]


def remote_matches(rule: SecurityGroupRule, version: int, wide: Wide) -> list[str]:
    field = f"{'ip' if version == 4 else 'ip6'} {'saddr' if rule.direction == Direction.INGRESS else 'daddr'}"
    if rule.remote_group:
        names = [member_set, *([wide_member_set] if (rule.remote_group, version) in wide else [])]
        return [f"{field} @{name(rule.remote_group, version)}" for name in names]
    if rule.remote_cidr and (network := checked.network(rule.remote_cidr)).prefixlen:
        return [f"{field} {str_of(network)}"]
    return [""]


def protocol_match(rule: SecurityGroupRule, version: int) -> str:
    number = checked.protocol(rule.protocol)
    if number is None:
        return ""
    if number == 1 or (number == 58 and version == 6):
        return icmp_match(rule, version)
    if number in WITH_PORTS and rule.port_min is not None:
        first, last = checked.number(rule.port_min, 65535, "port"), checked.number(rule.port_max, 65535, "port")
        ports = str(first) if last in (None, first) else f"{first}-{last}"
        return f"{WITH_PORTS[number]} dport {ports}"
    return f"meta l4proto {number}"


def icmp_match(rule: SecurityGroupRule, version: int) -> str:
    """On an IPv6 rule "icmp" means ICMPv6, as Neutron takes it."""
    name = "icmp" if version == 4 else "icmpv6"
    if rule.port_min is None:
        return f"meta l4proto {1 if version == 4 else 58}"
    kind, code = checked.number(rule.port_min, 255, "ICMP type"), checked.number(rule.port_max, 255, "ICMP code")
    return f"{name} type {kind}" + (f" {name} code {code}" if code is not None else "")
