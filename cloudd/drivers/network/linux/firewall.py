"""The firewall's state: which ports and groups there are, what changes when one does, which flows must then be cut."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from cloudd.drivers.network.base import NetworkDriverError, PortSpec, SecurityGroupSpec
from cloudd.drivers.network.linux import firewall_rules as rules
from cloudd.drivers.network.linux.names import Names
from cloudd.drivers.network.linux.nft import Elements, Key, Object, Ruleset, run
from cloudd.drivers.network.linux.nft import replace as as_text


@dataclass
class Wanted:
    """The firewall as it is to be."""

    ports: dict[str, PortSpec] = field(default_factory=dict)
    groups: dict[str, SecurityGroupSpec] = field(default_factory=dict)
    zones: dict[str, int] = field(default_factory=dict)          # bridge -> conntrack zone

    def members(self, group_id: str) -> list[PortSpec]:
        return [port for port in self.ports.values() if group_id in port.security_groups]

    def remotes(self, group_id: str) -> set[str]:
        """Groups that this group's rules name as their remote."""
        spec = self.groups.get(group_id)
        return {rule.remote_group for rule in spec.rules if rule.remote_group} if spec else set()

    def referring(self, group_id: str) -> list[str]:
        """Groups whose rules name this one."""
        return [other for other in self.groups if group_id in self.remotes(other)]

    def stateful(self, port: PortSpec) -> bool:
        """Neutron lets a port have groups of one sort only; one stateless group makes the port so."""
        return all(self.groups[group].stateful for group in port.security_groups if group in self.groups)


class Firewall:
    """Not for several threads at once: the driver holds a lock around each change."""

    def __init__(self, names: Names, namespace: str):
        self.names = names
        self.bridge_table = f"bridge {names.table}"
        self.inet_table = f"inet {names.table}_ct"
        self.ruleset = Ruleset(namespace, (self.inet_table, self.bridge_table))
        self.wanted = Wanted()

    def set_ports(self, ports: Iterable[PortSpec], removed: Iterable[str] = ()) -> bool:
        """Set or remove ports (blocking)."""
        touched: set[str] = set()
        groups: set[str] = set()
        before = dict(self.wanted.ports)
        for port in ports:
            touched.add(port.id)
            self.wanted.ports[port.id] = port
        for port_id in removed:
            touched.add(port_id)
            self.wanted.ports.pop(port_id, None)
        for port_id in touched:
            for port in (before.get(port_id), self.wanted.ports.get(port_id)):
                groups |= set(port.security_groups) if port else set()
        try:
            return self.ruleset.apply(self.objects(touched, groups))
        except BaseException:
            self.wanted.ports = before
            raise

    def set_group(self, group_id: str, spec: SecurityGroupSpec | None) -> bool:
        before = self.wanted.groups.get(group_id)
        touched = {group_id, *self.wanted.remotes(group_id)}
        self.store_group(group_id, spec)
        touched |= self.wanted.remotes(group_id)
        stateful_changed = (before is None or before.stateful) != (spec is None or spec.stateful)
        ports = {port.id for port in self.wanted.members(group_id)} if stateful_changed else set()
        try:
            return self.ruleset.apply(self.objects(ports, touched))
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
        return self.ruleset.apply(self.frame() | self.objects(set(), set()))

    def restore(self, wanted: Wanted) -> list[str]:
        """Replace everything at once. What the kernel refuses is closed instead and told: one bad rule must not keep a
        machine's guests unfiltered."""
        try:
            self.replace_all(wanted)
            return []
        except (NetworkDriverError, ValueError):
            refused = self.refusals(wanted)
            if not refused:
                raise
        for kind, subject_id in refused:
            if kind == "security group":
                wanted.groups[subject_id] = replace(wanted.groups[subject_id], rules=())
            else:
                wanted.ports[subject_id] = replace(wanted.ports[subject_id], admin_state_up=False, addresses=(), allowed_pairs=())
        self.replace_all(wanted)
        return [f"{kind} {subject_id}: {reason}" for (kind, subject_id), reason in refused.items()]

    def replace_all(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.ruleset.known = False
        self.ruleset.replace(self.everything(wanted))

    def everything(self, wanted: Wanted) -> dict[Key, Object]:
        groups = set(wanted.groups).union(*(port.security_groups for port in wanted.ports.values()))
        groups = groups.union(*(wanted.remotes(group) for group in wanted.groups))
        objects = self.frame() | self.objects(set(wanted.ports), groups)
        return {key: item for key, item in objects.items() if item is not None}

    def refusals(self, wanted: Wanted) -> dict[tuple[str, str], str]:
        """Which groups and ports the kernel would not take, each asked for by itself."""
        found = {}
        alone = [(("security group", group.id), Wanted({}, {group.id: group}, {})) for group in wanted.groups.values()]
        alone += [(("port", port.id), Wanted({port.id: port}, {}, {})) for port in wanted.ports.values()]
        for key, one in alone:
            probe = Firewall(self.names, self.ruleset.namespace)
            probe.wanted = one
            try:
                run(self.ruleset.namespace, as_text(self.ruleset.tables, probe.everything(one)), dry=True)
            except (NetworkDriverError, ValueError) as exc:
                found[key] = str(exc)
        return found

    def frame(self) -> dict[Key, Object | None]:
        zones = self.wanted.zones
        return {
            (self.inet_table, "bridges"): rules.bridge_set(zones),
            (self.inet_table, "raw"): rules.zone_chain(zones),
            (self.inet_table, "ctmark"): rules.MARKS,
            (self.inet_table, "input"): rules.NO_INPUT,
            (self.inet_table, "forward"): rules.NO_ROUTING,
            (self.bridge_table, "forward"): rules.FORWARD,
        }

    def objects(self, ports: set[str], groups: set[str]) -> dict[Key, Object | None]:
        """What these ports and groups come to now, with None for what is not wanted any more."""
        table: dict[str, Object | None] = {}
        for group in groups:
            table |= self.group_objects(group)
        for port_id in ports:
            table |= self.port_objects(port_id)
        table |= self.tap_maps()
        return {(self.bridge_table, name): item for name, item in table.items()}

    def port_objects(self, port_id: str) -> dict[str, Object | None]:
        gone: dict[str, Object | None] = {rules.out_chain(port_id): None, rules.in_chain(port_id): None}
        port = self.wanted.ports.get(port_id)
        return gone | (rules.port_chains(port, self.wanted.stateful(port)) if port else {})

    def group_objects(self, group: str) -> dict[str, Object | None]:
        members = self.wanted.members(group)
        referred = bool(self.wanted.referring(group))
        chains = rules.group_chains(group, self.wanted.groups.get(group))
        present = group in self.wanted.groups or bool(members)
        sets = {rules.member_set(group, version): rules.member_addresses(members, version) if referred else None
                for version in (4, 6)}
        return {**sets, **(chains if present else dict.fromkeys(chains))}

    def tap_maps(self) -> dict[str, Object | None]:
        """tap -> its chains: a constant cost per packet, however many ports there are."""
        filtered = [port for port in self.wanted.ports.values() if port.port_security or not port.admin_state_up]
        return {
            "out": Elements("ifname : verdict", {rules.quoted(p.tap): f"jump {rules.out_chain(p.id)}" for p in filtered}),
            "in": Elements("ifname : verdict", {rules.quoted(p.tap): f"jump {rules.in_chain(p.id)}" for p in filtered}),
        }
