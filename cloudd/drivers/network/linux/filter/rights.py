"""Whose flows end when a right does.

A change names the flows that it may concern (by address, direction and protocol, so that the kernel finds them) and the
ports by whose rules they are judged anew. What is not allowed any more is marked as cut, what is allowed goes on
untouched: a group of ports may lose one rule and keep every connection that another allows.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import Direction, Ethertype, PortSpec, SecurityGroupRule, SecurityGroupSpec
from cloudd.drivers.network.checked import Net
from cloudd.drivers.network.linux.filter.conntrack import Flow, Flows, Selection, Talk, inside
from cloudd.drivers.network.linux.filter.firewall import Wanted
from cloudd.drivers.network.linux.filter.ports import address_pairs

# A look at a whole zone costs about what so many looks for one address do.
MANY = 24
ALWAYS = frozenset({(17, 67, 68), (17, 68, 67), (17, 546, 547), (17, 547, 546)})     # DHCP: protocol and its ports
ICMP = (1, 58)


@dataclass
class Review:
    """What to do about flows after a change."""

    gone: set[Flows] = field(default_factory=set)                # of addresses that nobody has any more
    doubted: set[Selection] = field(default_factory=set)
    judges: set[str] = field(default_factory=set)                # ports by whose rules those in doubt are judged
    zones: set[int] = field(default_factory=set)                 # where flows that were cut may be allowed again

    def doubt(self, zone: int, network: Net, direction: Direction, protocol: int | None = None) -> None:
        side = {"target" if direction == Direction.INGRESS else "source": network}
        self.doubted.add(Selection(zone, protocol=protocol, **side))


def senders(port: PortSpec) -> set[Net]:
    """All that a port may send from, link-local addresses included."""
    return set().union(*address_pairs(port).values())


def networks(port: PortSpec) -> set[Net]:
    """What makes it a member of its groups."""
    return {checked.network(text) for text in (*port.addresses, *(pair.address for pair in port.allowed_pairs))}


# What a change puts in doubt

def after_port(wanted: Wanted, before: PortSpec | None, after: PortSpec | None, zones: dict[str, int]) -> Review:
    review = Review(zones={zones[port.network_id] for port in (before, after) if port and port.network_id in zones})
    if before is None or before.network_id not in zones:
        return review
    zone = zones[before.network_id]
    had, has = senders(before), senders(after) if after else set()
    if after is not None and narrowed(before, after):
        review.judges.add(after.id)
        for network in had & has:
            for direction in Direction:
                review.doubt(zone, network, direction)
    held = [network for port in wanted.ports.values() if port.network_id == before.network_id for network in senders(port)]
    review.gone |= {Flows(str(one), zone) for one in had - has if not any(overlap(one, other) for other in held)}
    trusted, kept = networks(before), networks(after) if after else set()
    left = set(before.security_groups) - set(after.security_groups if after else ())
    for group in before.security_groups:
        distrust(wanted, review, group, trusted if group in left else trusted - kept, zones)
    return review


def overlap(one: Net, other: Net) -> bool:
    return one.version == other.version and one.overlaps(other)


def narrowed(before: PortSpec, after: PortSpec) -> bool:
    """Whether rules forbid something now that they did not before."""
    return after.port_security and (not before.port_security or bool(set(before.security_groups) - set(after.security_groups)))


def distrust(wanted: Wanted, review: Review, group: str, lost: Iterable[Net], zones: dict[str, int]) -> None:
    """Ports whose rules name a group trust these addresses no more."""
    trusting = [port for other in wanted.referring(group) for port in wanted.members(other) if port.network_id in zones]
    for network in lost:
        review.judges |= {port.id for port in trusting}
        for zone in {zones[port.network_id] for port in trusting}:
            for direction in Direction:
                review.doubt(zone, network, direction)


def after_group(wanted: Wanted, before: SecurityGroupSpec | None, after: SecurityGroupSpec | None, zones: dict[str, int]) -> Review:
    """All that a rule which went may have allowed."""
    some = before or after
    members = [port for port in wanted.members(some.id) if port.network_id in zones] if some else []
    review = Review(zones={zones[port.network_id] for port in members})
    gone = set(before.rules if before else ()) - set(after.rules if after else ())
    for direction, protocol in {(rule.direction, checked.protocol(rule.protocol)) for rule in gone}:
        review.judges |= {port.id for port in members}
        for port in members:
            for network in senders(port):
                review.doubt(zones[port.network_id], network, direction, protocol if protocol not in ICMP else None)
    return review


def of_everything(wanted: Wanted, zones: dict[str, int]) -> Review:
    """After a start that found other rules in the kernel than it wants."""
    return Review(doubted={Selection(zone) for zone in zones.values()}, judges=set(wanted.ports), zones=set(zones.values()))


# Judging

class Rights:
    """What the wanted state allows, asked of single flows."""

    def __init__(self, wanted: Wanted, zones: dict[str, int]):
        self.wanted = wanted
        self.zones = zones
        self.rules: dict[tuple[str, Direction], list[SecurityGroupRule]] = {}
        self.members: dict[str, tuple[set[bytes], list[Net]]] = {}

    def owners(self, port_ids: Iterable[str]) -> "Owners":
        return Owners([port for port_id in port_ids if (port := self.wanted.ports.get(port_id))], self.zones)

    def allow(self, port: PortSpec, direction: Direction, flow: Flow) -> bool:
        """Whether a port's rules let a flow begin; what no state decides is none of our business."""
        if not port.port_security or not self.wanted.stateful(port) or (flow.protocol, flow.code, flow.port) in ALWAYS:
            return True
        return any(self.fits(rule, flow) for group in port.security_groups for rule in self.of(group, direction))

    def of(self, group: str, direction: Direction) -> list[SecurityGroupRule]:
        if (group, direction) not in self.rules:
            spec = self.wanted.groups.get(group)
            self.rules[group, direction] = [rule for rule in spec.rules if rule.direction == direction] if spec else []
        return self.rules[group, direction]

    def fits(self, rule: SecurityGroupRule, flow: Flow) -> bool:
        peer = flow.source if rule.direction == Direction.INGRESS else flow.target
        if (len(peer) == 4) != (rule.ethertype == Ethertype.IPV4) or not fits_protocol(rule, flow):
            return False
        if rule.remote_group:
            return self.is_member(rule.remote_group, peer)
        return not rule.remote_cidr or inside(peer, checked.network(rule.remote_cidr))

    def is_member(self, group: str, address: bytes) -> bool:
        if group not in self.members:
            found = {network for port in self.wanted.members(group) for network in networks(port)}
            single, wide = set(), []
            for one in found:
                if one.prefixlen == one.max_prefixlen:
                    single.add(one.network_address.packed)
                else:
                    wide.append(one)
            self.members[group] = single, wide
        single, wide = self.members[group]
        return address in single or any(inside(address, network) for network in wide)


