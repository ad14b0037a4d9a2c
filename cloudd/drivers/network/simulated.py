"""A dataplane that exists only in files: for fast tests, and for trying the API on a machine without root.

It refuses what the real one refuses, forgets what the real one forgets on close (the wanted state), and keeps what a
kernel would keep (what exists) in one small file per subject, so that a restart of the daemon finds it again.
"""

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson

from cloudd.drivers.network import base, checked
from cloudd.drivers.network.base import (
    DataplaneSpec,
    Difference,
    NetworkConfig,
    NetworkDriver,
    NetworkDriverError,
    NetworkKind,
    Part,
    Subject,
    Unsupported,
)

KINDS = ("networks", "routers", "security_groups", "ports", "plugged")
BYTES_PER_ASKING = 1500                              # counters grow, so that samples of them differ

T = TypeVar("T")


@dataclass
class Failure:
    """The n-th call of a method from now on raises."""

    method: str
    left: int
    exc: Exception


@dataclass
class Existing:
    """What a kernel would hold: one file per subject, {"id": ..., and its spec}."""

    folder: Path
    subjects: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def load(self) -> None:
        for kind in KINDS:
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
            self.subjects[kind] = {file.stem: orjson.loads(file.read_bytes()) for file in (self.folder / kind).glob("*.json")}

    def put(self, kind: str, subject_id: str, value: Any) -> None:
        if self.subjects[kind].get(subject_id) == value:
            return
        file = self.folder / kind / f"{subject_id}.json"
        file.with_suffix(".new").write_bytes(orjson.dumps(value))
        file.with_suffix(".new").replace(file)
        self.subjects[kind][subject_id] = value

    def drop(self, kind: str, subject_id: str) -> None:
        if self.subjects[kind].pop(subject_id, None) is not None:
            (self.folder / kind / f"{subject_id}.json").unlink(missing_ok=True)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.load()


def plain(spec: Any) -> Any:
    """A spec as JSON has it, so that a loaded one compares equal."""
    return orjson.loads(orjson.dumps(spec))


