"""The way out: NAT through the host, uplinks, and nothing at all when outbound is off. "The world" is a namespace."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from nd_cloud import allow, external, group, network, router, sh, subnet

from cloudd.drivers.network.base import Ethertype, FloatingIp, NetworkKind, NetworkSpec, Unsupported
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.outside import egress

pytestmark = pytest.mark.asyncio


def world(cloud, *, spare=False):
    """A namespace that the host has a link to, 198.51.100.0/24, and that knows no way back to guests; the host itself has no
    address there where the link is spare."""
    name = cloud.namespace("world")
    sh("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", name, namespace=cloud.host)
    if not spare:
        sh("ip", "addr", "add", "198.51.100.1/24", "dev", "uplink", namespace=cloud.host)
    sh("ip", "link", "set", "uplink", "up", namespace=cloud.host)
    sh("ip", "addr", "add", "198.51.100.9/24", "dev", "eth0", namespace=name)
    sh("ip", "link", "set", "eth0", "up", namespace=name)
    sh("ip", "link", "set", "lo", "up", namespace=name)
    return name


async def guest_behind_router(cloud):
    sg = group(allow("icmp"))
    await cloud.driver.apply_security_group(sg)
    outside, net = external(), network(subnet("10.0.0.0/24", "10.0.0.1"), dhcp=("10.0.0.2/24",))
    await cloud.driver.apply_network(outside)
    await cloud.driver.apply_network(net)
    await cloud.driver.apply_router(router((net, ("10.0.0.1/24",)), gateway=(outside, "172.24.4.10/24")))
    return (await cloud.guest(net, "10.0.0.5", groups=(sg.id,))).address("10.0.0.1")


async def test_guests_reach_the_world_by_masquerading_when_outbound_is_on(make):
    cloud = await make(outbound=True, dns_forwarders=("198.51.100.9",))
    name = world(cloud)
    guest = await guest_behind_router(cloud)
    assert guest.pings("198.51.100.9", 3)
    server = serve_names(name)
    try:
        answer = guest.run("busybox", "nslookup", "name.example", "10.0.0.2", check=False)
        assert "203.0.113.7" in answer
    finally:
        server.kill()
        server.wait()


def serve_names(namespace):
    return subprocess.Popen(["ip", "netns", "exec", namespace, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
                             "--no-hosts", "--no-resolv", "--bind-interfaces", "--listen-address=198.51.100.9", "--pid-file",
                             "--address=/name.example/203.0.113.7"])


async def test_nothing_of_a_guest_leaves_the_machine_when_outbound_is_off(cloud):
    world(cloud)
    sh("sysctl", "-qw", "net.ipv4.ip_forward=1", namespace=cloud.host)            # somebody else's wish
    sh("nft", "add table ip other; add chain ip other post { type nat hook postrouting priority 100; };"
       " add rule ip other post masquerade", namespace=cloud.host)
    guest = await guest_behind_router(cloud)
    assert guest.pings("172.24.4.1", 3)
    assert not guest.pings("198.51.100.9")


async def test_forwarding_of_the_host_is_left_alone_without_outbound(cloud):
    before = sh("sysctl", "-n", "net.ipv4.ip_forward", namespace=cloud.host)
    await guest_behind_router(cloud)
    assert sh("sysctl", "-n", "net.ipv4.ip_forward", namespace=cloud.host) == before


async def bridged_guest(cloud, **more):
    net = NetworkSpec(str(uuid.uuid4()), NetworkKind.BRIDGED, physical_network="lan", subnets=(
        subnet("198.51.100.0/24", "198.51.100.9", dhcp=False),), **more)
    await cloud.driver.apply_network(net)
    await cloud.driver.apply_network(net)
    sg = group(allow("icmp"))
    await cloud.driver.apply_security_group(sg)
    return net, (await cloud.guest(net, "198.51.100.50", groups=(sg.id,))).address()


async def test_an_interface_named_in_the_configuration_joins_and_is_given_back(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    world(cloud, spare=True)
    assert (await cloud.driver.caps()).external_bridged == ("lan",)
    net, guest = await bridged_guest(cloud)
    assert guest.pings("198.51.100.9", 3)
    assert "uplink" not in sh("ip", "link", namespace=cloud.host)
    await cloud.driver.remove_port(guest.port.id)
    await cloud.driver.remove_network(net.id)
    assert "uplink" in sh("ip", "link", namespace=cloud.host)


async def test_a_bridge_of_the_host_is_joined_by_a_pair(make):
    cloud = await make(outbound=True, uplinks=(("lan", "br0"),))
    world(cloud)
    for command in ("link add br0 type bridge", "link set br0 up", "link set uplink master br0"):
        sh("ip", *command.split(), namespace=cloud.host)
    net, guest = await bridged_guest(cloud)
    assert guest.pings("198.51.100.9", 3)
    await cloud.driver.remove_network(net.id)
    assert "xh-" not in sh("ip", "link", namespace=cloud.host)


async def test_a_vlan_where_the_kernel_has_none_is_refused(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    if (await cloud.driver.caps()).vlan:
        pytest.skip("this kernel has VLANs")
    world(cloud, spare=True)
    with pytest.raises(Unsupported, match="VLAN 7"):
        await bridged_guest(cloud, vlan=7)


async def test_the_dataplane_in_the_hosts_own_namespace(cloud):
    """The same tests by a process whose own namespace is the dataplane's: no setting names one."""
    name = cloud.namespace("own")
    sh("ip", "link", "set", "lo", "up", namespace=name)
    done = await asyncio.to_thread(run_tests_in, name)
    assert done.returncode == 0, done.stdout[-5000:]


