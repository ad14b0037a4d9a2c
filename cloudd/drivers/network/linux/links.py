"""Links, addresses and routes: bring what the kernel has to what is wanted, touching only what differs."""

import errno
import ipaddress
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cloudd.core.kernel.netlink import IPRoute, NetlinkError
from cloudd.drivers.network.base import NetworkDriverError, PortCounters
from cloudd.drivers.network.linux import netns

IFF_UP = 1
NODAD = 0x02
AF_INET, AF_INET6 = 2, 10
FAMILIES = {4: AF_INET, 6: AF_INET6}
MAIN_TABLE = 254
PROTO_STATIC = 4
GONE = (errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESRCH, errno.EADDRNOTAVAIL)


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    kind: str
    mtu: int
    mac: str
    master: int
    up: bool
    alias: str
    lower: int                                       # what it stands on (a VLAN's interface, a veth's peer), in this namespace


def parse(message: Any) -> Link:
    info = message.get("linkinfo")
    kind = info.get("kind") if info is not None else None
    return Link(index=message["index"], name=message.get("ifname"), kind=kind or "", mtu=message.get("mtu"),
                mac=message.get("address") or "", master=message.get("master") or 0,
                up=bool(message["flags"] & IFF_UP), alias=message.get("ifalias") or "",
                lower=(message.get("link") or 0) if message.get("link_netnsid") is None else 0)


def read_all(ip: IPRoute) -> dict[str, Link]:
    return {link.name: link for link in map(parse, ip.get_links())}


def read(ip: IPRoute, name: str) -> Link | None:
    try:
        return parse(ip.link("get", ifname=name)[0])
    except NetlinkError as exc:
        if exc.code in GONE:
            return None
        raise


def need(ip: IPRoute, name: str) -> Link:
    link = read(ip, name)
    if link is None:
        raise NetworkDriverError(f"interface {name} is not there")
    return link


def adjust(ip: IPRoute, link: Link, *, mtu: int | None = None, mac: str | None = None, master: int | None = None,
           alias: str | None = None, up: bool = True) -> None:
    """Set what differs. Addresses and bridge come before the link goes up, so that nothing leaks from it."""
    wanted: dict[str, Any] = {}
    if mtu is not None and link.mtu != mtu:
        wanted["mtu"] = mtu
    if mac is not None and link.mac != mac.lower():
        wanted["address"] = mac.lower()
    if master is not None and link.master != master:
        wanted["master"] = master
    if alias is not None and link.alias != alias:
        wanted["ifalias"] = alias
    if wanted:
        ip.link("set", index=link.index, **wanted)
    if link.up != up:
        ip.link("set", index=link.index, state="up" if up else "down")


def remove(ip: IPRoute, name: str) -> bool:
    link = read(ip, name)
    if link is None:
        return False
    with suppress_gone():
        ip.link("del", index=link.index)
    return True


class suppress_gone(suppress):                       # noqa: N801 - reads as the statement that it is
    """Forget the error that says the thing is not there any more."""

    def __init__(self) -> None:
        super().__init__(NetlinkError)

    def __exit__(self, kind: Any, exc: Any, trace: Any) -> bool:
        return isinstance(exc, NetlinkError) and exc.code in GONE


def ensure_bridge(ip: IPRoute, name: str, mtu: int, alias: str) -> bool:
    """A bridge that neither snoops multicast (it lost router advertisements) nor speaks IPv6; True when it was made."""
    link = read(ip, name)
    created = link is None
    if link is None:
        ip.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0, br_forward_delay=0)
        link = need(ip, name)
    if link.kind != "bridge":
        raise NetworkDriverError(f"interface {name} is a {link.kind or 'plain interface'}, not a bridge of ours")
    adjust(ip, link, mtu=mtu, alias=alias)
    return created


def ensure_veth(outer: IPRoute, outer_name: str, inner: IPRoute, inner_namespace: str, inner_name: str, mtu: int) -> bool:
    """A pair with one end in each namespace. Half a pair (the other end went with its namespace) is made anew."""
    ends = read(outer, outer_name), read(inner, inner_name)
    if all(ends):
        return False
    if ends[0]:
        outer.link("del", index=ends[0].index)
    if ends[1]:
        with suppress_gone():
            inner.link("del", index=ends[1].index)
    with open(netns.path(inner_namespace), "rb") as there:
        outer.link("add", ifname=outer_name, kind="veth", mtu=mtu,
                   peer={"ifname": inner_name, "net_ns_fd": there.fileno(), "mtu": mtu})
    return True


