"""The firewall's state: which ports and groups there are, what changes when one does, how the kernel is brought to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import NetworkDriverError, PortSpec, SecurityGroupSpec
from cloudd.drivers.network.linux import firewall_metadata, firewall_ports, nft_state
from cloudd.drivers.network.linux import firewall_rules as rules
from cloudd.drivers.network.linux.firewall_ports import Part
from cloudd.drivers.network.linux.names import Names
from cloudd.drivers.network.linux.nft import Chain, Changes, Elements, Key, Object, Patch, quoted, run
from cloudd.drivers.network.linux.nft import replace as as_text
from cloudd.drivers.network.linux.nft_state import Ruleset


@dataclass
class Wanted:
    """The firewall as it is to be."""

    ports: dict[str, PortSpec] = field(default_factory=dict)
    groups: dict[str, SecurityGroupSpec] = field(default_factory=dict)
    zones: dict[str, int] = field(default_factory=dict)          # bridge -> conntrack zone
    served: frozenset[str] = frozenset()                         # bridge ports behind which metadata may be served

    def members(self, group_id: str) -> list[PortSpec]:
        return [port for port in self.ports.values() if group_id in port.security_groups]

    def remotes(self, group_id: str) -> set[str]:
        """Groups that this group's rules name as their remote."""
        spec = self.groups.get(group_id)
        return {rule.remote_group for rule in spec.rules if rule.remote_group} if spec else set()

    def memberships(self) -> dict[str, list[PortSpec]]:
        """Group -> its members."""
        found: dict[str, list[PortSpec]] = {}
        for port in self.ports.values():
            for group in port.security_groups:
                found.setdefault(group, []).append(port)
        return found

    def referred(self) -> set[str]:
        """Groups that some rule names as its remote."""
        return {rule.remote_group for spec in self.groups.values() for rule in spec.rules if rule.remote_group}

    def wide(self) -> set[tuple[str, int]]:
        """Groups of which some member sends from a range, by IP version."""
        return {(group, network.version) for port in self.ports.values() for pair in port.allowed_pairs
                if (network := checked.network(pair.address)).num_addresses > 1 for group in port.security_groups}

    def referring(self, group_id: str) -> list[str]:
        """Groups whose rules name this one."""
        return [other for other in self.groups if group_id in self.remotes(other)]

    def stateful(self, port: PortSpec) -> bool:
        """Neutron lets a port have groups of one sort only; one stateless group makes the port so."""
        return all(self.groups[group].stateful for group in port.security_groups if group in self.groups)

    def part(self, port: PortSpec) -> Part:
        return firewall_ports.elements(port, self.stateful(port))

    def copy(self) -> "Wanted":
        return Wanted(dict(self.ports), dict(self.groups), dict(self.zones), self.served)


