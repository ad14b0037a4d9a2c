"""What a network driver must do, and the plain values that it is told.

The interface is one of desired state. A caller says how a subject (network, router, port, security group) is to be;
the driver makes it so. Saying the same again changes nothing, removing what is not there succeeds. Subjects may be
given in any order: a port before its network or its tap exists takes effect when they appear.

The driver remembers the wanted state only while it is open. So the order at start is `open`, then one `restore` with
everything that is wanted, then single changes. `close` leaves the dataplane as it is: guests keep their traffic.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class NetworkDriverError(Exception):
    """The dataplane could not be brought to the wanted state; the message says what was tried and what failed."""


class Unsupported(NetworkDriverError):
    """This driver, or this kernel, cannot do what was asked; `caps` would have said so."""


class TapMissing(NetworkDriverError):
    """A port was to be plugged, but its tap is neither where the hypervisor makes it nor in the dataplane."""


class NetworkKind(StrEnum):
    TENANT = "tenant"        # a bridge of its own, nothing else
    NAT = "nat"              # an external network whose gateway is this host, through a veth pair
    BRIDGED = "bridged"      # joined to an interface of the host that the configuration names (flat or VLAN)


class Direction(StrEnum):
    INGRESS = "ingress"
    EGRESS = "egress"


class Ethertype(StrEnum):
    IPV4 = "IPv4"
    IPV6 = "IPv6"


class Ipv6Mode(StrEnum):
    SLAAC = "slaac"
    STATELESS = "dhcpv6-stateless"
    STATEFUL = "dhcpv6-stateful"


@dataclass(frozen=True)
class Route:
    destination: str                                 # CIDR
    nexthop: str


@dataclass(frozen=True)
class AddressPool:
    first: str
    last: str


@dataclass(frozen=True)
class DhcpOption:
    name: str                                        # a name that dnsmasq knows ("bootfile-name") or a number ("67")
    value: str
    ip_version: int = 4


@dataclass(frozen=True)
class DhcpHost:
    """One port as DHCP and DNS know it. Addresses are without prefix; those outside DHCP subnets only get a name."""

    port_id: str
    mac: str
    addresses: tuple[str, ...] = ()
    hostname: str = ""                               # empty: host-10-0-0-5
    options: tuple[DhcpOption, ...] = ()


@dataclass(frozen=True)
class DhcpPort:
    """The network's own port, from which DHCP, DNS and metadata are served."""

    id: str
    mac: str
    addresses: tuple[str, ...]                       # with prefix: 10.0.0.2/24


@dataclass(frozen=True)
class SubnetSpec:
    id: str
    cidr: str
    gateway: str | None = None
    dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()            # empty: the DHCP port answers itself
    host_routes: tuple[Route, ...] = ()
    pools: tuple[AddressPool, ...] = ()
    ipv6_ra_mode: Ipv6Mode | None = None
    ipv6_address_mode: Ipv6Mode | None = None

    @property
    def ip_version(self) -> int:
        return 6 if ":" in self.cidr else 4


@dataclass(frozen=True)
class NetworkSpec:
    id: str
    kind: NetworkKind = NetworkKind.TENANT
    external: bool = False
    mtu: int = 1500
    admin_state_up: bool = True
    physical_network: str | None = None              # for BRIDGED: a key of NetworkConfig.uplinks
    vlan: int | None = None                          # for BRIDGED
    zone: int | None = None                          # conntrack zone; None: the driver chooses one and keeps it
    dns_domain: str = "openstacklocal"
    subnets: tuple[SubnetSpec, ...] = ()
    dhcp_port: DhcpPort | None = None                # None: neither DHCP nor metadata in this network
    hosts: tuple[DhcpHost, ...] = ()


@dataclass(frozen=True)
class RouterInterface:
    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]                       # with prefix: the subnets' gateway addresses


@dataclass(frozen=True)
class RouterGateway:
    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]                       # with prefix, in the external subnets
    nexthops: tuple[str, ...] = ()                   # the external subnets' gateways, one per IP version
    enable_snat: bool = True


@dataclass(frozen=True)
class FloatingIp:
    floating: str
    fixed: str