def ensure_addresses(ip: IPRoute, index: int, wanted: Iterable[str]) -> tuple[str, ...]:
    """Make an interface's addresses (with prefix) exactly these, link-local ones of the kernel aside; tell the new ones."""
    wanted_set = {str(ipaddress.ip_interface(address)) for address in wanted}
    present = set(addresses_of(ip, index))
    for address in sorted(present - wanted_set):
        with suppress_gone():
            ip.addr("del", index=index, address=address.split("/")[0], prefixlen=int(address.split("/")[1]))
    added = tuple(sorted(wanted_set - present))
    for address in added:
        add_address(ip, index, address)
    return added


def addresses_of(ip: IPRoute, index: int) -> list[str]:
    """Without the IPv6 link-local address that the kernel makes by itself."""
    found = []
    for message in ip.get_addr(index=index):
        if message["index"] != index:                # kernels before 4.20 do not filter
            continue
        address = ipaddress.ip_interface(f"{message.get('local') or message.get('address')}/{message['prefixlen']}")
        if not kernel_made(address):
            found.append(str(address))
    return found


def kernel_made(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> bool:
    return address.version == 6 and address.ip.is_link_local and address.ip.packed[11:13] == b"\xff\xfe"


def add_address(ip: IPRoute, index: int, address: str) -> None:
    """Without duplicate address detection: the addresses are ours, and a tentative one cannot be bound for a second."""
    interface = ipaddress.ip_interface(address)
    extra = {"flags": NODAD} if interface.version == 6 else {}
    try:
        ip.addr("add", index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen, **extra)
    except NetlinkError as exc:
        if exc.code != errno.EEXIST:
            raise


def ensure_routes(ip: IPRoute, wanted: dict[str, tuple[str, int | None]]) -> None:
    """Make the static routes of a namespace exactly these: destination -> (next hop, interface index or any)."""
    normal = {str(ipaddress.ip_network(destination)): hop for destination, hop in wanted.items()}
    present = static_routes(ip)
    for destination, (gateway, oif) in present.items():
        if normal.get(destination, ("", None))[0] != gateway:
            with suppress_gone():
                ip.route("del", **route_arguments(destination, gateway, oif))
    for destination, (gateway, oif) in normal.items():
        if present.get(destination, ("", None))[0] != gateway:
            ip.route("replace", **route_arguments(destination, gateway, oif))


def static_routes(ip: IPRoute) -> dict[str, tuple[str, int | None]]:
    found: dict[str, tuple[str, int | None]] = {}
    for version, family in FAMILIES.items():
        for message in ip.get_routes(family=family, table=MAIN_TABLE):
            gateway = message.get("gateway")
            if gateway is None or message["proto"] != PROTO_STATIC:
                continue
            destination = message.get("dst") or ("0.0.0.0" if version == 4 else "::")
            found[f"{destination}/{message['dst_len']}"] = (gateway, message.get("oif"))
    return found


def route_arguments(destination: str, gateway: str, oif: int | None) -> dict[str, Any]:
    family = FAMILIES[ipaddress.ip_network(destination).version]
    arguments: dict[str, Any] = {"dst": destination, "gateway": gateway, "family": family, "proto": PROTO_STATIC}
    if oif is not None:
        arguments["oif"] = oif
    return arguments


def counters(ip: IPRoute, name: str) -> PortCounters | None:
    """What the tap sends is what its guest receives."""
    try:
        stats = ip.link("get", ifname=name)[0].get("stats64")
    except NetlinkError as exc:
        if exc.code in GONE:
            return None
        raise
    return PortCounters(
        rx_bytes=stats["tx_bytes"], rx_packets=stats["tx_packets"], rx_drops=stats["tx_dropped"], rx_errors=stats["tx_errors"],
        tx_bytes=stats["rx_bytes"], tx_packets=stats["rx_packets"], tx_drops=stats["rx_dropped"], tx_errors=stats["rx_errors"])
