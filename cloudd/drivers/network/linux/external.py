"""External networks: the host as their gateway through a veth pair (NAT), or an uplink of the host on the bridge.

Only what the configuration names is ever touched on the host: its own veth ends, one nftables table, the named uplinks,
and forwarding where outbound traffic was asked for. Everything here blocks: for worker threads.
"""

import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cloudd.core.kernel.netlink import IPRoute, NetlinkError
from cloudd.drivers.network.base import NetworkConfig, NetworkKind, NetworkSpec, Unsupported
from cloudd.drivers.network.linux import bridges, dhcp, links, netns
from cloudd.drivers.network.linux.names import Names, dataplane_end, host_end, stable_mac, vlan_link
from cloudd.drivers.network.linux.nft import Chain, Elements, Key, Object
from cloudd.drivers.network.linux.nft_state import Ruleset
from cloudd.drivers.network.linux.outside import egress, uplinks

UNANSWERABLE = "jump unanswerable"                   # not only what would leave: answers of the host would, too


def ensure(config: NetworkConfig, names: Names, spec: NetworkSpec) -> None:
    """Join the network's bridge to the outside as its kind says."""
    if spec.kind == NetworkKind.NAT:
        ensure_host_end(config, names, spec)
    elif spec.kind == NetworkKind.BRIDGED:
        ensure_uplink(config, names, spec)


def remove(config: NetworkConfig, names: Names, network_id: str) -> None:
    """Drop our own ends, and give an interface of the host back to it."""
    with netns.route(config.namespace) as ip:
        links.remove(ip, dataplane_end(network_id))
        links.remove(ip, vlan_link(network_id))
    uplinks.release(config, names, network_id)


def ensure_host_end(config: NetworkConfig, names: Names, spec: NetworkSpec) -> None:
    """The host's end has the gateway's addresses, so floating addresses are reachable from the host at once."""
    outer, inner = dataplane_end(spec.id), host_end(spec.id)
    with netns.route(config.namespace) as ip, netns.route(config.host_namespace) as host:
        links.ensure_veth(ip, outer, host, config.host_namespace, inner, spec.mtu)
        with netns.inside(config.namespace):
            bridges.quiet(outer)
        bridges.join(ip, links.need(ip, outer), names.bridge(spec.id), names.alias("external", spec.id), spec.mtu)
        links.adjust(host, links.need(host, inner), mtu=spec.mtu, mac=stable_mac(names.cloud, spec.id, "host"),
                     alias=names.alias("host", spec.id))
        links.ensure_addresses(host, links.need(host, inner).index, gateway_addresses(spec))


def gateway_addresses(spec: NetworkSpec) -> list[str]:
    return [f"{s.gateway}/{ipaddress.ip_network(s.cidr).prefixlen}" for s in spec.subnets if s.gateway]


def ensure_uplink(config: NetworkConfig, names: Names, spec: NetworkSpec) -> None:
    if not config.outbound:
        raise Unsupported(f"network {spec.id} is bridged to the outside, but `outbound` is off")
    uplink = dict(config.uplinks).get(spec.physical_network or "")
    if uplink is None:
        raise Unsupported(f"physical network {spec.physical_network!r} has no interface in the configuration")
    with netns.route(config.host_namespace) as host:
        link = links.read(host, uplink)
    if link is not None and link.kind == "bridge":
        join_host_bridge(config, names, spec, uplink)
    else:
        join_interface(config, names, spec, uplink)


def join_host_bridge(config: NetworkConfig, names: Names, spec: NetworkSpec, uplink: str) -> None:
    """The host has a bridge of its own: a veth pair joins the two."""
    if spec.vlan is not None:
        raise Unsupported(f"network {spec.id}: VLAN {spec.vlan} on the bridge {uplink}; name the interface itself as uplink")
    outer, inner = dataplane_end(spec.id), host_end(spec.id)
    with netns.route(config.namespace) as ip, netns.route(config.host_namespace) as host:
        links.ensure_veth(ip, outer, host, config.host_namespace, inner, spec.mtu)
        with netns.inside(config.namespace):
            bridges.quiet(outer)
        with netns.inside(config.host_namespace):
            bridges.quiet(inner)
        bridges.join(ip, links.need(ip, outer), names.bridge(spec.id), names.alias("external", spec.id), spec.mtu)
        links.adjust(host, links.need(host, inner), mtu=spec.mtu, master=links.need(host, uplink).index,
                     alias=names.alias("host", spec.id))                  # the host's own bridge: its frames are its own business


