"""DHCP and DNS of one network: its namespace, its port on the bridge, and what dnsmasq is told."""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

from cloudd.drivers.network.base import DhcpHost, Ipv6Mode, NetworkConfig, NetworkDriverError, NetworkKind, NetworkSpec, SubnetSpec
from cloudd.drivers.network.linux import bridges, links, netns
from cloudd.drivers.network.linux.dnsmasq import Instance
from cloudd.drivers.network.linux.names import Names, dhcp_inner, dhcp_outer, hexid

# Names come from tenants and end in files of dnsmasq, where a line break or a comma would be an option of its own.
DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
OPTION = re.compile(r"[a-z0-9-]+")
METADATA4 = "169.254.169.254"
METADATA6 = "fe80::a9fe:a9fe"
RESOLVERS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


# The namespace

def ensure_port(config: NetworkConfig, names: Names, spec: NetworkSpec) -> tuple[bool, int]:
    """The DHCP namespace and its veth (blocking): whether its interface was made now, and its number."""
    port = spec.dhcp_port
    namespace, outer, inner = names.dhcp_namespace(spec.id), dhcp_outer(spec.id), dhcp_inner(spec.id)
    if netns.create(namespace):
        harden(namespace)
    with netns.route(config.namespace) as ip, netns.route(namespace) as here:
        created = links.ensure_veth(ip, outer, here, namespace, inner, spec.mtu)
        bridges.join(ip, links.need(ip, outer), names.bridge(spec.id), names.alias("dhcp", spec.id), spec.mtu)
        with netns.inside(config.namespace):
            bridges.quiet(outer)
        link = links.need(here, inner)
        links.adjust(here, link, mtu=spec.mtu, mac=port.mac)
        links.ensure_addresses(here, 1, ["127.0.0.1/8", "::1/128", f"{METADATA4}/32"])
        links.ensure_addresses(here, link.index, [*port.addresses, f"{METADATA6}/64"])
        links.ensure_routes(here, default_routes(spec))
    return created, link.index


def harden(namespace: str) -> None:
    """A namespace of servers: no forwarding, no router advertisements heard, no waiting for duplicate addresses."""
    with netns.inside(namespace):
        for scope in ("all", "default"):
            netns.sysctl(f"ipv6/conf/{scope}/accept_ra", 0)
            netns.sysctl(f"ipv6/conf/{scope}/accept_dad", 0)
            netns.sysctl(f"ipv4/conf/{scope}/rp_filter", 0)


def default_routes(spec: NetworkSpec) -> dict[str, tuple[str, int | None]]:
    """Through the subnets' gateways, for questions that dnsmasq passes on."""
    routes: dict[str, tuple[str, int | None]] = {}
    for subnet in spec.subnets:
        here = any(ipaddress.ip_interface(a).network == ipaddress.ip_network(subnet.cidr) for a in spec.dhcp_port.addresses)
        if subnet.gateway and here and ipaddress.ip_address(subnet.gateway) in ipaddress.ip_network(subnet.cidr):
            routes.setdefault("0.0.0.0/0" if subnet.ip_version == 4 else "::/0", (subnet.gateway, None))
    return routes


def remove_port(config: NetworkConfig, names: Names, network_id: str) -> None:
    netns.remove(names.dhcp_namespace(network_id))
    with netns.route(config.namespace) as ip:
        links.remove(ip, dhcp_outer(network_id))


# What dnsmasq is told

def instance(config: NetworkConfig, names: Names, spec: NetworkSpec, forwarders: tuple[str, ...], interface: int) -> Instance:
    """`interface` is the number of its port: the process holds on to the one that it began with."""
    served = [subnet for subnet in spec.subnets if subnet.dhcp]
    return Instance(
        folder=Path(config.state_dir) / "dhcp" / spec.id,
        namespace=names.dhcp_namespace(spec.id),
        config=(f"# interface {interface}", *config_lines(config, spec, served, forwarders)),
        hosts=tuple(line for host in spec.hosts for line in host_lines(host, spec, served)),
        options=tuple(option_lines(spec, served)),
        names=tuple(name_line(address, host, spec) for host in spec.hosts for address in host.addresses),
        leases=tuple(sorted({(address, host.mac.lower()) for host in spec.hosts for address in host.addresses})),
    )