class SimulatedNetworkDriver(NetworkDriver):
    def __init__(self, config: NetworkConfig):
        self.config = config
        self.existing = Existing(Path(config.state_dir) / "simulated-network")
        self.networks: dict[str, base.NetworkSpec] = {}
        self.routers: dict[str, base.RouterSpec] = {}
        self.groups: dict[str, base.SecurityGroupSpec] = {}
        self.ports: dict[str, base.PortSpec] = {}
        self.cabled: dict[str, dict[str, Any]] = {}  # what was plugged and not unplugged
        self.damaged: set[Subject] = set()           # those that nobody has compared yet
        self.damage_done = asyncio.Event()
        self.missing_taps: set[str] = set()          # ports whose hypervisor made no tap
        self.failures: list[Failure] = []
        self.calls: list[tuple[str, str]] = []       # (method, subject), newest last
        self.traffic = 0
        self.beyond: dict[str, tuple[int, int]] = {}  # what a guest is to have tried beyond its limit of connections

    # For tests

    def fail(self, method: str, nth: int = 1, exc: Exception | None = None) -> None:
        """Let the n-th call of a method from now on fail, once."""
        self.failures.append(Failure(method, nth, exc or NetworkDriverError(f"{method} failed on demand")))

    def reboot(self) -> None:
        """What a reboot of the host leaves of a dataplane: nothing."""
        self.existing.clear()

    def damage(self, part: Part, subject_id: str = "") -> None:
        """Break something as somebody else on the machine would: it does not exist any more."""
        kinds = {Part.NETWORK: ("networks",), Part.ROUTER: ("routers",), Part.PORT: ("plugged",),
                 Part.FIREWALL: ("ports", "security_groups"), Part.HOST: ()}[part]
        for kind in kinds:
            for one in [subject_id] if subject_id else list(self.existing.subjects[kind]):
                self.existing.drop(kind, one)
        self.damaged.add(Subject(part, subject_id))
        self.damage_done.set()

    def called(self, method: str, subject: str = "") -> None:
        self.calls.append((method, subject))
        del self.calls[:-1000]
        for failure in [failure for failure in self.failures if failure.method == method]:
            failure.left -= 1
            if failure.left == 0:
                self.failures.remove(failure)
                raise failure.exc

    # Opening and closing

    async def open(self, on_metadata_socket: base.OnMetadataSocket, on_metadata_gone: base.OnMetadataGone) -> None:
        self.called("open")
        self.existing.load()

    async def close(self) -> None:
        self.called("close")
        self.networks, self.routers, self.groups, self.ports, self.cabled = {}, {}, {}, {}, {}

    async def health(self) -> base.Health:
        self.called("health")
        return base.Health(True)

    async def caps(self) -> base.NetworkCaps:
        uplinks = tuple(name for name, _ in self.config.uplinks) if self.config.outbound else ()
        return base.NetworkCaps(max_mtu=65521, ipv6=True, vlan=True, qos=False, external_nat=True, external_bridged=uplinks,
                                outbound=self.config.outbound)

    async def restore(self, wanted: DataplaneSpec) -> base.RestoreReport:
        self.called("restore")
        before = await self.list()
        removed = self.sweep(wanted)
        self.networks, self.routers = {}, {}
        self.groups = {spec.id: spec for spec in wanted.security_groups}
        self.ports = {spec.id: spec for spec in wanted.ports}
        self.cabled = {port: plug for port, plug in self.existing.subjects["plugged"].items() if port in self.ports}
        for spec in (*wanted.security_groups, *wanted.ports):
            self.existing.put("ports" if isinstance(spec, base.PortSpec) else "security_groups", spec.id, plain(spec))
        readable, failed = checked.dataplane(wanted)
        made = {spec.id for spec in (*readable.networks, *readable.routers)}
        for kind, specs, make in (("network", wanted.networks, self.make_network), ("router", wanted.routers, self.make_router)):
            failed += [f"{kind} {spec.id}: {why}" for spec in specs if spec.id in made and (why := refused(make, spec))]
        created = [f"network {s.id}" for s in wanted.networks if s.id not in before.networks]
        created += [f"router {s.id}" for s in wanted.routers if s.id not in before.routers]
        return base.RestoreReport(tuple(created), tuple(removed), tuple(failed))

    def sweep(self, wanted: DataplaneSpec) -> list[str]:
        kept = {"networks": wanted.networks, "routers": wanted.routers, "security_groups": wanted.security_groups,
                "ports": wanted.ports, "plugged": wanted.ports}
        removed = []
        for kind, specs in kept.items():
            for subject in sorted(self.existing.subjects[kind].keys() - {spec.id for spec in specs}):
                self.existing.drop(kind, subject)
                if kind in ("networks", "routers", "plugged"):
                    removed.append(f"{ {'networks': 'network', 'routers': 'router', 'plugged': 'port'}[kind] } {subject}")
        return removed

    async def list(self) -> base.Inventory:
        there = self.existing.subjects
        filtered = {id_ for id_, port in there["ports"].items() if port["port_security"] or not port["admin_state_up"]}
        named = {group for port in there["ports"].values() for group in port["security_groups"]}
        return base.Inventory(
            networks=frozenset(there["networks"]), routers=frozenset(there["routers"]),
            dhcp=frozenset(id_ for id_, network in there["networks"].items() if network["dhcp_port"]),
            ports=frozenset(there["plugged"]), firewall_ports=frozenset(filtered),
            security_groups=frozenset(named | there["security_groups"].keys()))

    # Comparing and mending

    async def touched(self) -> frozenset[Subject]:
        await self.damage_done.wait()
        self.damage_done.clear()
        found, self.damaged = frozenset(self.damaged), set()
        return found

    async def compare(self, subjects: Iterable[Subject] | None = None) -> tuple[Difference, ...]:
        self.called("compare")
        asked = None if subjects is None else set(subjects)
        there = self.existing.subjects
        found = [Difference(Subject(part, id_), f"{part} is not as it was applied")
                 for part, kind, wanted in ((Part.NETWORK, "networks", self.networks), (Part.ROUTER, "routers", self.routers))
                 for id_, spec in wanted.items() if there[kind].get(id_) != plain(spec)]
        found += [Difference(Subject(Part.PORT, id_), "the tap is off its bridge") for id_, plug in self.cabled.items()
                  if there["plugged"].get(id_) != plug]
        if any(there[kind].get(id_) != plain(spec) for kind, wanted in (("ports", self.ports), ("security_groups", self.groups))
               for id_, spec in wanted.items()):
            found.insert(0, Difference(Subject(Part.FIREWALL), "rules are gone"))
        return tuple(one for one in found if asked is None or one.subject in asked)

    async def mend(self, subject: Subject) -> None:
        self.called("mend", subject.id)
        for part, kind, wanted in ((Part.NETWORK, "networks", self.networks), (Part.ROUTER, "routers", self.routers),
                                   (Part.FIREWALL, "ports", self.ports), (Part.FIREWALL, "security_groups", self.groups)):
            for id_, spec in wanted.items() if part is subject.part else ():
                if subject.id in ("", id_):
                    self.existing.put(kind, id_, plain(spec))
        if subject.part is Part.PORT and subject.id in self.cabled:
            self.existing.put("plugged", subject.id, self.cabled[subject.id])

    # Subjects

    async def apply_network(self, spec: base.NetworkSpec) -> None:
        self.called("apply_network", spec.id)
        checked.network_spec(spec)
        self.make_network(spec)

    def holds(self, spec: base.NetworkSpec) -> bool:
        return self.networks.get(spec.id) == spec

    def make_network(self, spec: base.NetworkSpec) -> None:
        if spec.kind == NetworkKind.BRIDGED and not self.config.outbound:
            raise Unsupported(f"network {spec.id} is bridged to the outside, but `outbound` is off")
        if spec.kind == NetworkKind.BRIDGED and spec.physical_network not in dict(self.config.uplinks):
            raise Unsupported(f"physical network {spec.physical_network!r} has no interface in the configuration")
        for other in self.networks.values():
            if spec.zone is not None and other.zone == spec.zone and other.id != spec.id:
                raise NetworkDriverError(f"conntrack zone {spec.zone} of network {spec.id} belongs to another network")
        self.networks[spec.id] = spec
        self.existing.put("networks", spec.id, plain(spec))

    async def remove_network(self, network_id: str) -> None:
        self.called("remove_network", network_id)
        self.networks.pop(network_id, None)
        self.existing.drop("networks", network_id)
        for port_id in [p for p, plug in self.existing.subjects["plugged"].items() if plug["network_id"] == network_id]:
            self.existing.drop("plugged", port_id)
            self.cabled.pop(port_id, None)

    async def apply_router(self, spec: base.RouterSpec) -> None:
        self.called("apply_router", spec.id)
        checked.router(spec)
        self.make_router(spec)

    def make_router(self, spec: base.RouterSpec) -> None:
        self.routers[spec.id] = spec
        self.existing.put("routers", spec.id, plain(spec))

    async def remove_router(self, router_id: str) -> None:
        self.called("remove_router", router_id)
        self.routers.pop(router_id, None)
        self.existing.drop("routers", router_id)

    async def apply_security_group(self, spec: base.SecurityGroupSpec) -> None:
        self.called("apply_security_group", spec.id)
        checked.group(spec)
        self.groups[spec.id] = spec
        self.existing.put("security_groups", spec.id, plain(spec))

    async def remove_security_group(self, group_id: str) -> None:
        self.called("remove_security_group", group_id)
        self.groups.pop(group_id, None)
        self.existing.drop("security_groups", group_id)

    async def apply_port(self, spec: base.PortSpec) -> None:
        self.called("apply_port", spec.id)
        checked.port(spec)
        self.ports[spec.id] = spec
        self.existing.put("ports", spec.id, plain(spec))

    async def remove_port(self, port_id: str) -> None:
        self.called("remove_port", port_id)
        self.ports.pop(port_id, None)
        self.cabled.pop(port_id, None)
        self.existing.drop("plugged", port_id)
        self.existing.drop("ports", port_id)

    # Taps

    async def plug(self, port_id: str) -> None:
        self.called("plug", port_id)
        port = self.ports.get(port_id)
        if port is None:
            raise NetworkDriverError(f"port {port_id} was not applied, so its tap would join unfiltered")
        if port.network_id not in self.networks:
            raise NetworkDriverError(f"port {port_id}: its network {port.network_id} was not applied")
        if port_id in self.missing_taps:
            raise base.TapMissing(f"port {port_id}: there is no tap {port.tap}; is its domain defined and started?")
        self.cabled[port_id] = {"tap": port.tap, "network_id": port.network_id}
        self.existing.put("plugged", port_id, self.cabled[port_id])

    async def unplug(self, port_id: str) -> None:
        self.called("unplug", port_id)
        self.cabled.pop(port_id, None)
        self.existing.drop("plugged", port_id)

    async def plugged(self) -> frozenset[str]:
        return frozenset(self.existing.subjects["plugged"])

    async def counters(self, port_ids: Iterable[str]) -> dict[str, base.PortCounters]:
        self.called("counters")
        self.traffic += BYTES_PER_ASKING
        packets = self.traffic // BYTES_PER_ASKING
        return {port_id: base.PortCounters(self.traffic, packets, 0, 0, self.traffic, packets, 0, 0)
                for port_id in port_ids if port_id in self.existing.subjects["plugged"]}

    async def beyond_limit(self) -> dict[str, tuple[int, int]]:
        return {port_id: counts for port_id, counts in self.beyond.items() if port_id in self.ports}

    async def refused(self) -> dict[str, int]:
        return {router_id: 0 for router_id, router in self.routers.items() if router.gateway}


def refused(make: Any, spec: Any) -> str | None:
    """Why a subject was refused."""
    try:
        make(spec)
    except NetworkDriverError as exc:
        return str(exc)
    return None
