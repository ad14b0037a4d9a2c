"""A dataplane of its own for each test, and stand-ins for guests: a namespace with one interface, whose other end is a
tap as far as the driver can tell."""

import asyncio
import itertools
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cloudd.drivers.network.base import (
    AddressPool,
    DataplaneSpec,
    DhcpHost,
    DhcpPort,
    Direction,
    Ethertype,
    MetadataListener,
    NetworkConfig,
    NetworkKind,
    NetworkSpec,
    PortSpec,
    RouterGateway,
    RouterInterface,
    RouterSpec,
    SecurityGroupRule,
    SecurityGroupSpec,
    SubnetSpec,
)
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.driver import LinuxNetworkDriver

PATIENCE = 15.0
UDHCPC = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr replace $ip/$mask dev $interface
env | sort > "$LEASE"
if [ -n "$staticroutes" ]; then
  set -- $staticroutes
  while [ $# -ge 2 ]; do ip route replace $1 via $2 dev $interface; shift 2; done
elif [ -n "$router" ]; then ip route replace default via $router dev $interface; fi
"""


def sh(*argv: str, namespace: str = "", check: bool = True, timeout: float = 30) -> str:
    command = [*(["ip", "netns", "exec", namespace] if namespace else []), *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


async def until(what: str, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait for a condition that is asked in a thread."""
    end = asyncio.get_running_loop().time() + patience
    while True:
        found = await asyncio.to_thread(condition)
        if found:
            return found
        assert asyncio.get_running_loop().time() < end, f"waited in vain for {what}"
        await asyncio.sleep(0.05)


def mac(number: int) -> str:
    return f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"


ANY4 = SecurityGroupRule(Direction.EGRESS, Ethertype.IPV4)
ANY6 = SecurityGroupRule(Direction.EGRESS, Ethertype.IPV6)


def group(*rules: SecurityGroupRule, id: str = "", egress: bool = True, **more: Any) -> SecurityGroupSpec:
    return SecurityGroupSpec(id or str(uuid.uuid4()), (*((ANY4, ANY6) if egress else ()), *rules), **more)


def allow(protocol: str | None = None, first: int | None = None, last: int | None = None, **more: Any) -> SecurityGroupRule:
    more.setdefault("ethertype", Ethertype.IPV4)
    return SecurityGroupRule(Direction.INGRESS, protocol=protocol, port_min=first,
                             port_max=first if last is None else last, **more)


def subnet(cidr: str, gateway: str | None = None, **more: Any) -> SubnetSpec:
    return SubnetSpec(str(uuid.uuid4()), cidr, gateway, pools=(AddressPool(gateway or "", gateway or ""),), **more)


def network(*subnets: SubnetSpec, dhcp: tuple[str, ...] = (), number: int = 200, **more: Any) -> NetworkSpec:
    port = DhcpPort(str(uuid.uuid4()), mac(number), dhcp) if dhcp else None
    return NetworkSpec(str(uuid.uuid4()), subnets=subnets, dhcp_port=port, mtu=more.pop("mtu", 1442), **more)


def external(cidr: str = "172.24.4.0/24", gateway: str = "172.24.4.1") -> NetworkSpec:
    return NetworkSpec(str(uuid.uuid4()), NetworkKind.NAT, external=True, subnets=(subnet(cidr, gateway, dhcp=False),))


ROUTER_MACS = itertools.count(300)


def router(*interfaces: tuple[NetworkSpec, tuple[str, ...]], gateway: tuple[NetworkSpec, str] | None = None,
           **more: Any) -> RouterSpec:
    joined = tuple(RouterInterface(str(uuid.uuid4()), net.id, mac(next(ROUTER_MACS)), addresses)
                   for net, addresses in interfaces)
    outside = RouterGateway(str(uuid.uuid4()), gateway[0].id, mac(next(ROUTER_MACS)), (gateway[1],),
                            (gateway[0].subnets[0].gateway,)) if gateway else None
    return RouterSpec(str(uuid.uuid4()), interfaces=joined, gateway=outside, **more)


@dataclass
class Guest:
    cloud: "Cloud"
    port: PortSpec
    namespace: str
    prefix: int = 24

    def run(self, *argv: str, check: bool = True, timeout: float = 30) -> str:
        return sh(*argv, namespace=self.namespace, check=check, timeout=timeout)

    def address(self, gateway: str | None = None) -> "Guest":
        """Set the port's addresses by hand."""
        for address in self.port.addresses:
            six = ":" in address
            self.run("ip", "addr", "add", f"{address}/{64 if six else self.prefix}", "dev", "eth0", *(["nodad"] if six else []))
        if gateway:
            self.run("ip", "route", "replace", "default", "via", gateway)
        return self

    def pings(self, target: str, patience: int = 1) -> bool:
        tool = "ping6" if ":" in target else "ping"
        return subprocess.run(["ip", "netns", "exec", self.namespace, "busybox", tool, "-c", "1", "-W", str(patience), target],
                              capture_output=True, check=False, timeout=patience + 10).returncode == 0

    def dhcp(self) -> dict[str, str]:
        """A lease by busybox' client; what it was told."""
        lease = self.cloud.state / f"lease-{self.port.id}"
        script = self.cloud.state / "udhcpc.sh"
        script.write_text(UDHCPC)
        script.chmod(0o755)
        subprocess.run(["ip", "netns", "exec", self.namespace, "env", f"LEASE={lease}", "busybox", "udhcpc", "-i", "eth0", "-q",
                        "-n", "-f", "-t", "8", "-T", "1", "-O", "staticroutes", "-O", "mtu", "-s", str(script)],
                       capture_output=True, check=True, timeout=30)
        return dict(line.split("=", 1) for line in lease.read_text().splitlines() if "=" in line)

    async def metadata(self, address: str = "169.254.169.254") -> dict[str, Any]:
        """What the metadata address answers; served by this process, hence the thread."""
        said = await asyncio.to_thread(self.run, "curl", "-s", "-g", "--max-time", "5", f"http://{address}/")
        return json.loads(said)

    def make_socket(self, *kind: int) -> socket.socket:
        """A socket of this guest's: where it is made decides, not where it is used."""
        with netns.inside(self.namespace):
            made = socket.socket(*kind)
        made.settimeout(2)
        self.cloud.sockets.append(made)
        return made

    def listen(self, port: int, *, six: bool = False) -> socket.socket:
        made = self.make_socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("", port))
        made.listen()
        return made

    def connect(self, address: str, port: int) -> socket.socket | None:
        """A connection, or None when it did not come about in a second."""
        made = self.make_socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.settimeout(1)
        try:
            made.connect((address, port))
        except OSError:
            return None
        return made