def config_lines(config: NetworkConfig, spec: NetworkSpec, served: list[SubnetSpec], forwarders: tuple[str, ...]) -> list[str]:
    if spec.dns_domain and not DOMAIN.fullmatch(spec.dns_domain):
        raise NetworkDriverError(f"network {spec.id}: {spec.dns_domain!r} is no domain name")
    domain = [f"domain={spec.dns_domain}", f"local=/{spec.dns_domain}/"] if spec.dns_domain else []
    upstream = [f"server={server}" for server in forwarders]
    return [
        f"interface={dhcp_inner(spec.id)}", "no-resolv", *upstream, *domain,
        # Guests of ours are served with authority; all others, on a LAN another router's clients, meet silence, no refusal.
        "dhcp-ignore=tag:!known",
        f"dhcp-option-force=option:mtu,{spec.mtu}", f"dhcp-duid={duid(spec.id)}",
        *(range_line(subnet, config.dhcp_lease_seconds) for subnet in served if ranged(spec, subnet)),
    ]


def duid(subject_id: str) -> str:
    """The DHCPv6 server's identity must outlive its process, and leases are not kept in a file."""
    digits = hexid(subject_id).encode().hex()[:24]
    return "2," + ":".join(digits[i:i + 2] for i in range(0, len(digits), 2))


def ranged(spec: NetworkSpec, subnet: SubnetSpec) -> bool:
    """IPv4 always; IPv6 here only where no router of ours advertises, else the router serves DHCPv6 as well."""
    if subnet.ip_version == 4:
        return True
    theirs = subnet.ipv6_ra_mode is None or not advertises(spec)
    return theirs and subnet.ipv6_address_mode in (Ipv6Mode.STATEFUL, Ipv6Mode.STATELESS)


def advertises(spec: NetworkSpec) -> bool:
    """Whether routers of ours may advertise there: not to the machines of a LAN, which have a router of their own."""
    return spec.kind != NetworkKind.BRIDGED


def range_line(subnet: SubnetSpec, lease: int) -> str:
    network = ipaddress.ip_network(subnet.cidr)
    if network.version == 4:
        return f"dhcp-range=set:{tag(subnet)},{network.network_address},static,{network.netmask},{lease}s"
    # "static" gives guests without an address of their own the options; any other mode would also advertise a router.
    return f"dhcp-range=set:{tag(subnet)},{network.network_address},static,{max(network.prefixlen, 64)},{lease}s"


def tag(subnet: SubnetSpec) -> str:
    return f"s{hexid(subnet.id)}"


def host_lines(host: DhcpHost, spec: NetworkSpec, served: Iterable[SubnetSpec]) -> list[str]:
    """One line per IPv4 address, one for all of IPv6: dnsmasq takes one IPv4 address a line."""
    inside = [a for a in host.addresses if any(ipaddress.ip_address(a) in ipaddress.ip_network(s.cidr) for s in served)]
    mark = f"set:p{hexid(host.port_id)}"
    fours = [f"{host.mac.lower()},{mark},{a},{fqdn(host, a, spec)}" for a in inside if ":" not in a]
    return fours + host_lines6(host, spec, inside)


def host_lines6(host: DhcpHost, spec: NetworkSpec, inside: list[str]) -> list[str]:
    sixes = [a for a in inside if ":" in a]
    if not sixes:
        return []
    boxed = ",".join(f"[{a}]" for a in sixes)
    return [f"{host.mac.lower()},tag:dhcpv6,set:p{hexid(host.port_id)},{boxed},{fqdn(host, sixes[0], spec)}"]


