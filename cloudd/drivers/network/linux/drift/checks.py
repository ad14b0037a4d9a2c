"""Where the kernel differs from what a network, router or port is to be. Nothing is changed here.

Everything blocks: for worker threads. Each check is told in words, for the log and for an operator.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from cloudd.core.kernel.netlink import IPRoute
from cloudd.drivers.network.base import NetworkConfig, NetworkKind, NetworkSpec, PortSpec, RouterSpec
from cloudd.drivers.network.linux import dhcp, dnsmasq, external, guard, links, netns, routers
from cloudd.drivers.network.linux.links import Link
from cloudd.drivers.network.linux.names import (
    Names,
    dataplane_end,
    dhcp_inner,
    dhcp_outer,
    gateway_inner,
    gateway_outer,
    host_end,
    router_inner,
    router_outer,
    stable_mac,
    vlan_link,
)


@dataclass(frozen=True)
class End:
    """An interface as it is to be; None: whatever it is."""

    namespace: str
    name: str
    mtu: int | None = None
    mac: str | None = None
    master: str | None = None
    alias: str | None = None
    up: bool = True
    addresses: tuple[str, ...] | None = None


class View(AbstractContextManager["View"]):
    """Netlink sockets of the namespaces that one comparison looks into, and their links where all of them were read."""

    def __init__(self, known: Mapping[str, Mapping[str, Link]] | None = None):
        self.known = known or {}
        self.sockets: dict[str, IPRoute] = {}
        self.stack = ExitStack()

    def __exit__(self, *failure: object) -> None:
        self.stack.close()

    def ip(self, namespace: str) -> IPRoute:
        if namespace not in self.sockets:
            self.sockets[namespace] = self.stack.enter_context(netns.route(namespace))
        return self.sockets[namespace]

    def link(self, namespace: str, name: str) -> Link | None:
        if namespace in self.known:
            return self.known[namespace].get(name)
        return links.read(self.ip(namespace), name)


def snapshot(namespaces: Iterable[str]) -> dict[str, dict[str, Link]]:
    """All links of some namespaces, for a comparison of everything."""
    found = {}
    for namespace in {name for name in namespaces if netns.exists(name)}:
        with netns.route(namespace) as ip:
            found[namespace] = links.read_all(ip)
    return found


def end(view: View, wanted: End) -> Iterator[str]:
    link = view.link(wanted.namespace, wanted.name)
    if link is None:
        yield f"{wanted.name} is gone"
        return
    if wanted.mtu is not None and link.mtu != wanted.mtu:
        yield f"{wanted.name} has an MTU of {link.mtu}, not {wanted.mtu}"
    if wanted.mac is not None and link.mac != wanted.mac.lower():
        yield f"{wanted.name} has the MAC address {link.mac}, not {wanted.mac.lower()}"
    if wanted.alias is not None and link.alias != wanted.alias:
        yield f"{wanted.name} is called {link.alias or 'nothing'}, not {wanted.alias}"
    if link.up != wanted.up:
        yield f"{wanted.name} is {'up' if link.up else 'down'}"
    if wanted.master is not None:
        yield from bridged(view, wanted, link)
    if wanted.addresses is not None:
        yield from addressed(view, wanted, link)


def bridged(view: View, wanted: End, link: Link) -> Iterator[str]:
    bridge = view.link(wanted.namespace, wanted.master)
    if bridge is None or link.master != bridge.index:
        yield f"{wanted.name} is off its bridge {wanted.master}"
    elif not guard.present(view.ip(wanted.namespace), link.index):
        yield f"{wanted.name} is not guarded"


def addressed(view: View, wanted: End, link: Link) -> Iterator[str]:
    present = set(links.addresses_of(view.ip(wanted.namespace), link.index))
    right = {str(ipaddress.ip_interface(address)) for address in wanted.addresses}
    for address in sorted(right - present):
        yield f"{wanted.name} lacks the address {address}"
    for address in sorted(present - right):
        yield f"{wanted.name} has the address {address}, which is not its own"


def routed(view: View, namespace: str, wanted: Mapping[str, tuple[str, int | None]]) -> Iterator[str]:
    right = {str(ipaddress.ip_network(to)): hop[0] for to, hop in wanted.items()}
    present = {to: hop[0] for to, hop in links.static_routes(view.ip(namespace)).items()}
    for to in sorted(right.keys() | present.keys()):
        if right.get(to) != present.get(to):
            yield f"the route to {to} is via {present.get(to, 'nothing')}, not {right.get(to, 'nothing')}"


# Networks

def network(config: NetworkConfig, names: Names, spec: NetworkSpec, view: View) -> Iterator[str]:
    bridge = names.bridge(spec.id)
    yield from end(view, End(config.namespace, bridge, spec.mtu, alias=names.alias("network", spec.id), up=spec.admin_state_up))
    if view.link(config.namespace, bridge) is not None:
        yield from neighbourly(config.namespace, bridge)
    for one in outside_ends(config, names, spec, view):
        yield from end(view, one)
    if spec.dhcp_port is not None:
        yield from served(config, names, spec, view)


def neighbourly(namespace: str, bridge: str) -> Iterator[str]:
    """The host must not be a neighbour in its tenants' networks: see bridges.quiet."""
    with netns.inside(namespace):
        if netns.peek(f"ipv6/conf/{bridge}/disable_ipv6") == "0" or netns.peek(f"ipv4/conf/{bridge}/arp_ignore") != "8":
            yield f"{bridge} speaks to the network's guests"