class Firewall:
    """Not for several threads at once: the driver holds a lock around each change. All of it blocks."""

    def __init__(self, names: Names, namespace: str, limit: int = 0):
        self.names = names
        self.limit = limit                           # connections that a port may have; 0: no limit
        self.bridge_table = f"bridge {names.table}"
        self.inet_table = f"inet {names.table}_ct"
        self.ruleset = Ruleset(namespace, (self.inet_table, self.bridge_table))
        self.wanted = Wanted()

    # Changes

    def set_ports(self, ports: Iterable[PortSpec], removed: Iterable[str] = ()) -> bool:
        """Set or remove ports; what is refused leaves everything as it was."""
        after = {port.id: port for port in ports} | dict.fromkeys(removed)
        before = {port_id: self.wanted.ports.get(port_id) for port_id in after}
        parts = [self.wanted.part(port) for port in before.values() if port]
        touched = {group for port in (*before.values(), *after.values()) if port for group in port.security_groups}
        try:
            self.store_ports(after)
            fresh = [self.wanted.part(port) for port in after.values() if port]
            return self.ruleset.apply(self.patches(parts, fresh) | self.groups(touched) | self.combinations())
        except BaseException:
            self.store_ports(before)
            raise

    def store_ports(self, ports: dict[str, PortSpec | None]) -> None:
        for port_id, port in ports.items():
            if port is None:
                self.wanted.ports.pop(port_id, None)
            else:
                self.wanted.ports[port_id] = port

    def set_group(self, group_id: str, spec: SecurityGroupSpec | None) -> bool:
        before = self.wanted.groups.get(group_id)
        touched = {group_id, *self.wanted.remotes(group_id)}
        members = self.wanted.members(group_id) if (before is None or before.stateful) != (spec is None or spec.stateful) else []
        parts = [self.wanted.part(port) for port in members]
        try:
            self.store_group(group_id, spec)
            touched |= self.wanted.remotes(group_id)
            fresh = [self.wanted.part(port) for port in members]
            return self.ruleset.apply(self.patches(parts, fresh) | self.groups(touched) | self.combinations())
        except BaseException:
            self.store_group(group_id, before)
            raise

    def store_group(self, group_id: str, spec: SecurityGroupSpec | None) -> None:
        if spec is None:
            self.wanted.groups.pop(group_id, None)
        else:
            self.wanted.groups[group_id] = spec

    def set_zones(self, zones: dict[str, int]) -> bool:
        self.wanted.zones = dict(zones)
        return self.reframe()

    def set_served(self, more: Iterable[str], gone: Iterable[str] = ()) -> bool:
        self.wanted.served = self.wanted.served.union(more).difference(gone)
        return self.reframe()

    def reframe(self) -> bool:
        return self.ruleset.apply(self.everything() if not self.ruleset.objects else self.frame())

    # Looking at the kernel

    def compare(self) -> list[str]:
        """What differs in the kernel from the wanted state ("bridge cloudd_ab12cd34 in", or the table alone where it is
        gone); empty when nothing does. Changes nothing."""
        return self.ruleset.compare()

    def mend(self) -> list[str]:
        """Bring back what differs and leave the rest alone, in one transaction; what it was, as `compare` tells it."""
        return self.ruleset.mend()

    def restore(self, wanted: Wanted) -> tuple[list[str], list[str]]:
        """Bring the kernel from whatever it holds to this state: (what differed, what was refused and why). A port or group
        that is refused is closed instead: one must not keep a machine's guests unfiltered."""
        self.wanted = wanted
        try:
            return self.ruleset.bring(self.everything()), []
        except NetworkDriverError:
            if not (refused := self.refusals(wanted)):
                raise
        self.wanted = closed(wanted, refused)
        return self.ruleset.bring(self.everything()), [f"{kind} {one}: {reason}" for (kind, one), reason in refused.items()]

    def refusals(self, wanted: Wanted) -> dict[tuple[str, str], str]:
        """Which groups and ports the kernel would not take, each asked for by itself."""
        found = {}
        alone = [(("security group", group.id), Wanted({}, {group.id: group}, {})) for group in wanted.groups.values()]
        alone += [(("port", port.id), Wanted({port.id: port}, {}, {})) for port in wanted.ports.values()]
        for key, one in alone:
            probe = Firewall(self.names, self.ruleset.namespace, self.limit)
            probe.wanted = one
            try:
                run(self.ruleset.namespace, as_text(self.ruleset.tables, probe.everything()), dry=True)
            except NetworkDriverError as exc:
                found[key] = str(exc)
        return found

    def refused(self) -> dict[str, tuple[int, int]]:
        """Port -> packets of connections beyond its limit, opened to it and by it."""
        if not self.limit:
            return {}
        seen = nft_state.counted(self.ruleset.namespace, self.inet_table, rules.REFUSED)
        numbers = {port_id: firewall_ports.number(port_id) for port_id in list(self.wanted.ports)}
        return {port_id: (seen.get(number | rules.INWARD, 0), seen.get(number, 0)) for port_id, number in numbers.items()
                if seen.keys() & {number, number | rules.INWARD}}

    # Objects

    def everything(self) -> dict[Key, Object]:
        wanted = self.wanted
        groups = set(wanted.groups).union(*(port.security_groups for port in wanted.ports.values()))
        groups = groups.union(*(wanted.remotes(group) for group in wanted.groups))
        sets: dict[Key, dict[str, str | None]] = {(self.bridge_table, name): {} for name in firewall_ports.SETS}
        for port in wanted.ports.values():
            for name, part in wanted.part(port).items():
                sets[self.bridge_table, name].update(part)
        filled = {key: replace(firewall_ports.SETS[key[1]], elements=part) for key, part in sets.items()}
        objects = self.frame() | filled | self.groups(groups) | self.combinations()
        return {key: item for key, item in objects.items() if item is not None}

    def frame(self) -> dict[Key, Object]:
        inet = {(self.inet_table, name): item for name, item in rules.frame(self.wanted.zones, self.limit).items()}
        bridge = {"forward": rules.FORWARD, "charge": rules.CHARGE, "spoof": firewall_ports.SPOOF, **firewall_metadata.CHAINS,
                  "served": Elements("ifname", {quoted(one): None for one in sorted(self.wanted.served)})}
        return inet | {(self.bridge_table, name): item for name, item in bridge.items()}

    def patches(self, before: list[Part], after: list[Part]) -> Changes:
        """What changes of the sets that all ports share; before the frame stands, the whole sets."""
        if (self.bridge_table, "out") not in self.ruleset.objects:
            return self.everything()
        changes: dict[Key, Patch] = {}
        for name in firewall_ports.SETS:
            old = {key: value for part in before for key, value in part.get(name, {}).items()}
            new = {key: value for part in after for key, value in part.get(name, {}).items()}
            changes[self.bridge_table, name] = Patch(
                {key: value for key, value in old.items() if new.get(key, "") != value},
                {key: value for key, value in new.items() if old.get(key, "") != value})
        return changes

    def combinations(self) -> dict[Key, Object | None]:
        """The chains of all combinations of groups that ports have now, with None for those that none has any more."""
        made: dict[str, Chain | None] = {name: None for table, name in self.ruleset.objects
                                         if table == self.bridge_table and name.startswith(("o_", "i_"))}
        used = {(tuple(sorted(set(port.security_groups))), self.wanted.stateful(port)) for port in self.wanted.ports.values()
                if port.port_security and port.admin_state_up}
        for groups, stateful in used:
            made |= firewall_ports.combination_chains(groups, stateful)
        return {(self.bridge_table, name): item for name, item in made.items()}

    def groups(self, some: Iterable[str]) -> dict[Key, Object | None]:
        """What these groups come to now, with None for what is not wanted any more."""
        made: dict[str, Chain | Elements | None] = {}
        members, referred, wide = self.wanted.memberships(), self.wanted.referred(), self.wanted.wide()
        for group in self.with_referring(set(some), wide):
            ports = members.get(group, [])
            made |= rules.member_sets(group, ports, group in referred)
            chains = rules.group_chains(group, self.wanted.groups.get(group), wide)
            made |= chains if group in self.wanted.groups or ports else dict.fromkeys(chains)
        return {(self.bridge_table, name): item for name, item in made.items()}

    def with_referring(self, some: set[str], wide: set[tuple[str, int]]) -> set[str]:
        """These groups, and those whose rules change with them: a first member with a range came, or the last one left."""
        turned = {group for group in some for version in (4, 6) if ((group, version) in wide)
                  != ((self.bridge_table, rules.wide_member_set(group, version)) in self.ruleset.objects)}
        return some.union(*(self.wanted.referring(group) for group in turned))


def closed(wanted: Wanted, refused: Iterable[tuple[str, str]]) -> Wanted:
    """The state with these subjects closed."""
    left = wanted.copy()
    for kind, subject_id in refused:
        if kind == "security group":
            left.groups[subject_id] = checked.closed_group(left.groups[subject_id])
        else:
            left.ports[subject_id] = checked.closed_port(left.ports[subject_id])
    return left


def can_count(namespace: str) -> bool:
    """Whether the kernel counts connections, asked with a table that is never made."""
    objects = {("inet probe", name): item for name, item in rules.frame({}, 1).items()}
    try:
        run(namespace, as_text(["inet probe"], objects), dry=True)
    except NetworkDriverError:
        return False
    return True