@dataclass
class Cloud:
    state: Path
    config: NetworkConfig
    driver: LinuxNetworkDriver
    listeners: dict[str, tuple[MetadataListener, asyncio.Server]] = field(default_factory=dict)
    namespaces: list[str] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    guests: int = 0

    @property
    def host(self) -> str:
        return self.config.host_namespace

    @property
    def plane(self) -> str:
        return self.config.namespace

    async def metadata_socket(self, listener: MetadataListener) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"network": listener.network_id, "router": listener.router_id,
                               "from": writer.get_extra_info("peername")[0]}).encode()
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
            writer.close()
        self.listeners[listener.key] = listener, await asyncio.start_server(answer, sock=listener.socket)

    async def metadata_gone(self, key: str) -> None:
        self.listeners.pop(key)[1].close()

    async def open(self) -> None:
        self.driver = LinuxNetworkDriver(self.config)
        await self.driver.open(self.metadata_socket, self.metadata_gone)

    async def restart(self) -> None:
        """As a daemon's restart: everything in memory is gone, the dataplane stays."""
        await self.driver.close()
        await self.open()

    async def guest(self, net: NetworkSpec, *addresses: str, groups: tuple[str, ...] = (), plug: bool = True,
                    **more: Any) -> Guest:
        """A guest whose port is applied and whose tap is plugged, as at a boot."""
        self.guests += 1
        port_id = str(uuid.uuid4())
        port = PortSpec(port_id, net.id, f"tap{port_id[:11]}", mac(self.guests), addresses, security_groups=groups, **more)
        await self.driver.apply_port(port)
        guest = Guest(self, port, self.namespace(f"g{self.guests}"))
        self.make_tap(guest)
        if plug:
            await self.driver.plug(port_id)
        return guest

    def make_tap(self, guest: Guest) -> None:
        """The hypervisor's part: an interface in its own namespace that leads to the guest."""
        sh("ip", "link", "add", guest.port.tap, "type", "veth", "peer", "name", "eth0", "netns", guest.namespace,
           "address", guest.port.mac, namespace=self.host)
        sh("ip", "link", "set", "eth0", "up", namespace=guest.namespace)
        sh("ip", "link", "set", "lo", "up", namespace=guest.namespace)

    async def reapply(self, guest: Guest, **changes: Any) -> None:
        guest.port = replace(guest.port, **changes)
        await self.driver.apply_port(guest.port)

    def namespace(self, name: str) -> str:
        full = f"nd{os.getpid()}-{name}"
        sh("ip", "netns", "add", full)
        self.namespaces.append(full)
        return full

    def ruleset(self) -> str:
        return sh("nft", "-s", "list", "ruleset", namespace=self.plane)

    async def destroy(self) -> None:
        try:
            await self.driver.restore(DataplaneSpec())
        finally:
            await self.driver.close()
            for made in self.sockets:
                made.close()
            for namespace in filter(None, [*self.namespaces, self.plane]):
                sh("ip", "netns", "delete", namespace, check=False)
            shutil.rmtree(self.state)


def host_of(guest: Guest, **more: Any) -> DhcpHost:
    return DhcpHost(guest.port.id, guest.port.mac, guest.port.addresses, **more)


def new_cloud(name: str, **settings: Any) -> Cloud:
    """A cloud that is not open yet. With ND_OWN_NAMESPACE the dataplane is where this process is."""
    state = Path(f"/tmp/nd/{os.getpid()}-{name}")
    state.mkdir(parents=True)
    own = "ND_OWN_NAMESPACE" in os.environ
    settings = {"outbound": False, "namespace": "" if own else f"nd{os.getpid()}-plane",
                "host_namespace": "" if own else f"nd{os.getpid()}-host", **settings}
    config = NetworkConfig(cloud_id=str(uuid.uuid4()), state_dir=str(state), **settings)
    cloud = Cloud(state, config, LinuxNetworkDriver(config))
    if not own:
        cloud.namespace("host")
    sh("ip", "link", "set", "lo", "up", namespace=cloud.host)
    return cloud


async def make_cloud(name: str, **settings: Any) -> Cloud:
    cloud = new_cloud(name, **settings)
    await cloud.driver.open(cloud.metadata_socket, cloud.metadata_gone)
    return cloud


def in_host(cloud: Cloud, address: str, port: int) -> socket.socket:
    """A connection from the host's namespace."""
    with netns.inside(cloud.host):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    cloud.sockets.append(made)
    made.settimeout(5)
    made.connect((address, port))
    return made
