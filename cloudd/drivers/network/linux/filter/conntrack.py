"""Flows of connection tracking: found by the kernel, marked as cut, let go on, or deleted. All functions block.

One netlink request names a zone, an address, a protocol or a mark, and the kernel answers with what fits; older kernels
answer with more, so everything is looked at once more here.
"""

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.filter.rules import CUT

NETLINK_NETFILTER = 12
NEW, GET, DELETE = 0x100, 0x101, 0x102               # subsystem ctnetlink, message
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
TUPLE, TIMEOUT, MARK, FLOW_ID, ZONE, MARK_MASK, FILTER = 1, 7, 8, 12, 18, 21, 25
TUPLE_ADDRESSES, TUPLE_PROTOCOL = 1, 2
SOURCE, TARGET = {4: 1, 16: 3}, {4: 2, 16: 4}        # length of an address -> its attribute
NUMBER, SOURCE_PORT, TARGET_PORT = 1, 2, 3
ICMP_TYPE, ICMP_CODE = (5, 8), (6, 9)
FILTER_SOURCE, FILTER_TARGET, FILTER_NUMBER = 0x1, 0x2, 0x8
NESTED = 0x8000
ATTRIBUTE_MASK = 0x3FFF                              # without the flags "nested" and "network byte order"
BUFFER = 1 << 18
BATCH = 64
FAMILY = {4: socket.AF_INET, 16: socket.AF_INET6}
CUT_SECONDS = 120                                    # how long a flow that was cut is remembered when nobody talks on it
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Selection:
    """Flows by how they began. A network stands for one address or for a range."""

    zone: int | None = None
    source: Net | None = None
    target: Net | None = None
    protocol: int | None = None
    cut: bool = False                                # only those that are marked as cut

    def fits(self, flow: "Flow") -> bool:
        return (self.zone in (None, flow.zone) and self.protocol in (None, flow.protocol) and (not self.cut or flow.cut)
                and inside(flow.source, self.source) and inside(flow.target, self.target))


@dataclass(frozen=True)
class Flow:
    zone: int
    source: bytes
    target: bytes
    protocol: int
    port: int                                        # where it is to; for ICMP the type
    code: int                                        # where it is from; for ICMP the code
    cut: bool
    names: bytes                                     # the attributes that name it, as the kernel wrote them


@dataclass(frozen=True, order=True)
class Flows:
    """All flows from or to an address (or network) in a zone; without a zone, in all of the namespace."""

    address: str
    zone: int | None = None

    def selections(self) -> list[Selection]:
        network = ipaddress.ip_network(self.address, strict=False)
        return [Selection(self.zone, source=network), Selection(self.zone, target=network)]


def inside(address: bytes, network: Net | None) -> bool:
    if network is None:
        return True
    if len(address) != network.max_prefixlen // 8:
        return False
    shift = network.max_prefixlen - network.prefixlen
    return int.from_bytes(address) >> shift == int(network.network_address) >> shift


def cut(namespace: str, flows: Iterable[Flows]) -> int:
    """Delete the flows; how many there were."""
    selections = [selection for one in set(flows) for selection in one.selections()]
    if not selections:
        return 0
    with Talk(namespace) as talk:
        return talk.delete(talk.select(selections))


