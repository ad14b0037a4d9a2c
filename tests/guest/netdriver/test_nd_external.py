"""The way out: NAT through the host, uplinks, and nothing at all when outbound is off. "The world" is a namespace."""

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from nd_cloud import allow, external, group, network, router, sh, subnet

from cloudd.drivers.network.base import NetworkKind, NetworkSpec, Unsupported

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
