"""Routers: between subnets, out by SNAT, in by floating addresses, IPv6."""

from dataclasses import replace

import pytest
from nd_cloud import allow, external, group, host_of, network, router, sh, subnet, until

from cloudd.drivers.network.base import Ethertype, FloatingIp, Ipv6Mode

pytestmark = pytest.mark.asyncio
ICMP6 = allow("icmp", ethertype=Ethertype.IPV6)


async def ping_group(cloud):
    sg = group(allow("icmp"), allow("tcp", 80), ICMP6)
    await cloud.driver.apply_security_group(sg)
    return sg.id


async def routed(cloud, *cidrs):
    """An external network, networks behind one router, a guest in each."""
    sg = await ping_group(cloud)
    outside = external()
    await cloud.driver.apply_network(outside)
    nets = [network(subnet(f"{cidr}.0/24", f"{cidr}.1"), dhcp=(f"{cidr}.2/24",)) for cidr in cidrs]
    for net in nets:
        await cloud.driver.apply_network(net)
    spec = router(*((net, (f"{cidr}.1/24",)) for net, cidr in zip(nets, cidrs, strict=True)), gateway=(outside, "172.24.4.10/24"))
    await cloud.driver.apply_router(spec)
    guests = [(await cloud.guest(net, f"{cidr}.5", groups=(sg,))).address(f"{cidr}.1")
              for net, cidr in zip(nets, cidrs, strict=True)]
    return outside, nets, spec, guests


def host_pings(cloud, address):
    return "1 packets received" in sh("busybox", "ping", "-c", "1", "-W", "1", address, namespace=cloud.host, check=False)


async def test_guests_speak_across_subnets_and_to_the_outside(cloud):
    _, _, _, (first, second) = await routed(cloud, "10.1.0", "10.2.0")
    assert first.pings("10.2.0.5", 3) and second.pings("10.1.0.5", 3)
    assert first.pings("172.24.4.1", 3)              # the host's end, by SNAT
    assert not first.pings("192.0.2.1")


async def test_floating_address_is_reached_from_the_host_and_follows_changes(cloud):
    outside, _, spec, (first, second) = await routed(cloud, "10.1.0", "10.2.0")
    assert not host_pings(cloud, "172.24.4.50")
    spec = replace(spec, floating_ips=(FloatingIp("172.24.4.50", "10.1.0.5"),))
    await cloud.driver.apply_router(spec)
    assert host_pings(cloud, "172.24.4.50")
    assert (await asked_from(cloud, first)) == "172.24.4.50"
    assert (await asked_from(cloud, second)) == "172.24.4.10"
    listening = first.listen(80)
    inner = second.connect("172.24.4.50", 80)        # by way of the router, from inside
    assert inner and listening.accept()[1][0] == "172.24.4.10"
    await cloud.driver.apply_router(replace(spec, floating_ips=(FloatingIp("172.24.4.50", "10.2.0.5"),)))
    assert host_pings(cloud, "172.24.4.50")
    await cloud.driver.apply_router(replace(spec, floating_ips=()))
    assert not host_pings(cloud, "172.24.4.50")


async def asked_from(cloud, guest):
    """The address under which the guest is seen outside."""
    import socket

    from cloudd.drivers.network.linux import netns
    with netns.inside(cloud.host):
        listening = socket.create_server(("172.24.4.1", 0), reuse_port=False)
    port = listening.getsockname()[1]
    sh("nft", "insert", "rule", "inet", cloud.driver.host_rules.table.split()[1], "guests", "tcp", "dport", str(port), "accept",
       namespace=cloud.host)
    made = guest.connect("172.24.4.1", port)
    listening.settimeout(2)
    seen = listening.accept()[1][0]
    made.close()
    listening.close()
    return seen