class Talk:
    """A conversation with one namespace's connection tracking."""

    def __init__(self, namespace: str):
        with netns.inside(namespace):
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER * 4)
        self.socket.bind((0, 0))

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def select(self, selections: Iterable[Selection]) -> list[Flow]:
        """The flows that any of these fits, each once."""
        asked: dict[bytes, list[Selection]] = {}
        for selection in dict.fromkeys(selections):
            asked.setdefault(request(selection), []).append(selection)
        found = {flow.names: flow for question, some in asked.items() for flow in self.dump(question)
                 if any(selection.fits(flow) for selection in some)}
        return list(found.values())

    def dump(self, question: bytes) -> Iterator[Flow]:
        self.socket.send(question)
        while True:
            for kind, body in messages(self.socket.recv(BUFFER)):
                if kind == DONE:
                    return
                if kind == ERROR:
                    check(body)
                else:
                    yield flow_of(body)

    def delete(self, flows: list[Flow]) -> int:
        return self.tell([message(DELETE, REQUEST | ACK, FAMILY[len(flow.source)], flow.names) for flow in flows])

    def mark(self, flows: list[Flow]) -> int:
        """Cut: the filter drops what belongs to them, from both sides, for as long as somebody talks on them."""
        return self.tell([self.marking(flow, CUT) for flow in flows])

    def unmark(self, flows: list[Flow]) -> int:
        return self.tell([self.marking(flow, 0) for flow in flows])

    def marking(self, flow: Flow, mark: int) -> bytes:
        said = attribute(MARK, struct.pack("!I", mark)) + attribute(MARK_MASK, struct.pack("!I", CUT))
        said += attribute(TIMEOUT, struct.pack("!I", CUT_SECONDS)) if mark else b""
        return message(NEW, REQUEST | ACK, FAMILY[len(flow.source)], flow.names + said)

    def tell(self, orders: list[bytes]) -> int:
        """Send orders, many at once, and hear what became of each."""
        for first in range(0, len(orders), BATCH):
            some = orders[first:first + BATCH]
            self.socket.send(b"".join(some))
            heard = 0
            while heard < len(some):
                for kind, body in messages(self.socket.recv(BUFFER)):
                    if kind == ERROR:
                        check(body)
                        heard += 1
        return len(orders)


def request(selection: Selection) -> bytes:
    """What the kernel can tell apart by itself: zone, mark, protocol, single addresses of IPv4 (asked for one of IPv6 it
    gives all others)."""
    family, said, flags, addresses = socket.AF_UNSPEC, b"", 0, b""
    for network, kinds, flag in ((selection.source, SOURCE, FILTER_SOURCE), (selection.target, TARGET, FILTER_TARGET)):
        if network is None:
            continue
        packed = network.network_address.packed
        family = FAMILY[len(packed)]
        if network.prefixlen == network.max_prefixlen == 32:
            addresses += attribute(kinds[len(packed)], packed)
            flags |= flag
    inner = attribute(TUPLE_ADDRESSES | NESTED, addresses) if addresses else b""
    if selection.protocol is not None and family != socket.AF_UNSPEC:
        inner += attribute(TUPLE_PROTOCOL | NESTED, attribute(NUMBER, bytes([selection.protocol])))
        flags |= FILTER_NUMBER
    if flags:
        said += attribute(TUPLE | NESTED, inner)
        said += attribute(FILTER | NESTED, attribute(1, struct.pack("=I", flags)) + attribute(2, struct.pack("=I", 0)))
    if selection.zone is not None:
        said += attribute(ZONE, struct.pack("!H", selection.zone))
    if selection.cut:
        said += attribute(MARK, struct.pack("!I", CUT)) + attribute(MARK_MASK, struct.pack("!I", CUT))
    return message(GET, REQUEST | DUMP, family, said)


# Netlink

def check(body: bytes) -> None:
    """Acknowledgements are errors of number 0; a flow that ended by itself meanwhile is as wanted."""
    code = -struct.unpack_from("=i", body)[0]
    if code not in (0, errno.ENOENT):
        raise OSError(code, f"connection tracking: {os.strerror(code)}")


def attribute(number: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)


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


def flow_of(body: bytes) -> Flow:
    zone, mark, names = 0, 0, b""
    parts: dict[int, dict[int, bytes]] = {}
    for number, value, whole in attributes_of(body[4:]):
        if number == TUPLE:
            parts = {inner: {kind: said for kind, said, _ in attributes_of(some)} for inner, some, _ in attributes_of(value)}
        elif number == ZONE:
            zone = struct.unpack("!H", value)[0]
        elif number == MARK:
            mark = struct.unpack("!I", value)[0]
        if number in (TUPLE, ZONE, FLOW_ID):
            names += whole
    addresses, protocol = parts.get(TUPLE_ADDRESSES, {}), parts.get(TUPLE_PROTOCOL, {})
    source, target = (next((addresses[kind] for kind in kinds.values() if kind in addresses), b"") for kinds in (SOURCE, TARGET))
    port, code = (next((int.from_bytes(protocol[kind]) for kind in kinds if kind in protocol), 0)
                  for kinds in ((TARGET_PORT, *ICMP_TYPE), (SOURCE_PORT, *ICMP_CODE)))
    return Flow(zone, source, target, int.from_bytes(protocol.get(NUMBER, b"")), port, code, bool(mark & CUT), names)
