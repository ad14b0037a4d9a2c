"""The firewall of many ports: a first start, a start that finds nothing changed, one change, and one address among many flows.

Processor seconds, in a network namespace of its own; needs root.
"""

import ipaddress
import os
import socket
import statistics
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cloudd.drivers.network.base import Direction, Ethertype, PortSpec, SecurityGroupRule, SecurityGroupSpec
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.filter import conntrack
from cloudd.drivers.network.linux.filter.conntrack import Selection, Talk, attribute
from cloudd.drivers.network.linux.filter.firewall import Firewall, Wanted
from cloudd.drivers.network.linux.names import Names
from tests.bench.figures import Figure

FEW, MANY = 100, 1000
PORTS_A_GROUP = 20
FLOWS = 59_000
HELD = 100                                           # of them, those of the address that is cut
LIMIT = 16384
IN, OUT, V4, V6 = Direction.INGRESS, Direction.EGRESS, Ethertype.IPV4, Ethertype.IPV6
# Measured on the state before, when each port had chains of its own and each start replaced them all.
BEFORE_FEW, BEFORE_MANY, BEFORE_OVER_OLD, BEFORE_CUT = 0.2, 18.0, 47.0, 0.57


def figures(full: bool) -> list[Figure]:
    if os.geteuid():
        print("  the firewall is measured by root only")
        return []
    with namespace() as name:
        few, many = [measure(name, count) for count in (FEW, MANY)]
        found, whole = flows(name)
    before = "the state before"
    return [
        Figure(f"{FEW} ports into an empty table", few["empty"], "s", ((before, BEFORE_FEW),)),
        Figure(f"{MANY:,} ports into an empty table", many["empty"], "s", ((before, BEFORE_MANY), (f"{FEW} ports", few["empty"])),
               most=0.3),
        Figure(f"a start with nothing changed, {MANY:,} ports", many["same"], "s",
               ((before, BEFORE_OVER_OLD), ("an empty table", many["empty"])), most=0.3),
        Figure(f"a comparison with the kernel, {MANY:,} ports", many["compare"], "s", (("an empty table", many["empty"]),)),
        Figure(f"one port changed among {MANY:,}", 1000 * many["change"], "ms", ((f"among {FEW}", 1000 * few["change"]),)),
        Figure(f"{HELD} flows of an address cut among {FLOWS:,}", found, "s", ((before, BEFORE_CUT), ("reading all of them", whole))),
    ]


@contextmanager
def namespace() -> Iterator[str]:
    name = f"cloudd-bench-{os.getpid()}"
    netns.create(name)
    try:
        yield name
    finally:
        netns.remove(name)


def spent(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(name: str, count: int) -> dict[str, float]:
    wanted = state(count)
    first = Firewall(Names("bench"), name, LIMIT)
    seconds = {"empty": spent(lambda: first.restore(wanted.copy()))}
    starts = [Firewall(Names("bench"), name, LIMIT) for _ in range(3)]
    seconds["same"] = statistics.median(spent(lambda one=one: one.restore(wanted.copy())) for one in starts)
    later = starts[-1]
    seconds["compare"] = statistics.median(spent(later.compare) for _ in range(3))
    port = next(iter(wanted.ports.values()))
    seconds["change"] = statistics.median(
        spent(lambda number=number: later.set_ports([replace(port, addresses=(f"10.99.0.{number}",))])) for number in range(1, 6))
    later.ruleset.remove()
    return seconds


def state(count: int) -> Wanted:
    """Ports with an address of each version, in groups that let their own members and SSH in."""
    groups = [group() for _ in range(count // PORTS_A_GROUP)]
    ports = [port(number, groups[number % len(groups)].id) for number in range(count)]
    return Wanted({one.id: one for one in ports}, {one.id: one for one in groups}, {"br-bench": 1})


def group() -> SecurityGroupSpec:
    name = str(uuid.uuid4())
    return SecurityGroupSpec(name, (SecurityGroupRule(OUT, V4), SecurityGroupRule(OUT, V6), SecurityGroupRule(IN, V4, remote_group=name),
                                    SecurityGroupRule(IN, V6, remote_group=name), SecurityGroupRule(IN, V4, "tcp", 22, 22)))


def port(number: int, group_id: str) -> PortSpec:
    name = str(uuid.uuid4())
    return PortSpec(name, "bench", f"tap{name[:11]}", f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
                    (f"10.0.{number >> 8}.{number & 255}", f"fd00::{number:x}"), security_groups=(group_id,))


def flows(name: str) -> tuple[float, float]:
    """Seconds to cut one address' flows, and to read all flows."""
    with Talk(name) as talk:
        talk.tell([flow(number) for number in range(FLOWS)])
        whole = spent(lambda: talk.select([Selection()]))
        found = spent(lambda: talk.mark(talk.select([Selection(source=ipaddress.ip_network("10.0.0.9"), protocol=17)])))
    return found, whole


def flow(number: int) -> bytes:
    """An order to make a flow: every so many of one address."""
    one = ipaddress.ip_address("10.0.0.9").packed if number % (FLOWS // HELD) == 0 else struct.pack("!I", 0x0B000000 + number)
    other, source, target = struct.pack("!I", 0x0C000001), 1024 + number % 60000, 53
    said = b"".join(attribute(kind | conntrack.NESTED, tuple_of(*ends)) for kind, ends in (
        (1, (one, other, source, target)), (2, (other, one, target, source))))
    said += attribute(conntrack.TIMEOUT, struct.pack("!I", 600))
    return conntrack.message(conntrack.NEW, conntrack.REQUEST | conntrack.ACK | 0x400, socket.AF_INET, said)


def tuple_of(source: bytes, target: bytes, source_port: int, target_port: int) -> bytes:
    addresses = attribute(1, source) + attribute(2, target)
    protocol = attribute(1, b"\x11") + attribute(2, struct.pack("!H", source_port)) + attribute(3, struct.pack("!H", target_port))
    return attribute(1 | conntrack.NESTED, addresses) + attribute(2 | conntrack.NESTED, protocol)