def hostname(host: DhcpHost, address: str) -> str:
    if HOSTNAME.fullmatch(host.hostname):
        return host.hostname
    return "host-" + address.replace(".", "-").replace(":", "-").strip("-")


def fqdn(host: DhcpHost, address: str, spec: NetworkSpec) -> str:
    return f"{hostname(host, address)}.{spec.dns_domain}" if spec.dns_domain else hostname(host, address)


def name_line(address: str, host: DhcpHost, spec: NetworkSpec) -> str:
    names = dict.fromkeys((fqdn(host, address, spec), hostname(host, address)))
    return f"{address} {' '.join(names)}"


def option_lines(spec: NetworkSpec, served: Iterable[SubnetSpec]) -> list[str]:
    lines = [line for subnet in served for line in
             (options4(spec, subnet) if subnet.ip_version == 4 else options6(spec.dhcp_port.addresses, spec, subnet))]
    for host in spec.hosts:
        lines += [f"tag:p{hexid(host.port_id)},{option_name(option.name, option.ip_version)},{option.value}"
                  for option in host.options if OPTION.fullmatch(option.name) and option.value.isprintable()]
    return lines


def option_name(name: str, version: int) -> str:
    if name.isdigit():
        return name if version == 4 else f"option6:{name}"
    return f"option{'' if version == 4 else '6'}:{name}"


def options4(spec: NetworkSpec, subnet: SubnetSpec) -> list[str]:
    own = own_address(spec.dhcp_port.addresses, subnet)
    routes = [f"{METADATA4}/32,{own}"] if own else []
    routes += [f"{route.destination},{route.nexthop}" for route in subnet.host_routes if ":" not in route.destination]
    routes += [f"0.0.0.0/0,{subnet.gateway}"] if subnet.gateway else []
    servers = subnet.dns_nameservers or ((own,) if own else ())
    if servers == ("0.0.0.0",):                      # Neutron's way to say: none
        servers = ()
    lines = [f"option:router,{subnet.gateway}" if subnet.gateway else "option:router",
             ",".join(("option:dns-server", *(s for s in servers if ":" not in s)))]
    if routes:                                       # 249 is what older Windows asks for
        lines += [f"option:classless-static-route,{','.join(routes)}", f"249,{','.join(routes)}"]
    return [f"tag:{tag(subnet)},{line}" for line in lines]


def options6(addresses: Iterable[str], spec: NetworkSpec, subnet: SubnetSpec) -> list[str]:
    own = own_address(addresses, subnet)
    servers = [s for s in subnet.dns_nameservers if ":" in s] or ([own] if own else [])
    lines = [f"option6:dns-server,{','.join(f'[{s}]' for s in servers)}"] if servers else []
    lines += [f"option6:domain-search,{spec.dns_domain}"] if spec.dns_domain else []
    return [f"tag:{tag(subnet)},{line}" for line in lines]


def own_address(addresses: Iterable[str], subnet: SubnetSpec) -> str | None:
    network = ipaddress.ip_network(subnet.cidr)
    return next((a.split("/")[0] for a in addresses if ipaddress.ip_interface(a).ip in network), None)


def forwarders(config: NetworkConfig) -> tuple[str, ...]:
    """Where unknown names are asked: what the configuration says, else the host's resolvers; nowhere without outbound."""
    if not config.outbound:
        return ()
    return config.dns_forwarders or host_resolvers()


def host_resolvers() -> tuple[str, ...]:
    """Those that answer from inside a namespace too: the host's loopback is not there."""
    for file in RESOLVERS:
        if file.exists():
            words = [line.split() for line in file.read_text().splitlines()]
            found = tuple(w[1] for w in words if len(w) > 1 and w[0] == "nameserver" and usable(w[1]))
            if found:
                return found
    return ()


def usable(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not ip.is_loopback and not ip.is_link_local
