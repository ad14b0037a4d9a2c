"""What the kernel tells of changes in the dataplane, by whomsoever: links, addresses, routes, nftables, and namespaces' ends.

Two netlink sockets in the dataplane's namespace hear of all namespaces that it has a link into (NETLINK_LISTEN_ALL_NSID), and
inotify hears of names in /run/netns. A message is looked at just enough to say which subjects should be compared.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from cloudd.core.kernel import inotify
from cloudd.drivers.network.base import NetworkKind, Part, Subject
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.names import (
    dataplane_end,
    dhcp_inner,
    dhcp_outer,
    gateway_inner,
    gateway_outer,
    host_end,
    router_inner,
    router_outer,
    vlan_link,
)
from cloudd.drivers.network.linux.plane import Dataplane

ROUTE, NETFILTER, SOL_NETLINK, ADD_MEMBERSHIP, ALL_NAMESPACES = 0, 12, 270, 1, 8
LINKS, ADDRESSES4, ROUTES4, ADDRESSES6, ROUTES6 = 0x1, 0x10, 0x40, 0x100, 0x400
NFTABLES_GROUP = 7
NEW_LINK, DELETED_LINK, LINK_HEAD, LINK_NAME = 16, 17, 16, 3
GENERATION, GENERATION_HEAD, GENERATION_PID = 0x0A0F, 4, 2            # nftables: the end of one transaction, and whose it was
BUFFER = 1 << 20
GATHER_SECONDS = 0.05                                # changes come in bursts

Hint = tuple[str, str | int]                         # ("link", name), ("namespace", number), ("tables", number), ("name", of a namespace)
HOME = -1                                            # the number of the dataplane's own namespace
ALL: Hint = ("all", "")


class Feed:
    def __init__(self, driver: Dataplane):
        self.driver = driver
        self.sockets: list[socket.socket] = []
        self.names: inotify.Names | None = None      # None also where it cannot be had: the comparison of everything sees it
        self.identity = 0                            # of the namespace that the sockets are in
        self.numbers: dict[int, str] = {}            # how the dataplane's namespace numbers the others
        self.hints: set[Hint] = set()
        self.news = asyncio.Event()

    async def next(self) -> frozenset[Subject] | None:
        """Wait for changes; the subjects that they may concern, or None for all."""
        while True:
            await self.open()
            await self.news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            hints, self.hints = self.hints, set()
            self.news.clear()
            if ALL in hints:
                return None
            found = await self.driver.workers.run(self.subjects, hints)
            if found:
                return frozenset(found)

    # Hearing

    async def open(self) -> None:
        """Hear of the namespace that now has the dataplane's name; sockets in one that was lost would keep it alive."""
        loop = asyncio.get_running_loop()
        if self.names is None:
            with suppress(OSError):
                self.names = inotify.Names(str(netns.RUN), lambda names: self.tell(("name", name) for name in names))
        found = await self.driver.workers.run(self.connect)
        if found is None:
            return
        self.shut()
        self.identity, self.sockets = found
        for one, hints_of in zip(self.sockets, (link_hints, table_hints), strict=True):
            loop.add_reader(one, self.read, one, hints_of)

    def connect(self) -> tuple[int, list[socket.socket]] | None:
        """The namespace's identity and new sockets in it (blocking); None where those that are open are right."""
        namespace = self.driver.config.namespace
        if not netns.exists(namespace) or (self.sockets and netns.identity(namespace) == self.identity):
            return None
        with netns.inside(namespace):
            fresh = [socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, kind) for kind in (ROUTE, NETFILTER)]
        fresh[0].bind((0, LINKS | ADDRESSES4 | ROUTES4 | ADDRESSES6 | ROUTES6))
        fresh[1].bind((0, 0))
        fresh[1].setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, NFTABLES_GROUP)
        for one in fresh:
            one.setsockopt(SOL_NETLINK, ALL_NAMESPACES, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.number()
        return netns.identity(namespace), fresh

    def read(self, one: socket.socket, hints_of) -> None:
        try:
            while True:
                data, ancillary, _, _ = one.recvmsg(1 << 16, 64)
                number = next((struct.unpack("=i", value)[0] for level, kind, value in ancillary
                               if (level, kind) == (SOL_NETLINK, ALL_NAMESPACES)), HOME)
                self.tell(hints_of(data, number))
        except BlockingIOError:
            return
        except OSError as exc:                       # ENOBUFS: more happened than fits, so look at everything
            if exc.errno != errno.ENOBUFS:
                raise
            self.tell([ALL])

    def tell(self, hints: Iterable[Hint]) -> None:
        self.hints.update(hints)
        if self.hints:
            self.news.set()

    def close(self) -> None:
        if self.names is not None:
            self.names.close()
            self.names = None
        self.shut()

    def shut(self) -> None:
        for one in self.sockets:
            asyncio.get_running_loop().remove_reader(one)
            one.close()
        self.sockets = []

    # Understanding

    def number(self) -> None:
        """Learn, and where need be set, the numbers that the dataplane's namespace has for the others."""
        config, names = self.driver.config, self.driver.names
        others = {config.host_namespace, *(name for name in netns.names() if names.namespace_owner(name))} - {config.namespace}
        self.numbers = {}
        with netns.route(config.namespace) as ip:
            for name in others:
                with suppress(OSError), open(netns.path(name), "rb") as there:
                    answer = ip.get_netnsid(fd=there.fileno())
                    if answer["nsid"] in (None, HOME, 0xFFFFFFFF):
                        ip.set_netnsid(fd=there.fileno())
                        answer = ip.get_netnsid(fd=there.fileno())
                    self.numbers[answer["nsid"]] = name

    def subjects(self, hints: set[Hint]) -> set[Subject]:
        numbered = {number for kind, number in hints if kind in ("namespace", "tables")} - {HOME}
        if numbered - self.numbers.keys() and netns.exists(self.driver.config.namespace):
            self.number()
        by_link = links_of(self.driver)
        found: set[Subject] = set()
        for kind, value in hints:
            if kind == "link":
                found |= by_link.get(value, set())
            elif kind == "name":
                found |= self.of_namespace(str(value), tables=False)
            elif value == HOME:
                found |= self.of_namespace(self.driver.config.namespace, tables=kind == "tables")
            elif value in self.numbers:
                found |= self.of_namespace(self.numbers[value], tables=kind == "tables")
        return found

    def of_namespace(self, name: str, *, tables: bool) -> set[Subject]:
        """What lives in a namespace; `tables`: only its nftables changed."""
        config, owner = self.driver.config, self.driver.names.namespace_owner(name)
        found = {Subject(Part.NETWORK if owner[0] == "dhcp" else Part.ROUTER, owner[1])} if owner else set()
        if name == config.namespace:
            found |= {Subject(Part.FIREWALL)} if tables else {Subject(Part.HOST)}
        if name == config.host_namespace:
            found |= {Subject(Part.HOST)} if tables else {
                Subject(Part.NETWORK, spec.id) for spec in self.driver.networks.values() if spec.kind == NetworkKind.NAT}
        return found


def links_of(driver: Dataplane) -> dict[str | int, set[Subject]]:
    """Every link's name -> what should be compared when it changes."""
    found: dict[str | int, set[Subject]] = {}
    for spec in driver.networks.values():
        uplink = dict(driver.config.uplinks).get(spec.physical_network or "", "")
        for name in (driver.names.bridge(spec.id), dhcp_outer(spec.id), dhcp_inner(spec.id), host_end(spec.id),
                     dataplane_end(spec.id), vlan_link(spec.id), uplink):
            found.setdefault(name, set()).add(Subject(Part.NETWORK, spec.id))
    for router in driver.routers.values():
        ends = [end(port.port_id) for port in router.interfaces for end in (router_outer, router_inner)]
        ends += [end(router.gateway.port_id) for end in (gateway_outer, gateway_inner)] if router.gateway else []
        for name in ends:
            found.setdefault(name, set()).add(Subject(Part.ROUTER, router.id))
    for port in driver.firewall.wanted.ports.values():
        found.setdefault(port.tap, set()).add(Subject(Part.PORT, port.id))
    return found


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, body) of each message of one reading."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[(max(length, 16) + 3) & ~3:]


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind & 0x3FFF, data[4:length]
        data = data[(max(length, 4) + 3) & ~3:]


def link_hints(data: bytes, number: int) -> Iterator[Hint]:
    for kind, body in messages(data):
        if kind in (NEW_LINK, DELETED_LINK):
            name = next((value for attribute, value in attributes(body[LINK_HEAD:]) if attribute == LINK_NAME), b"")
            yield "link", name.rstrip(b"\0").decode(errors="replace")
        elif number != HOME:                         # addresses and routes; the dataplane's own namespace has none that matter
            yield "namespace", number


def table_hints(data: bytes, number: int) -> Iterator[Hint]:
    """Transactions of others: what this process changes it knows."""
    for kind, body in messages(data):
        if kind == GENERATION:
            said = dict(attributes(body[GENERATION_HEAD:]))
            thread = struct.unpack("!I", said[GENERATION_PID])[0] if GENERATION_PID in said else 0
            if not thread or not Path(f"/proc/self/task/{thread}").exists():
                yield "tables", number
