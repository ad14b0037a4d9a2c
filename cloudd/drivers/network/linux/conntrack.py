"""Cutting flows that live on in connection tracking after the rule that let them in is gone.

Flows are read and deleted by netlink in this process: one dump for any number of addresses, where the `conntrack`
command would be started twice for each.
"""

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudd.drivers.network.base import PortSpec, SecurityGroupSpec
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.firewall import Wanted

NETLINK_NETFILTER = 12
GET, DELETE = 0x101, 0x102                           # subsystem ctnetlink, message
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
TUPLE, TUPLE_ADDRESSES, FLOW_ID, ZONE = 1, 1, 12, 18
ATTRIBUTE_MASK = 0x3FFF                              # without the flags "nested" and "network byte order"
BUFFER = 1 << 18


@dataclass(frozen=True, order=True)
class Flows:
    """All flows from or to an address (or network) in a zone; without a zone, in all of the namespace."""

    address: str
    zone: int | None = None


def cut(namespace: str, flows: Iterable[Flows]) -> int:
    """Delete the flows (blocking); how many there were."""
    flows = set(flows)
    if not flows:
        return 0
    with netns.inside(namespace), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as talk:
        talk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER * 4)
        talk.bind((0, 0))
        wanted = Matcher(flows)
        doomed = [entry for entry in dump(talk) if wanted.matches(entry)]
        for entry in doomed:
            delete(talk, entry)
    return len(doomed)


@dataclass(frozen=True)
class Entry:
    family: int
    zone: int
    addresses: tuple[bytes, ...]                     # source and destination as the flow began
    names: bytes                                     # the attributes that name it, as the kernel wrote them


class Matcher:
    def __init__(self, flows: Iterable[Flows]):
        self.exact: set[tuple[int | None, bytes]] = set()
        self.networks: list[tuple[int | None, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
        for flow in flows:
            network = ipaddress.ip_network(flow.address, strict=False)
            if network.num_addresses == 1:
                self.exact.add((flow.zone, network.network_address.packed))
            else:
                self.networks.append((flow.zone, network))

    def matches(self, entry: Entry) -> bool:
        for address in entry.addresses:
            if (entry.zone, address) in self.exact or (None, address) in self.exact:
                return True
            if self.networks and any(zone in (None, entry.zone) and network.max_prefixlen == 8 * len(address)
                                     and ipaddress.ip_address(address) in network for zone, network in self.networks):
                return True
        return False


def dump(talk: socket.socket) -> Iterator[Entry]:
    talk.send(message(GET, REQUEST | DUMP, socket.AF_UNSPEC, b""))
    while True:
        for kind, body in messages(talk.recv(BUFFER)):
            if kind == DONE:
                return
            if kind == ERROR:
                check(body)
            else:
                yield entry_of(body)


def delete(talk: socket.socket, entry: Entry) -> None:
    talk.send(message(DELETE, REQUEST | ACK, entry.family, entry.names))
    for kind, body in messages(talk.recv(BUFFER)):
        if kind == ERROR:
            check(body)


def check(body: bytes) -> None:
    """Acknowledgements are errors of number 0; a flow that ended by itself meanwhile is as wanted."""
    code = -struct.unpack_from("=i", body)[0]
    if code not in (0, errno.ENOENT):
        raise OSError(code, f"connection tracking: {os.strerror(code)}")


def message(kind: int, flags: int, family: int, attributes: bytes) -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        length, kind = struct.unpack_from("=IH", data, offset)
        yield kind, data[offset + 16:offset + length]
        offset += length + 3 & ~3


def attributes_of(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, value, the attribute as it stands)"""
    offset = 0
    while offset + 4 <= len(data):
        length, number = struct.unpack_from("=HH", data, offset)
        yield number & ATTRIBUTE_MASK, data[offset + 4:offset + length], data[offset:offset + (length + 3 & ~3)]
        offset += length + 3 & ~3


def entry_of(body: bytes) -> Entry:
    zone, addresses, names = 0, (), b""
    for number, value, whole in attributes_of(body[4:]):
        if number == TUPLE:
            pair = next((value for number, value, _ in attributes_of(value) if number == TUPLE_ADDRESSES), b"")
            addresses = tuple(address for _, address, _ in attributes_of(pair))
        elif number == ZONE:
            zone = struct.unpack("!H", value)[0]
        if number in (TUPLE, ZONE, FLOW_ID):
            names += whole
    return Entry(body[0], zone, addresses, names)


def after_port(wanted: Wanted, before: PortSpec | None, after: PortSpec | None, zones: dict[str, int]) -> set[Flows]:
    """What to cut when a port changed: its own flows if it may do less, and those of groups that trusted its addresses."""
    if before is None:
        return set()
    flows: set[Flows] = set()
    gone = set(addresses(before)) - set(addresses(after) if after else ())
    if narrowed(before, after):
        flows |= in_zones(addresses(before), zones, [before])
    elif gone:
        flows |= in_zones(gone, zones, [before])
    left = set(before.security_groups) - set(after.security_groups if after else ())
    for group in before.security_groups:
        lost = addresses(before) if group in left else gone
        if lost:
            trusting = [port for other in wanted.referring(group) for port in wanted.members(other)]
            flows |= in_zones(lost, zones, trusting)
    return flows


def narrowed(before: PortSpec, after: PortSpec | None) -> bool:
    """Whether something that the port could do before is forbidden now."""
    if after is None or (before.admin_state_up and not after.admin_state_up):
        return True
    if not after.port_security:
        return False
    return not before.port_security or bool(set(before.security_groups) - set(after.security_groups))


def after_group(wanted: Wanted, before: SecurityGroupSpec | None, after: SecurityGroupSpec | None,
                zones: dict[str, int]) -> set[Flows]:
    """What to cut when a group's rules changed: all flows of its members if a rule went. Those still allowed come back
    by themselves with their next packet."""
    if before is None or not set(before.rules) - set(after.rules if after else ()):
        return set()
    return {flow for port in wanted.members(before.id) for flow in in_zones(addresses(port), zones, [port])}


def addresses(port: PortSpec) -> list[str]:
    return [*port.addresses, *(pair.address for pair in port.allowed_pairs)]


def in_zones(some: Iterable[str], zones: dict[str, int], ports: Iterable[PortSpec]) -> set[Flows]:
    found = {zones[port.network_id] for port in ports if port.network_id in zones}
    return {Flows(address, zone) for address in some for zone in found}