@dataclass(frozen=True)
class RouterSpec:
    """Router advertisements follow from the `ipv6_ra_mode` of the subnets that the interfaces lie in."""

    id: str
    admin_state_up: bool = True
    interfaces: tuple[RouterInterface, ...] = ()
    gateway: RouterGateway | None = None
    routes: tuple[Route, ...] = ()
    floating_ips: tuple[FloatingIp, ...] = ()


@dataclass(frozen=True)
class AddressPair:
    address: str                                     # address or CIDR
    mac: str | None = None                           # None: the port's own


@dataclass(frozen=True)
class PortSpec:
    """A guest's port. DHCP ports and router ports belong to their network and router and are not given as ports."""

    id: str
    network_id: str
    tap: str
    mac: str
    addresses: tuple[str, ...] = ()                  # without prefix
    allowed_pairs: tuple[AddressPair, ...] = ()
    security_groups: tuple[str, ...] = ()
    port_security: bool = True
    admin_state_up: bool = True
    mtu: int | None = None                           # None: the network's


@dataclass(frozen=True)
class SecurityGroupRule:
    direction: Direction
    ethertype: Ethertype
    protocol: str | None = None                      # name or number as Neutron writes it; None: any
    port_min: int | None = None                      # for ICMP the type
    port_max: int | None = None                      # for ICMP the code
    remote_cidr: str | None = None
    remote_group: str | None = None


@dataclass(frozen=True)
class SecurityGroupSpec:
    id: str
    rules: tuple[SecurityGroupRule, ...] = ()
    stateful: bool = True