def join_interface(config: NetworkConfig, names: Names, spec: NetworkSpec, uplink: str) -> None:
    """An interface that was named for this: it moves into the dataplane, or a VLAN of it joins the bridge."""
    alias = names.alias("uplink", spec.id) if spec.vlan is None else names.alias("trunk", uplink)
    uplinks.take(config, names, uplink, alias)
    with netns.route(config.namespace) as ip:
        if spec.vlan is None:
            bridges.join(ip, links.need(ip, uplink), names.bridge(spec.id), alias, spec.mtu)
            return
        parent = links.need(ip, uplink)
        links.adjust(ip, parent, up=True)
        if links.read(ip, vlan_link(spec.id)) is None:
            add_vlan(ip, parent, spec)
        bridges.join(ip, links.need(ip, vlan_link(spec.id)), names.bridge(spec.id), names.alias("vlan", spec.id), spec.mtu)


def add_vlan(ip: IPRoute, parent: links.Link, spec: NetworkSpec) -> None:
    try:
        ip.link("add", ifname=vlan_link(spec.id), kind="vlan", link=parent.index, vlan_id=spec.vlan)
    except NetlinkError as exc:
        raise Unsupported(f"network {spec.id}: this kernel cannot make VLAN {spec.vlan} on {parent.name}: {exc}") from exc


def vlan_works(namespace: str) -> bool:
    """Try it on the loopback, whose existence is certain."""
    with netns.route(namespace) as ip:
        try:
            ip.link("add", ifname="cldvlanprobe", kind="vlan", link=1, vlan_id=1)
        except NetlinkError:
            return False
        links.remove(ip, "cldvlanprobe")
    return True


# The host's own table

class HostRules:
    """Masquerading and protection of the host, as one table in the host's namespace."""

    def __init__(self, config: NetworkConfig, names: Names):
        self.config = config
        self.table = f"inet {names.table}_host"
        self.ruleset = Ruleset(config.host_namespace, (self.table,))

    def apply(self, specs: Iterable[NetworkSpec], fresh: bool = False) -> None:
        """Make the rules fit these networks; without any, and nothing known to be there, touch nothing."""
        nats = [spec for spec in specs if spec.kind == NetworkKind.NAT]
        if fresh:
            self.ruleset.known = False
        if nats or not self.ruleset.known or self.ruleset.objects:
            self.ruleset.replace(self.objects(nats))
        if self.config.outbound and nats:
            self.forwarding(any(s.ip_version == 6 for spec in nats for s in spec.subnets))

    def objects(self, nats: list[NetworkSpec]) -> dict[Key, Object]:
        ends = {f'"{host_end(spec.id)}"': None for spec in nats}
        kept = (f"iifname @ends oifname != @ends {UNANSWERABLE}",) if self.config.outbound else (
            "iifname @ends drop", "oifname @ends drop")
        ports = ", ".join(map(str, sorted(self.config.host_ports)))
        return {(self.table, name): item for name, item in {
            "ends": Elements("ifname", ends), **egress.answerable(nats, self.config.routed), egress.REFUSED: egress.DROP,
            "unanswerable": egress.answerable_only("ip6 saddr { ::, fe80::/10 } return"),
            "forward": Chain(kept, "type filter hook forward priority 0; policy accept;"),
            "input": Chain((f"iifname @ends {UNANSWERABLE}", "iifname @ends jump guests"),
                           "type filter hook input priority 0; policy accept;"),
            # Guests reach nothing of the host but answers, ping, and what the configuration opens.
            "guests": Chain(("ct state established,related accept", "meta l4proto { 1, 58 } accept",
                             *((f"tcp dport {{ {ports} }} accept",) if ports else ()), *self.resolvers(), "drop")),
            "postrouting": Chain(tuple(self.masquerade(nats)), "type nat hook postrouting priority 100; policy accept;"),
        }.items()}

    def resolvers(self) -> list[str]:
        """The networks' DNS servers pass questions on to these, one of which may be this host."""
        return [f"{'ip6' if ':' in server else 'ip'} daddr {server} meta l4proto {{ tcp, udp }} th dport 53 accept"
                for server in dhcp.forwarders(self.config)]

    def masquerade(self, nats: list[NetworkSpec]) -> Iterable[str]:
        if not self.config.outbound:
            return
        for subnet in (subnet for spec in nats for subnet in spec.subnets):
            family = "ip" if subnet.ip_version == 4 else "ip6"
            yield f"{family} saddr {subnet.cidr} oifname != @ends masquerade"

    def forwarding(self, ipv6: bool) -> None:
        with netns.inside(self.config.host_namespace):
            netns.sysctl("ipv4/ip_forward", 1)
            if ipv6:
                keep_advertised_routes()
                netns.sysctl("ipv6/conf/all/forwarding", 1)


def keep_advertised_routes() -> None:
    """A forwarding host ignores router advertisements unless told: the machine would lose its own default route."""
    for conf in Path("/proc/sys/net/ipv6/conf").iterdir():
        with suppress(OSError):
            if (conf / "accept_ra").read_text().strip() == "1" and conf.name not in ("all", "lo"):
                (conf / "accept_ra").write_text("2\n")
