"""A network's bridge, and guests' taps on it. All functions block: for worker threads."""

import os
from contextlib import suppress
from dataclasses import replace

from cloudd.core.kernel.netlink import IPRoute
from cloudd.drivers.network.base import NetworkConfig, NetworkDriverError, NetworkSpec, PortCounters, PortSpec, TapMissing
from cloudd.drivers.network.linux import guard, links, netns
from cloudd.drivers.network.linux.names import PREFIX, Names


def prepare(namespace: str) -> None:
    """The dataplane's namespace, in which bridged packets are shown to the inet hooks: policy depends on it."""
    netns.create(namespace) if namespace else None
    with netns.inside(namespace):
        if netns.peek("bridge/bridge-nf-call-iptables") is None:
            load_bridge_netfilter()
        netns.sysctl("bridge/bridge-nf-call-iptables", 1)
        netns.sysctl("bridge/bridge-nf-call-ip6tables", 1)


def load_bridge_netfilter() -> None:
    with suppress(NetworkDriverError, FileNotFoundError):
        netns.command(["modprobe", "-a", "br_netfilter", "nf_conntrack"])
    if netns.peek("bridge/bridge-nf-call-iptables") is None:
        raise NetworkDriverError("this kernel has no bridge netfilter, so guests could not be filtered: "
                                 "`modprobe br_netfilter`, or a kernel with CONFIG_BRIDGE_NETFILTER")


def retire(namespace: str) -> None:
    """Remove the dataplane's namespace, unless another cloud lives in it."""
    if not netns.exists(namespace):
        return
    with netns.route(namespace) as ip:
        inhabited = any(link.alias.startswith(f"{PREFIX}:") for link in links.read_all(ip).values())
    if namespace and not inhabited:
        netns.remove(namespace)


def ensure(names: Names, namespace: str, spec: NetworkSpec) -> bool:
    """The network's bridge; True when it was made now."""
    bridge = names.bridge(spec.id)
    with netns.route(namespace) as ip:
        created = links.ensure_bridge(ip, bridge, spec.mtu, names.alias("network", spec.id))
        link = links.need(ip, bridge)
        if link.up != spec.admin_state_up:
            ip.link("set", index=link.index, state="up" if spec.admin_state_up else "down")
    with netns.inside(namespace):
        quiet(bridge)
    return created


def quiet(name: str) -> None:
    """The host must not be a neighbour in its tenants' networks: no IPv6, and no answer to ARP for its addresses."""
    netns.sysctl(f"ipv6/conf/{name}/disable_ipv6", 1)
    netns.sysctl(f"ipv4/conf/{name}/arp_ignore", 8)


def remove(names: Names, namespace: str, network_id: str) -> None:
    with netns.route(namespace) as ip:
        links.remove(ip, names.bridge(network_id))


def join(ip: IPRoute, link: links.Link, bridge: str, alias: str, mtu: int | None = None) -> None:
    """Put a link on a bridge, guarded, and set it up."""
    guard.put(ip, link.index)
    links.adjust(ip, link, mtu=mtu, master=links.need(ip, bridge).index, alias=alias, up=True)


# Taps

def plug(config: NetworkConfig, names: Names, port: PortSpec, mtu: int) -> int:
    """Fetch the tap from where the hypervisor made it, if it is still there, and put it on its bridge; the tap's number."""
    with netns.route(config.namespace) as ip:
        if links.read(ip, port.tap) is None:
            fetch(config, port)
        link = links.need(ip, port.tap)
        owner = names.alias_owner(link.alias)
        if owner and owner != ("port", port.id):
            raise NetworkDriverError(f"tap {port.tap} of port {port.id} belongs to {owner[0]} {owner[1]}")
        if links.read(ip, names.bridge(port.network_id)) is None:
            raise NetworkDriverError(f"port {port.id}: its network {port.network_id} is not in the dataplane")
        with netns.inside(config.namespace):
            quiet(port.tap)
        guard.put(ip, link.index)
        links.adjust(ip, link, mtu=mtu, master=links.need(ip, names.bridge(port.network_id)).index,
                     alias=names.alias("port", port.id), up=port.admin_state_up)
    return link.index


def fetch(config: NetworkConfig, port: PortSpec) -> None:
    with netns.route(config.host_namespace) as ip:
        link = links.read(ip, port.tap)
        if link is None:
            raise TapMissing(f"port {port.id}: there is no tap {port.tap}; is its domain defined and started?")
        with open(netns.path(config.namespace), "rb") as there:
            if not same_namespace(there.fileno(), config.host_namespace):
                ip.link("set", index=link.index, net_ns_fd=there.fileno())


def same_namespace(fd: int, namespace: str) -> bool:
    return os.fstat(fd).st_ino == netns.identity(namespace)


def unplug(names: Names, namespace: str, port_id: str, tap: str | None) -> None:
    """Take the tap off the bridge, found by name or, where the port is not known any more, by its alias."""
    with netns.route(namespace) as ip:
        found = [links.read(ip, tap)] if tap else list(links.read_all(ip).values())
        for link in found:
            if link and names.alias_owner(link.alias) == ("port", port_id):
                with links.suppress_gone():          # its hypervisor may end it at any time
                    ip.link("set", index=link.index, state="down")
                    ip.link("set", index=link.index, master=0)
                    ip.link("set", index=link.index, ifalias="")


def plugged(names: Names, namespace: str) -> frozenset[str]:
    with netns.route(namespace) as ip:
        owners = [names.alias_owner(link.alias) for link in links.read_all(ip).values() if link.master]
    return frozenset(owner[1] for owner in owners if owner and owner[0] == "port")


def counters(namespace: str, taps: dict[str, str]) -> dict[str, PortCounters]:
    """Port id -> counters, for those whose tap is there."""
    with netns.route(namespace) as ip:
        found = {port_id: links.counters(ip, tap) for port_id, tap in taps.items()}
    return {port_id: value for port_id, value in found.items() if value is not None}


def with_drops(count: PortCounters, received: int, sent: int) -> PortCounters:
    return replace(count, rx_drops=count.rx_drops + received, tx_drops=count.tx_drops + sent)


def cabling(port: PortSpec) -> tuple[object, ...]:
    """What of a port's spec concerns its tap."""
    return port.tap, port.network_id, port.mtu, port.admin_state_up


def ours(names: Names, namespace: str, port: PortSpec) -> bool:
    """Whether the port's tap is in the dataplane under the port's name."""
    with netns.route(namespace) as ip:
        link = links.read(ip, port.tap)
    return link is not None and names.alias_owner(link.alias) == ("port", port.id)