def run_tests_in(namespace):
    here = Path(__file__).parent
    tests = [str(here / f"test_nd_{name}.py") for name in ("contract", "basics", "routers")]
    return subprocess.run(
        ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env={**os.environ, "ND_OWN_NAMESPACE": "1"},
        capture_output=True, text=True, check=False, timeout=110, cwd=here.parents[2])


# What nobody outside could answer

async def guest_with_addresses(cloud, **gateway):
    """A guest with IPv4 and IPv6 behind a router whose external network has both, and a listener on the world's wire."""
    name = world(cloud)
    sh("ip", "addr", "add", "2001:db8:9::1/64", "dev", "uplink", "nodad", namespace=cloud.host)
    sh("ip", "addr", "add", "2001:db8:9::9/64", "dev", "eth0", "nodad", namespace=name)
    outside = external()
    outside = replace(outside, subnets=(*outside.subnets, subnet("2001:db8:4::/64", "2001:db8:4::1", dhcp=False)))
    net = network(subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00:a::/64", "fd00:a::1", dhcp=False), dhcp=("10.0.0.2/24",))
    spec = router((net, ("10.0.0.1/24", "fd00:a::1/64")), gateway=(outside, "172.24.4.10/24"))
    spec = replace(spec, gateway=replace(spec.gateway, addresses=("172.24.4.10/24", "2001:db8:4::10/64"),
                                         nexthops=("172.24.4.1", "2001:db8:4::1"), **gateway))
    sg = group(allow("icmp"), allow("tcp"), allow("tcp", ethertype=Ethertype.IPV6))
    for what in (outside, net):
        await cloud.driver.apply_network(what)
    await cloud.driver.apply_router(spec)
    await cloud.driver.apply_security_group(sg)
    guest = (await cloud.guest(net, "10.0.0.5", "fd00:a::5", groups=(sg.id,))).address("10.0.0.1")
    guest.run("ip", "-6", "route", "replace", "default", "via", "fd00:a::1")
    return guest, spec, net, name, listener(cloud, name)


def listener(cloud, namespace):
    with netns.inside(namespace):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    made.setblocking(False)
    cloud.sockets.append(made)
    return made


def heard(made):
    """The source addresses of all packets since the last asking."""
    found = set()
    while True:
        try:
            packet = made.recv(2000)
        except BlockingIOError:
            return found
        if packet[0] >> 4 == 4:
            found.add(socket.inet_ntop(socket.AF_INET, packet[12:16]))
        elif packet[0] >> 4 == 6:
            found.add(socket.inet_ntop(socket.AF_INET6, packet[8:24]))


def refusal(guest, address):
    """The error of a connection, by name; None when there was one."""
    made = guest.make_socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.connect((address, 80))
    except OSError as exc:
        return errno.errorcode.get(exc.errno or 0, str(exc))
    return None


async def test_ipv6_of_guests_does_not_leave_the_host_untranslated(make):
    cloud = await make(outbound=True)
    guest, spec, _, _, wire = await guest_with_addresses(cloud)
    assert guest.pings("198.51.100.9", 3)                                 # by translation
    assert refusal(guest, "2001:db8:9::9") == "ENETUNREACH"
    assert (await cloud.driver.refused())[spec.id] > 0
    assert guest.pings("198.51.100.9", 3)                                 # what was sent before has come by now
    assert not heard(wire) & {"fd00:a::5", "10.0.0.5"}


async def test_ipv4_without_snat_does_not_leave_the_host_untranslated(make):
    cloud = await make(outbound=True)
    guest, spec, _, name, wire = await guest_with_addresses(cloud, enable_snat=False)
    assert refusal(guest, "198.51.100.9") == "ENETUNREACH"
    assert refusal(guest, "172.24.4.1") == "ENETUNREACH"                  # the host's answers would leave it, too
    assert (await cloud.driver.refused())[spec.id] >= 2
    await cloud.driver.apply_router(replace(spec, floating_ips=(FloatingIp("172.24.4.50", "10.0.0.5"),)))
    assert guest.pings("198.51.100.9", 3)
    assert not heard(wire) & {"fd00:a::5", "10.0.0.5"}


async def test_what_a_router_lets_through_the_host_drops_and_counts(make):
    cloud = await make(outbound=True)
    guest, spec, _, _, wire = await guest_with_addresses(cloud, enable_snat=False)
    space = cloud.driver.names.router_namespace(spec.id)
    sh("nft", "flush", "chain", *egress.TABLE.split(), "forward", namespace=space)
    assert not guest.pings("198.51.100.9") and not guest.pings("172.24.4.1")
    assert (await cloud.driver.refused())[""] >= 2
    sh("ip", "netns", "exec", space, "busybox", "ping", "-c", "1", "-W", "2", "198.51.100.9")
    assert not heard(wire) & {"fd00:a::5", "10.0.0.5"}


async def test_a_range_that_the_settings_call_routed_leaves_as_it_is(make):
    cloud = await make(outbound=True, routed=("10.0.0.0/24", "fd00:a::/48"))
    guest, spec, net, name, _ = await guest_with_addresses(cloud, enable_snat=False)
    for way in ("10.0.0.0/24 via 172.24.4.10", "fd00:a::/64 via 2001:db8:4::10"):
        sh("ip", "route", "add", *way.split(), namespace=cloud.host)
    for way in ("10.0.0.0/24 via 198.51.100.1", "fd00:a::/64 via 2001:db8:9::1"):
        sh("ip", "route", "add", *way.split(), namespace=name)
    assert guest.pings("198.51.100.9", 3) and guest.pings("2001:db8:9::9", 3)
    assert set((await cloud.driver.refused()).values()) == {0}


async def test_who_is_asked_from_outside_may_answer(make):
    cloud = await make(outbound=True)
    guest, spec, _, _, _ = await guest_with_addresses(cloud, enable_snat=False)
    sh("ip", "route", "add", "10.0.0.0/24", "via", "172.24.4.10", namespace=cloud.host)
    assert "1 packets received" in sh("busybox", "ping", "-c", "1", "-W", "3", "10.0.0.5", namespace=cloud.host, check=False)


async def test_a_subnet_that_comes_to_the_external_network_can_be_answered(make):
    cloud = await make(outbound=True)
    guest, spec, _, _, _ = await guest_with_addresses(cloud)
    outside = cloud.driver.networks[spec.gateway.network_id]
    await cloud.driver.apply_network(replace(outside, subnets=(*outside.subnets, subnet("203.0.113.0/24", "203.0.113.1", dhcp=False))))
    listing = sh("nft", "list", "set", *egress.TABLE.split(), "answerable4", namespace=cloud.driver.names.router_namespace(spec.id))
    assert "172.24.4.0/24" in listing and "203.0.113.0/24" in listing
