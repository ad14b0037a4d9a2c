"""Interfaces of the host that the settings give to the dataplane.

One is taken only where nothing else uses it, and given back as it was: what it was is kept in a file until then. Its alias
says for what it is here: `uplink` for the network whose bridge it is on, `trunk` while it only carries VLANs.
Everything here blocks: for worker threads.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cloudd.core.kernel.netlink import IPRoute
from cloudd.drivers.network.base import NetworkConfig, NetworkDriverError
from cloudd.drivers.network.linux import guard, links, netns
from cloudd.drivers.network.linux.names import Names

STACKED = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")
KERNEL_MADE = (2, 9)                                 # protocols of routes that the kernel, or an advertisement, makes again


@dataclass(frozen=True)
class Was:
    """An interface as it was before it was taken."""

    up: bool
    mtu: int
    alias: str = ""
    master: str = ""
    addresses: tuple[str, ...] = ()
    routes: tuple[dict[str, Any], ...] = ()


# Whether it may be taken

def exists(namespace: str, name: str) -> bool:
    if not netns.exists(namespace):
        return False
    with netns.route(namespace) as ip:
        return links.read(ip, name) is not None


def refusal(namespace: str, name: str) -> str | None:
    """Why an interface may not be taken, if so: its addresses and routes would go with it. A bridge is only joined."""
    if not netns.exists(namespace):
        return None
    with netns.route(namespace) as ip:
        found = links.read_all(ip)
        link = found.get(name)
        if link is None or link.kind == "bridge":
            return None
        reasons = [f"{user.name} has {what}" for user in users(link, found.values()) for what in burdens(ip, user)]
    if not reasons:
        return None
    return (f"interface {name} cannot be given to the dataplane: {', '.join(reasons)}, which this host would lose; "
            f"name an interface that nothing else uses, or a bridge of the host with {name} as its port")


def users(link: links.Link, everything: Iterable[links.Link]) -> list[links.Link]:
    """The interface itself, what it is a part of, and what stands on it."""
    by_index = {one.index: one for one in everything}
    found, master = [link], by_index.get(link.master)
    while master is not None and master not in found:
        found.append(master)
        master = by_index.get(master.master)
    return [*found, *(one for one in by_index.values() if one.kind in STACKED and one.lower == link.index)]


def burdens(ip: IPRoute, link: links.Link) -> list[str]:
    """The addresses of an interface, and whether the default route leads through it."""
    said = [f"the address {address}" for address in links.addresses_of(ip, link.index) if not address.startswith("fe80:")]
    return said + [f"the default route of IPv{version}" for version, family in links.FAMILIES.items()
                   if any(message["dst_len"] == 0 and link.index in outgoing(message)
                          for message in ip.get_routes(family=family, table=links.MAIN_TABLE))]


def outgoing(message: Any) -> set[int]:
    return {message.get("oif"), *(hop["oif"] for hop in message.get("multipath") or ())}


# Taking

def take(config: NetworkConfig, names: Names, name: str, alias: str) -> None:
    """Bring the interface into the dataplane under this alias, unless it is there. Raises NetworkDriverError."""
    with netns.route(config.namespace) as ip:
        link = links.read(ip, name)
        if link is not None and (names.alias_owner(link.alias) or config.namespace != config.host_namespace):
            if not names.alias_owner(link.alias):
                ip.link("set", index=link.index, ifalias=alias)
            return
    if why := refusal(config.host_namespace, name):
        raise NetworkDriverError(why)
    with netns.route(config.host_namespace) as host:
        link = links.read(host, name)
        if link is None:
            raise NetworkDriverError(f"uplink {name} is not an interface of this host")
        note(config, records(config) | {name: state(host, link)})
        host.link("set", index=link.index, ifalias=alias)
        move(host, link.index, config.namespace, config.host_namespace)


def state(ip: IPRoute, link: links.Link) -> Was:
    master = next((one.name for one in links.read_all(ip).values() if link.master and one.index == link.master), "")
    return Was(link.up, link.mtu, link.alias, master, tuple(links.addresses_of(ip, link.index)), tuple(routes(ip, link)))


def routes(ip: IPRoute, link: links.Link) -> Iterable[dict[str, Any]]:
    for family in links.FAMILIES.values():
        for message in ip.get_routes(family=family, table=links.MAIN_TABLE):
            if message.get("oif") == link.index and message["proto"] not in KERNEL_MADE:
                known = {"gateway": message.get("gateway"), "priority": message.get("priority"), "prefsrc": message.get("prefsrc")}
                yield {"dst": f"{message.get('dst') or ('0.0.0.0' if family == links.AF_INET else '::')}/{message['dst_len']}",
                       "family": family, "proto": message["proto"], "scope": message["scope"],
                       **{key: value for key, value in known.items() if value is not None}}


def move(ip: IPRoute, index: int, namespace: str, now: str) -> None:
    if netns.identity(namespace) != netns.identity(now):
        with open(netns.path(namespace), "rb") as there:
            ip.link("set", index=index, net_ns_fd=there.fileno())


# Giving back

def release(config: NetworkConfig, names: Names, network_id: str = "") -> None:
    """Take this network off its uplink, and give back what no network uses any more."""
    if not netns.exists(config.namespace):
        return
    with netns.route(config.namespace) as ip:
        found = links.read_all(ip).values()
        carrying = {link.lower for link in found if link.kind == "vlan"}
        for link in found:
            kind, owner = names.alias_owner(link.alias) or ("", "")
            if (kind, owner) == ("uplink", network_id):
                ip.link("set", index=link.index, master=0)
                ip.link("set", index=link.index, ifalias=names.alias("trunk", link.name))
                kind = "trunk"
            if kind == "trunk" and link.index not in carrying:
                move(ip, link.index, config.host_namespace, config.namespace)
                restore(config, link.name)
    finish(config, names)


def finish(config: NetworkConfig, names: Names) -> None:
    """What was given back by half, or was about to be taken, when the daemon ended."""
    with netns.route(config.host_namespace) as host:
        there = links.read_all(host)
    for name in records(config):
        if name in there and not (names.alias_owner(there[name].alias) and config.namespace == config.host_namespace):
            restore(config, name)


def restore(config: NetworkConfig, name: str) -> None:
    """Make an interface that is at home again what it was."""
    known = records(config)
    was = known.get(name)
    with netns.route(config.host_namespace) as host:
        guard.take_away(host, links.need(host, name).index)
        link, there = links.need(host, name), links.read_all(host)
        if was is None:
            host.link("set", index=link.index, ifalias="")
            return
        master = there[was.master].index if was.master in there else 0
        links.adjust(host, link, mtu=was.mtu, master=master, alias=was.alias, up=was.up)
        for address in was.addresses:
            links.add_address(host, link.index, address)
        for route in was.routes:
            host.route("replace", oif=link.index, **route)
    note(config, {other: one for other, one in known.items() if other != name})


# What they were

def records(config: NetworkConfig) -> dict[str, Was]:
    file = Path(config.state_dir) / "uplinks.json"
    said = json.loads(file.read_text()) if file.exists() else {}
    return {name: Was(**{**was, "addresses": tuple(was["addresses"]), "routes": tuple(was["routes"])}) for name, was in said.items()}


def note(config: NetworkConfig, records: dict[str, Was]) -> None:
    file = Path(config.state_dir) / "uplinks.json"
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps({name: asdict(was) for name, was in records.items()}, sort_keys=True))
    fresh.replace(file)
