"""What of ours is in the kernel, told from names and aliases alone. Blocking: for worker threads."""

import uuid
from collections.abc import Iterable
from pathlib import Path

from cloudd.drivers.network.base import Inventory, NetworkConfig, NetworkDriverError
from cloudd.drivers.network.linux import dnsmasq, links, netns, nft_state
from cloudd.drivers.network.linux.filter import ports as firewall_ports
from cloudd.drivers.network.linux.names import Names


def take(config: NetworkConfig, names: Names, table: str) -> Inventory:
    owned = owners(config.namespace, names)
    objects = nft_state.read(config.namespace, [table]).get(table, {}) if netns.exists(config.namespace) else {}
    filtered = objects.get((table, "out"))
    return Inventory(
        networks=frozenset(owner for _, kind, owner in owned if kind == "network"),
        routers=frozenset(owner for kind, owner in namespaces(names) if kind == "router"),
        dhcp=frozenset(folder.name for folder in folders(config, "dhcp") if dnsmasq.running(folder)),
        ports=frozenset(owner for link, kind, owner in owned if kind == "port" and link.master),
        firewall_ports=frozenset(firewall_ports.taps(filtered.elements).values() if filtered else ()),
        security_groups=frozenset(unhexed(name[4:]) for _, name in objects if name.startswith("sgi_")),
    )


def owners(namespace: str, names: Names) -> list[tuple[links.Link, str, str]]:
    """(link, kind, owner's id) of our links in a namespace."""
    if not netns.exists(namespace):
        return []
    with netns.route(namespace) as ip:
        found = [(link, names.alias_owner(link.alias)) for link in links.read_all(ip).values()]
    return [(link, *owner) for link, owner in found if owner]


def namespaces(names: Names) -> list[tuple[str, str]]:
    """("dhcp" | "router", id) of our namespaces."""
    return [owner for name in netns.names() if (owner := names.namespace_owner(name)) and netns.exists(name)]


def folders(config: NetworkConfig, kind: str) -> list[Path]:
    """The dnsmasq folders of DHCP or router advertisement."""
    parent = Path(config.state_dir) / kind
    return sorted(parent.iterdir()) if parent.is_dir() else []


def unhexed(name: str) -> str:
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return name


def problems(namespace: str, tables: Iterable[str]) -> list[str]:
    """What is wrong with the frame that all networks stand in."""
    if not netns.exists(namespace):
        return [f"the dataplane's namespace {namespace} is gone"]
    found = settings(namespace)
    try:
        gone = [table for table in tables if table not in nft_state.names(namespace)]
        if gone:
            found.append(f"of nftables {' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone, so guests are cut off")
    except NetworkDriverError as exc:
        found.append(str(exc))
    return found


def settings(namespace: str) -> list[str]:
    """Settings of the kernel without which guests are not filtered rightly."""
    keys = ("bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables")
    with netns.inside(namespace):
        return [f"net.{key.replace('/', '.')} is {value}, so security groups lose connection state; set it to 1"
                for key in keys if (value := netns.peek(key)) != "1"]