def fits_protocol(rule: SecurityGroupRule, flow: Flow) -> bool:
    number = checked.protocol(rule.protocol)
    if number is None:
        return True
    if number in ICMP and rule.ethertype == Ethertype.IPV6:
        number = 58                                  # on an IPv6 rule "icmp" means ICMPv6
    if number != flow.protocol:
        return False
    if rule.port_min is None:
        return True
    if number in ICMP:
        return flow.port == rule.port_min and rule.port_max in (None, flow.code)
    return rule.port_min <= flow.port <= (rule.port_min if rule.port_max is None else rule.port_max)


class Owners:
    """Which of some ports an address belongs to: those that have just it, else those with a range around it."""

    def __init__(self, ports: Iterable[PortSpec], zones: dict[str, int]):
        self.single: dict[tuple[int, bytes], list[PortSpec]] = defaultdict(list)
        self.wide: dict[int, list[tuple[Net, PortSpec]]] = defaultdict(list)
        for port in ports:
            zone = zones.get(port.network_id, -1)
            for network in senders(port):
                if network.prefixlen == network.max_prefixlen:
                    self.single[zone, network.network_address.packed].append(port)
                else:
                    self.wide[zone].append((network, port))

    def of(self, zone: int, address: bytes) -> list[PortSpec]:
        return self.single.get((zone, address)) or [port for network, port in self.wide.get(zone, ()) if inside(address, network)]


def ends(owners: Owners, flow: Flow) -> list[tuple[Direction, list[PortSpec]]]:
    return [(Direction.EGRESS, owners.of(flow.zone, flow.source)), (Direction.INGRESS, owners.of(flow.zone, flow.target))]


# Doing it

def carry_out(namespace: str, review: Review, rights: Rights, marked: set[int]) -> None:
    """Cut what the review finds forbidden, and let go on what was cut and is allowed again (blocking). `marked` are the
    zones in which something is cut, as far as is known."""
    again = review.zones & marked
    if not (review.gone or review.doubted or again):
        return
    with Talk(namespace) as talk:
        talk.delete(talk.select(selection for one in review.gone for selection in one.selections()))
        judges = rights.owners(review.judges)
        doubted = [flow for flow in talk.select(fewer(review.doubted)) if not flow.cut and forbidden(rights, judges, flow)]
        talk.mark(doubted)
        marked |= {flow.zone for flow in doubted}
        if again:
            release(talk, again, rights, marked)


def release(talk: Talk, zones: set[int], rights: Rights, marked: set[int]) -> None:
    everybody = rights.owners(rights.wanted.ports)
    cut = talk.select(Selection(zone, cut=True) for zone in zones)
    free = [flow for flow in cut if all(not ports or any(rights.allow(port, direction, flow) for port in ports)
                                        for direction, ports in ends(everybody, flow))]
    talk.unmark(free)
    marked -= zones - {flow.zone for flow in cut if flow not in free}


def forbidden(rights: Rights, judges: Owners, flow: Flow) -> bool:
    return any(not rights.allow(port, direction, flow) for direction, ports in ends(judges, flow) for port in ports)


def fewer(selections: set[Selection]) -> Iterable[Selection]:
    """One look at a zone instead of many for its addresses: what is not in doubt there is judged as it was before."""
    by_zone: dict[int | None, list[Selection]] = defaultdict(list)
    for one in selections:
        by_zone[one.zone].append(one)
    return [one for zone, some in by_zone.items() for one in (some if len(some) <= MANY else [Selection(zone)])]