def outside_ends(config: NetworkConfig, names: Names, spec: NetworkSpec, view: View) -> Iterator[End]:
    """What joins a network to the outside, as external.ensure makes it."""
    bridge, plane = names.bridge(spec.id), config.namespace
    pair = End(plane, dataplane_end(spec.id), spec.mtu, master=bridge, alias=names.alias("external", spec.id))
    uplink = dict(config.uplinks).get(spec.physical_network or "", "")
    if spec.kind == NetworkKind.NAT:
        yield pair
        yield End(config.host_namespace, host_end(spec.id), spec.mtu, stable_mac(names.cloud, spec.id, "host"),
                  alias=names.alias("host", spec.id), addresses=tuple(external.gateway_addresses(spec)))
    elif spec.kind == NetworkKind.BRIDGED and (host := view.link(config.host_namespace, uplink)) and host.kind == "bridge":
        yield pair
    elif spec.kind == NetworkKind.BRIDGED and spec.vlan is None:
        yield End(plane, uplink, spec.mtu, master=bridge, alias=names.alias("uplink", spec.id))
    elif spec.kind == NetworkKind.BRIDGED:
        yield End(plane, vlan_link(spec.id), spec.mtu, master=bridge, alias=names.alias("vlan", spec.id))


def served(config: NetworkConfig, names: Names, spec: NetworkSpec, view: View) -> Iterator[str]:
    """DHCP: its namespace, its port on the bridge, and the process."""
    namespace = names.dhcp_namespace(spec.id)
    if not netns.exists(namespace):
        yield f"the namespace {namespace} is gone"
        return
    port = spec.dhcp_port
    yield from end(view, End(config.namespace, dhcp_outer(spec.id), spec.mtu, master=names.bridge(spec.id),
                             alias=names.alias("dhcp", spec.id)))
    yield from end(view, End(namespace, dhcp_inner(spec.id), spec.mtu, port.mac,
                             addresses=(*port.addresses, f"{dhcp.METADATA6}/64")))
    yield from end(view, End(namespace, "lo", addresses=LOOPBACK))
    yield from routed(view, namespace, dhcp.default_routes(spec))
    yield from running(Path(config.state_dir) / "dhcp" / spec.id, namespace)


LOOPBACK = ("127.0.0.1/8", "::1/128", f"{dhcp.METADATA4}/32")


def running(folder: Path, namespace: str) -> Iterator[str]:
    pid = dnsmasq.running(folder)
    if pid is None or not dnsmasq.lives_in(pid, namespace):
        yield f"dnsmasq does not run in {namespace}"


# Routers

def router(config: NetworkConfig, names: Names, spec: RouterSpec, networks: routers.Networks, view: View) -> Iterator[str]:
    namespace = names.router_namespace(spec.id)
    if not netns.exists(namespace):
        yield f"the namespace {namespace} is gone"
        return
    with netns.inside(namespace):
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            if netns.peek(key) == "0":
                yield f"net/{key} is off in {namespace}"
    yield from end(view, End(namespace, "lo", addresses=LOOPBACK))
    for one in router_ends(config, names, spec, networks, namespace):
        yield from end(view, one)
    yield from routed(view, namespace, routers.routes(spec, view.ip(namespace)))
    if routers.instance(config, names, spec, networks):
        yield from running(Path(config.state_dir) / "ra" / spec.id, namespace)


def router_ends(config: NetworkConfig, names: Names, spec: RouterSpec, networks: routers.Networks, namespace: str) -> Iterator[End]:
    """Both ends of each interface, as routers.ensure makes them."""
    pairs = [(port, router_outer(port.port_id), router_inner(port.port_id), port.addresses)
             for port in routers.present(spec.interfaces, networks)]
    if spec.gateway and spec.gateway.network_id in networks:
        port = spec.gateway
        pairs.append((port, gateway_outer(port.port_id), gateway_inner(port.port_id), routers.gateway_addresses(spec)))
    for port, outer, inner, addresses in pairs:
        network, alias = networks[port.network_id], names.alias("router", port.port_id)
        extra = routers.extra_addresses(port, spec, network)
        yield End(config.namespace, outer, network.mtu, master=names.bridge(network.id), alias=alias)
        yield End(namespace, inner, network.mtu, port.mac, alias=alias, up=spec.admin_state_up, addresses=(*addresses, *extra))


# Ports

def port(config: NetworkConfig, names: Names, spec: PortSpec, mtu: int, index: int, view: View) -> Iterator[str]:
    """The tap that was plugged, told by its number: another one of its name waits for who started its guest."""
    link = view.link(config.namespace, spec.tap)
    if link is not None and link.index == index:
        yield from end(view, End(config.namespace, spec.tap, mtu, master=names.bridge(spec.network_id),
                                 alias=names.alias("port", spec.id), up=spec.admin_state_up))
