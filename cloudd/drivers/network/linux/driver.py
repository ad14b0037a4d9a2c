"""The linux network driver: takes wanted state, keeps it in memory, and has each subject's file bring the kernel to it.

Locks: one per network and per router, taken in this order, and one for the firewall, taken last.
"""

import asyncio
import builtins
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from cloudd.core import log
from cloudd.drivers.network import base, checked
from cloudd.drivers.network.base import (
    DataplaneSpec,
    Difference,
    NetworkDriver,
    NetworkDriverError,
    NetworkSpec,
    PortSpec,
    RouterSpec,
    Subject,
)
from cloudd.drivers.network.linux import (
    bridges,
    dhcp,
    dnsmasq,
    external,
    inventory,
    metadata_sockets,
    nat,
    netns,
    nft,
    restore,
    routers,
)
from cloudd.drivers.network.linux.drift import compare
from cloudd.drivers.network.linux.drift.feed import Feed
from cloudd.drivers.network.linux.filter import conntrack, firewall, rights
from cloudd.drivers.network.linux.filter.conntrack import Flows
from cloudd.drivers.network.linux.filter.firewall import Firewall
from cloudd.drivers.network.linux.metadata_sockets import MetadataSockets, served
from cloudd.drivers.network.linux.names import Names, short_cloud
from cloudd.drivers.network.linux.nft_state import Ruleset
from cloudd.drivers.network.linux.outside import egress, lan, uplinks
from cloudd.drivers.network.linux.supervisor import Supervisor
from cloudd.drivers.network.linux.zones import Zones

LOG = log.get("cloudd.network")
MAX_MTU = 65521                                      # what a tap takes