async def test_two_routers_with_equal_inside_addresses(cloud):
    outside, _, _, (first,) = await routed(cloud, "10.1.0")
    net = network(subnet("10.1.0.0/24", "10.1.0.1"), dhcp=("10.1.0.2/24",))
    await cloud.driver.apply_network(net)
    spec = router((net, ("10.1.0.1/24",)), gateway=(outside, "172.24.4.11/24"),
                  floating_ips=(FloatingIp("172.24.4.60", "10.1.0.5"),))
    await cloud.driver.apply_router(spec)
    twin = (await cloud.guest(net, "10.1.0.5", groups=first.port.security_groups)).address("10.1.0.1")
    assert first.pings("172.24.4.1", 3) and twin.pings("172.24.4.1", 3)
    assert host_pings(cloud, "172.24.4.60")
    assert first.pings("172.24.4.60", 3)


async def test_guests_reach_nothing_of_the_host_but_ping(cloud):
    import socket

    from cloudd.drivers.network.linux import netns
    _, _, _, (guest,) = await routed(cloud, "10.1.0")
    with netns.inside(cloud.host), socket.create_server(("172.24.4.1", 5000)):
        assert guest.pings("172.24.4.1", 3)
        assert not guest.connect("172.24.4.1", 5000)


async def test_metadata_through_the_router_when_dhcp_is_off(cloud):
    sg = await ping_group(cloud)
    net = network(subnet("10.3.0.0/24", "10.3.0.1", dhcp=False))
    await cloud.driver.apply_network(net)
    spec = router((net, ("10.3.0.1/24",)))
    await cloud.driver.apply_router(spec)
    guest = (await cloud.guest(net, "10.3.0.5", groups=(sg,))).address("10.3.0.1")
    assert await guest.metadata() == {"network": net.id, "router": spec.id, "from": "10.3.0.5"}
    await until("the link-local address", lambda: "fe80::" in usable(guest))
    assert (await guest.metadata("[fe80::a9fe:a9fe%25eth0]"))["network"] == net.id


async def six(cloud, mode):
    sg = await ping_group(cloud)
    net = network(subnet("fd00:a::/64", "fd00:a::1", ipv6_ra_mode=mode, ipv6_address_mode=mode),
                  subnet("10.1.0.0/24", "10.1.0.1"), dhcp=("fd00:a::2/64", "10.1.0.2/24"))
    far = network(subnet("fd00:b::/64", "fd00:b::1", dhcp=False))
    await cloud.driver.apply_network(net)
    await cloud.driver.apply_network(far)
    await cloud.driver.apply_router(router((net, ("fd00:a::1/64", "10.1.0.1/24")), (far, ("fd00:b::1/64",))))
    other = (await cloud.guest(far, "fd00:b::5", groups=(sg,))).address()
    other.run("ip", "-6", "route", "replace", "default", "via", "fd00:b::1")
    return sg, net


async def test_slaac_gives_an_address_and_a_route(cloud):
    sg, net = await six(cloud, Ipv6Mode.SLAAC)
    guest = await cloud.guest(net, "fd00:a::f816:3eff:fe00:2", groups=(sg,), plug=False)
    guest.run("sysctl", "-qw", "net.ipv6.conf.eth0.addr_gen_mode=0")
    await cloud.driver.plug(guest.port.id)
    await until("an address by SLAAC", lambda: "fd00:a::f816:3eff:fe00:2/64" in usable(guest), 30)
    await until("the default route", lambda: "default via fe80::" in guest.run("ip", "-6", "route"))
    assert guest.pings("fd00:b::5", 3)
    assert (await guest.metadata("[fe80::a9fe:a9fe%25eth0]"))["network"] == net.id


def usable(guest):
    return guest.run("ip", "-6", "addr", "show", "dev", "eth0", "-tentative")


async def test_dhcpv6_stateful_gives_the_ports_address(cloud):
    from nd_dhcpv6 import lease
    sg, net = await six(cloud, Ipv6Mode.STATEFUL)
    guest = await cloud.guest(net, "fd00:a::77", groups=(sg,))
    await cloud.driver.apply_network(replace(net, hosts=(host_of(guest, hostname="six"),)))
    await until("the link-local address", lambda: "fe80::" in usable(guest))
    await until("a managed advertisement", lambda: "default via fe80::" in guest.run("ip", "-6", "route"), 30)
    told = await until("a lease", lambda: lease(guest), 20)
    assert told == ("fd00:a::77", "fd00:a::2")