@dataclass(frozen=True)
class DataplaneSpec:
    networks: tuple[NetworkSpec, ...] = ()
    routers: tuple[RouterSpec, ...] = ()
    security_groups: tuple[SecurityGroupSpec, ...] = ()
    ports: tuple[PortSpec, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """What of ours exists in the dataplane now, whoever asked for it."""

    networks: frozenset[str] = frozenset()
    routers: frozenset[str] = frozenset()
    dhcp: frozenset[str] = frozenset()               # networks whose DHCP server runs
    ports: frozenset[str] = frozenset()              # ports whose tap is plugged
    firewall_ports: frozenset[str] = frozenset()     # ports that have chains
    security_groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RestoreReport:
    created: tuple[str, ...] = ()                    # "network 1b0c…"
    removed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()                     # with the reason; the rest was restored


class Part(StrEnum):
    """What of the dataplane is compared and mended as one, in the order in which one stands on the other."""

    HOST = "host"                                    # the frame: namespace, settings of the kernel, the host's own rules
    FIREWALL = "firewall"
    NETWORK = "network"
    ROUTER = "router"
    PORT = "port"


@dataclass(frozen=True)
class Subject:
    part: Part
    id: str = ""                                     # empty: there is but one


@dataclass(frozen=True)
class Difference:
    """One thing in the dataplane that is not as it was applied last."""

    subject: Subject
    what: str


@dataclass(frozen=True)
class PortCounters:
    """Traffic as the guest sees it: rx is what it received. Drops count packets of connections beyond the limit as well."""

    rx_bytes: int
    rx_packets: int
    rx_drops: int
    rx_errors: int
    tx_bytes: int
    tx_packets: int
    tx_drops: int
    tx_errors: int


@dataclass(frozen=True)
class NetworkCaps:
    max_mtu: int
    ipv6: bool
    vlan: bool
    qos: bool
    external_nat: bool
    external_bridged: tuple[str, ...]                # physical networks that have an uplink
    outbound: bool


@dataclass(frozen=True)
class Health:
    ok: bool
    problems: tuple[str, ...] = ()                   # each says what is wrong and, where known, what mends it


@dataclass(frozen=True)
class MetadataListener:
    """A listening TCP socket on port 80 of a metadata address; who connects to it is a guest of `network_id`.

    One network may have several: over IPv4 and IPv6 in the network itself, and one in each router that joins it.
    """

    key: str                                         # names this listener until `on_metadata_gone(key)`
    network_id: str
    router_id: str | None
    ip_version: int
    socket: socket.socket


OnMetadataSocket = Callable[[MetadataListener], Awaitable[None]]
OnMetadataGone = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class NetworkConfig:
    cloud_id: str                                    # tells several clouds on one machine apart
    state_dir: str
    namespace: str = ""                              # the dataplane's; empty: the host's own
    host_namespace: str = ""                         # where NAT networks end and hypervisors make taps; empty: this process's
    outbound: bool = True                            # False: no packet of guests, DHCP or DNS leaves the machine
    uplinks: tuple[tuple[str, str], ...] = ()        # physical network -> interface or bridge of the host
    routed: tuple[str, ...] = ()                     # guests' ranges that the outside has a route to, through their routers
    dns_forwarders: tuple[str, ...] = ()             # empty: the host's resolvers, when outbound
    host_ports: tuple[int, ...] = ()                 # TCP ports of the host that guests may reach through a NAT network
    dnsmasq: str = "dnsmasq"
    dnsmasq_user: str = "nobody"
    dhcp_lease_seconds: int = 86400
    connections_per_port: int = 16384                  # that it opens, and that are opened to it from elsewhere; 0: no limit


class NetworkDriver(ABC):
    """Every method may be repeated. Errors are NetworkDriverError; a failed apply may be tried again."""

    @abstractmethod
    async def open(self, on_metadata_socket: OnMetadataSocket, on_metadata_gone: OnMetadataGone) -> None:
        """Check the host and make the dataplane's frame. Raises when the host lacks something needed."""

    @abstractmethod
    async def close(self) -> None:
        """Forget everything and close metadata sockets; the dataplane stays as it is."""

    @abstractmethod
    async def health(self) -> Health: ...

    @abstractmethod
    async def caps(self) -> NetworkCaps: ...

    @abstractmethod
    async def restore(self, wanted: DataplaneSpec) -> RestoreReport:
        """Make the dataplane exactly this: create what lacks, remove what is ours but not named, leave the rest alone."""

    async def purge(self) -> None:
        """Remove all that is ours, and what even an empty dataplane has."""
        await self.restore(DataplaneSpec())

    @abstractmethod
    async def list(self) -> Inventory: ...

    @abstractmethod
    async def touched(self) -> frozenset[Subject] | None:
        """Wait until somebody, perhaps this driver, changes the dataplane: what should be compared; None: all of it."""

    @abstractmethod
    async def compare(self, subjects: Iterable[Subject] | None = None) -> tuple[Difference, ...]:
        """Where these subjects, or all, differ from what was applied last. Changes nothing; what is being applied is waited for."""

    @abstractmethod
    async def mend(self, subject: Subject) -> None:
        """Bring a subject to what was applied last, touching only what differs; one that is not wanted any more is no fault."""

    @abstractmethod
    async def apply_network(self, spec: NetworkSpec) -> None: ...

    @abstractmethod
    def holds(self, spec: NetworkSpec) -> bool:
        """Whether just this was applied last, since the driver was opened. The machine itself is not looked at."""

    @abstractmethod
    async def remove_network(self, network_id: str) -> None: ...

    @abstractmethod
    async def apply_router(self, spec: RouterSpec) -> None: ...

    @abstractmethod
    async def remove_router(self, router_id: str) -> None: ...

    @abstractmethod
    async def apply_security_group(self, spec: SecurityGroupSpec) -> None:
        """Set a group's rules. Flows that only a removed rule allowed are cut."""

    @abstractmethod
    async def remove_security_group(self, group_id: str) -> None: ...

    @abstractmethod
    async def apply_port(self, spec: PortSpec) -> None:
        """Set a port's firewall and remote-group membership, before or after its tap exists."""

    @abstractmethod
    async def remove_port(self, port_id: str) -> None:
        """Unplug the port and forget its firewall."""

    @abstractmethod
    async def plug(self, port_id: str) -> None:
        """Take the tap of an applied port to its network's bridge. Raises TapMissing when there is no such tap."""

    @abstractmethod
    async def unplug(self, port_id: str) -> None:
        """Take the tap off its bridge. The tap itself ends with its hypervisor."""

    @abstractmethod
    async def plugged(self) -> frozenset[str]:
        """The ports whose tap is on its bridge now."""

    @abstractmethod
    async def counters(self, port_ids: Iterable[str]) -> dict[str, PortCounters]:
        """Counters of those of the ports that are plugged."""

    @abstractmethod
    async def beyond_limit(self) -> dict[str, tuple[int, int]]:
        """Packets of connections beyond a port's limit, opened to it and by it: by port, of those that had some."""

    @abstractmethod
    async def refused(self) -> dict[str, int]:
        """Packets that were not let out since nobody could answer their address: by router, and by the host under ""."""