class LinuxNetworkDriver(NetworkDriver):
    def __init__(self, config: base.NetworkConfig):
        self.config = config
        self.names = Names(short_cloud(config.cloud_id))
        self.workers = netns.Workers()
        self.supervisor = Supervisor(config, self.workers)
        self.zones = Zones(Path(config.state_dir) / "zones.json")
        self.firewall = Firewall(self.names, config.namespace, config.connections_per_port)
        self.firewall_lock = asyncio.Lock()
        self.flows_lock = asyncio.Lock()             # taken right after the other one was let go: reviews come in the changes' order
        self.cut_zones: set[int] = set()             # where flows are marked as cut
        self.host_rules = external.HostRules(config, self.names)
        self.networks: dict[str, NetworkSpec] = {}
        self.whole: dict[str, NetworkSpec] = {}                # of the networks, those of which nothing failed
        self.routers: dict[str, RouterSpec] = {}
        self.router_rules: dict[str, Ruleset] = {}
        self.dhcp_rules: dict[str, Ruleset] = {}
        self.cabled: dict[str, int] = {}                       # port -> the number of its tap, since it was plugged
        self.locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.feed = Feed(self)
        self.metadata: MetadataSockets | None = None
        self.vlan = self.ipv6 = False                # found out at open

    def lock(self, key: str) -> asyncio.Lock:
        return self.locks.setdefault(key, asyncio.Lock())

    # Opening and closing

    async def open(self, on_metadata_socket: base.OnMetadataSocket, on_metadata_gone: base.OnMetadataGone) -> None:
        self.metadata = MetadataSockets(self.workers, on_metadata_socket, on_metadata_gone)
        await self.workers.run(self.prepare)

    def prepare(self) -> None:
        if os.geteuid():
            raise NetworkDriverError("the linux network driver needs root")
        for tool in (self.config.dnsmasq, "ip", *(() if nft.library() else ("nft",))):
            if shutil.which(tool) is None:
                raise NetworkDriverError(f"`{tool}` is not installed (Debian: dnsmasq-base, iproute2, nftables)")
        for _, interface in self.config.uplinks if self.config.outbound else ():
            if why := uplinks.refusal(self.config.host_namespace, interface):
                raise NetworkDriverError(why)
        state = Path(self.config.state_dir)
        state.mkdir(parents=True, exist_ok=True)
        self.supervisor.user = self.config.dnsmasq_user
        if not dnsmasq.reachable_by_others(state):
            LOG.warning("dnsmasq runs as root, since others may not enter the state directory", directory=str(state))
            self.supervisor.user = "root"
        self.zones.load()
        bridges.prepare(self.config.namespace)
        if self.firewall.limit and not firewall.can_count(self.config.namespace):
            LOG.warning("this kernel cannot count connections (nft_connlimit), so guests' ports have no limit of them")
            self.firewall.limit = 0
        self.vlan = external.vlan_works(self.config.namespace)
        self.ipv6 = Path("/proc/sys/net/ipv6").exists()

    async def close(self) -> None:
        self.feed.close()
        self.supervisor.close()
        if self.metadata:
            await self.metadata.close_all()
        await asyncio.to_thread(self.workers.close)

    async def health(self) -> base.Health:
        problems = [*await self.workers.run(inventory.problems, self.config.namespace, self.firewall.ruleset.tables),
                    *self.supervisor.problems()]
        return base.Health(not problems, tuple(problems))

    async def caps(self) -> base.NetworkCaps:
        uplinks = tuple(name for name, _ in self.config.uplinks) if self.config.outbound else ()
        return base.NetworkCaps(max_mtu=MAX_MTU, ipv6=self.ipv6, vlan=self.vlan, qos=False,
                                external_nat=True, external_bridged=uplinks, outbound=self.config.outbound)

    async def touched(self) -> frozenset[Subject] | None:
        return await self.feed.next()

    async def compare(self, subjects: Iterable[Subject] | None = None) -> tuple[Difference, ...]:
        return await compare.compare(self, subjects)

    async def mend(self, subject: Subject) -> None:
        await compare.mend(self, subject)

    async def restore(self, wanted: DataplaneSpec) -> base.RestoreReport:
        report = await restore.restore(self, wanted)
        await self.feed.open()                                # what changes from now on is news
        return report

    async def purge(self) -> None:
        await super().purge()
        for rules in (self.host_rules.ruleset, self.firewall.ruleset):
            await self.workers.run(rules.remove)
        await self.workers.run(bridges.retire, self.config.namespace)

    async def list(self) -> base.Inventory:
        return await self.workers.run(inventory.take, self.config, self.names, self.firewall.bridge_table)

    # Networks

    async def apply_network(self, given: NetworkSpec) -> None:
        spec = checked.network_spec(given)
        async with self.lock(f"network {spec.id}"):
            before = self.networks.get(spec.id)
            self.whole.pop(spec.id, None)
            await self.guard_metadata([spec.id], ())
            changed = await self.make_network(spec)
            async with self.firewall_lock:
                await self.workers.run(self.firewall.set_zones, self.bridge_zones())
                if base.NetworkKind.NAT in (spec.kind, before.kind if before else None):
                    await self.workers.run(self.host_rules.apply, list(self.networks.values()))
            remade = changed or before is None or before.mtu != spec.mtu
            await self.follow_network(spec, remade, remade or before.subnets != spec.subnets)
            self.whole[spec.id] = given

    def holds(self, spec: NetworkSpec) -> bool:
        return self.whole.get(spec.id) == spec

    async def make_network(self, spec: NetworkSpec) -> bool:
        """Everything of a network but the firewall; True when its bridge was made now."""
        before = self.networks.get(spec.id)
        self.zones.claim(spec)
        created = await self.workers.run(bridges.ensure, self.names, self.config.namespace, spec)
        if before and (before.kind, before.physical_network, before.vlan) != (spec.kind, spec.physical_network, spec.vlan):
            await self.workers.run(external.remove, self.config, self.names, spec.id)
        await self.workers.run(external.ensure, self.config, self.names, spec)
        self.networks[spec.id] = spec
        await self.serve_dhcp(spec)
        return created

    async def serve_dhcp(self, spec: NetworkSpec) -> None:
        if spec.dhcp_port is None:
            await self.drop_dhcp(spec.id)
            return
        fresh, interface = await self.workers.run(dhcp.ensure_port, self.config, self.names, spec)
        await self.hear_guests_only(spec, fresh)
        forwarders = await self.workers.run(dhcp.forwarders, self.config)
        await self.supervisor.set(dhcp.instance(self.config, self.names, spec, forwarders, interface))
        await self.metadata.set(f"network/{spec.id}", metadata_sockets.places_of_network(self.names, spec))

    async def hear_guests_only(self, spec: NetworkSpec, fresh: bool) -> None:
        objects = lan.objects(spec)
        if objects or spec.id in self.dhcp_rules:
            rules = self.dhcp_rules.setdefault(spec.id, Ruleset(self.names.dhcp_namespace(spec.id), (lan.TABLE,)))
            rules.known = rules.known and not fresh
            await self.workers.run(rules.replace, objects)

    async def drop_dhcp(self, network_id: str) -> None:
        await self.metadata.set(f"network/{network_id}", ())
        await self.supervisor.drop(Path(self.config.state_dir) / "dhcp" / network_id)
        await self.workers.run(dhcp.remove_port, self.config, self.names, network_id)
        self.dhcp_rules.pop(network_id, None)

    async def follow_network(self, spec: NetworkSpec, remade: bool, readdressed: bool) -> None:
        """Bring what depends on a network along: its routers, and taps of a bridge that was made anew."""
        for router in list(self.routers.values()):
            if any(i.network_id == spec.id for i in (*router.interfaces, *filter(None, [router.gateway]))):
                if readdressed:
                    await self.apply_router(router)
                else:
                    await self.advertise(router)
        if remade:
            for port in [port for port in self.firewall.wanted.ports.values() if port.network_id == spec.id]:
                await self.replug(port)

    async def remove_network(self, network_id: str) -> None:
        async with self.lock(f"network {network_id}"):
            self.whole.pop(network_id, None)
            await self.drop_dhcp(network_id)
            await self.workers.run(external.remove, self.config, self.names, network_id)
            await self.workers.run(bridges.remove, self.names, self.config.namespace, network_id)
            self.networks.pop(network_id, None)
            self.zones.release(network_id)
            await self.leave_metadata([network_id], ())
            async with self.firewall_lock:
                await self.workers.run(self.firewall.set_zones, self.bridge_zones())
                await self.workers.run(self.host_rules.apply, list(self.networks.values()))

    def bridge_zones(self) -> dict[str, int]:
        return {self.names.bridge(network): self.zones.numbers[network] for network in self.networks}

    # Routers

    async def apply_router(self, given: RouterSpec) -> None:
        spec = checked.router(given)
        async with self.lock(f"router {spec.id}"):
            before, self.routers[spec.id] = self.routers.get(spec.id), spec
            await self.guard_metadata((), [spec])
            created = await self.workers.run(routers.ensure, self.config, self.names, spec, dict(self.networks))
            await self.translate(spec, created)
            await self.leave_metadata((), [before] if before else [])
            await self.advertise(spec)
            places = metadata_sockets.places_of_router(self.names, spec, self.networks)
            await self.metadata.set(f"router/{spec.id}", places)

    async def translate(self, spec: RouterSpec, fresh: bool) -> None:
        namespace = self.names.router_namespace(spec.id)
        rules = self.router_rules.setdefault(spec.id, Ruleset(namespace, (nat.TABLE, egress.TABLE)))
        rules.known = rules.known and not fresh
        before = nat.floating(rules.objects)
        external = self.networks.get(spec.gateway.network_id) if spec.gateway else None
        await self.workers.run(rules.replace, nat.objects(spec) | egress.objects(spec, external, self.config.routed))
        gone = {Flows(address) for pair in before - nat.floating(rules.objects) for address in pair}
        await self.workers.run(conntrack.cut, namespace, gone)

    async def advertise(self, spec: RouterSpec) -> None:
        instance = routers.instance(self.config, self.names, spec, self.networks)
        if instance:
            await self.supervisor.set(instance)
        else:
            await self.supervisor.drop(Path(self.config.state_dir) / "ra" / spec.id)

    async def remove_router(self, router_id: str) -> None:
        async with self.lock(f"router {router_id}"):
            await self.metadata.set(f"router/{router_id}", ())
            await self.supervisor.drop(Path(self.config.state_dir) / "ra" / router_id)
            await self.workers.run(routers.remove, self.config, self.names, router_id)
            before = self.routers.pop(router_id, None)
            self.router_rules.pop(router_id, None)
            await self.leave_metadata((), [before] if before else [])

    # Metadata

    async def guard_metadata(self, networks: Iterable[str], routers: Iterable[RouterSpec]) -> None:
        """Let nothing come to where these are to answer, unless it is told whose question it is. Before they answer."""
        async with self.firewall_lock:
            await self.workers.run(self.firewall.set_served, served(networks, routers))

    async def leave_metadata(self, networks: Iterable[str], routers: Iterable[RouterSpec]) -> None:
        """These answer no more there, unless others do."""
        async with self.firewall_lock:
            gone = served(networks, routers) - served(self.networks, self.routers.values())
            await self.workers.run(self.firewall.set_served, (), gone)

    # Security groups and ports

    async def apply_security_group(self, spec: base.SecurityGroupSpec) -> None:
        await self.set_group(spec.id, checked.group(spec))

    async def remove_security_group(self, group_id: str) -> None:
        await self.set_group(group_id, None)

    async def set_group(self, group_id: str, spec: base.SecurityGroupSpec | None) -> None:
        async with self.firewall_lock:
            before = self.firewall.wanted.groups.get(group_id)
            if before == spec:
                return
            review = await self.workers.run(self.put_group, group_id, before, spec)
        await self.review_flows(*review)

    def put_group(self, group_id: str, before: base.SecurityGroupSpec | None,
                  spec: base.SecurityGroupSpec | None) -> tuple[rights.Review, rights.Rights]:
        self.firewall.set_group(group_id, spec)
        return rights.after_group(self.firewall.wanted, before, spec, self.zones.numbers), self.judge()

    def judge(self) -> rights.Rights:
        return rights.Rights(self.firewall.wanted.copy(), dict(self.zones.numbers))

    async def review_flows(self, review: rights.Review, judge: rights.Rights) -> None:
        """End the flows whose right a change ended. Not under the firewall's lock: a guest may have very many."""
        async with self.flows_lock:
            await self.workers.run(rights.carry_out, self.config.namespace, review, judge, self.cut_zones)

    async def mend_firewall(self) -> builtins.list[str]:
        """Bring back what somebody changed in the kernel, and end the flows that came about meanwhile; what differed."""
        async with self.firewall_lock:
            mended = await self.workers.run(self.firewall.mend)
            judge = self.judge()
        if mended:
            await self.review_flows(rights.of_everything(judge.wanted, judge.zones), judge)
        return mended

    async def apply_port(self, given: PortSpec) -> None:
        spec = checked.port(given)
        async with self.firewall_lock:
            before = self.firewall.wanted.ports.get(spec.id)
            if before == spec:
                return
            review = await self.workers.run(self.put_port, before, spec)
        await self.review_flows(*review)
        if before and bridges.cabling(before) != bridges.cabling(spec):
            if before.tap != spec.tap:
                await self.workers.run(bridges.unplug, self.names, self.config.namespace, spec.id, before.tap)
            await self.replug(spec)

    def put_port(self, before: PortSpec | None, spec: PortSpec | None) -> tuple[rights.Review, rights.Rights]:
        self.firewall.set_ports([spec] if spec else [], [before.id] if before and not spec else [])
        return rights.after_port(self.firewall.wanted, before, spec, self.zones.numbers), self.judge()

    async def remove_port(self, port_id: str) -> None:
        await self.unplug(port_id)
        async with self.firewall_lock:
            before = self.firewall.wanted.ports.get(port_id)
            if before is None:
                return
            review = await self.workers.run(self.put_port, before, None)
        await self.review_flows(*review)

    # Taps

    async def plug(self, port_id: str) -> None:
        port = self.firewall.wanted.ports.get(port_id)
        if port is None:
            raise NetworkDriverError(f"port {port_id} was not applied, so its tap would join unfiltered")
        network = self.networks.get(port.network_id)
        if network is None:
            raise NetworkDriverError(f"port {port_id}: its network {port.network_id} was not applied")
        self.cabled[port_id] = await self.workers.run(bridges.plug, self.config, self.names, port, port.mtu or network.mtu)

    async def replug(self, port: PortSpec) -> None:
        """Bring a tap that was plugged to the port's new state; one that was not stays where it is."""
        if port.network_id in self.networks and await self.workers.run(
                bridges.ours, self.names, self.config.namespace, port):
            await self.plug(port.id)

    async def unplug(self, port_id: str) -> None:
        self.cabled.pop(port_id, None)
        port = self.firewall.wanted.ports.get(port_id)
        await self.workers.run(bridges.unplug, self.names, self.config.namespace, port_id, port.tap if port else None)

    async def plugged(self) -> frozenset[str]:
        return await self.workers.run(bridges.plugged, self.names, self.config.namespace)

    async def counters(self, port_ids: Iterable[str]) -> dict[str, base.PortCounters]:
        ports = self.firewall.wanted.ports
        taps = {port_id: ports[port_id].tap for port_id in port_ids if port_id in ports}
        found = await self.workers.run(bridges.counters, self.config.namespace, taps)
        refused = await self.workers.run(self.firewall.refused) if found else {}
        return {port_id: bridges.with_drops(count, *refused.get(port_id, (0, 0))) for port_id, count in found.items()}

    async def beyond_limit(self) -> dict[str, tuple[int, int]]:
        return await self.workers.run(self.firewall.refused)

    async def refused(self) -> dict[str, int]:
        return await self.workers.run(self.count_refused, [spec.id for spec in self.routers.values() if spec.gateway])

    def count_refused(self, router_ids: Iterable[str]) -> dict[str, int]:
        found = {"": egress.refused(self.config.host_namespace, self.host_rules.table)} if self.host_rules.ruleset.objects else {}
        for router_id in router_ids:
            with suppress(NetworkDriverError, OSError):          # it may be on its way out
                found[router_id] = egress.refused(self.names.router_namespace(router_id))
        return found
