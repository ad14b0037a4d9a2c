"""A guest that opens connections without end fills its own account, not everybody's."""

import asyncio
import socket

import pytest
import pytest_asyncio
from nd_cloud import allow, group, network, router, sh, subnet, until

pytestmark = pytest.mark.asyncio
LIMIT = 50


@pytest_asyncio.fixture
async def cloud(make):
    return await make(connections_per_port=LIMIT)


@pytest_asyncio.fixture
async def net(cloud):
    spec = network(subnet("10.0.0.0/24", "10.0.0.1"))
    await cloud.driver.apply_network(spec)
    return spec


def tracked(cloud, source):
    """Flows that began from an address, as connection tracking has them."""
    lines = sh("conntrack", "-L", "-s", source, namespace=cloud.plane).splitlines()
    return len([line for line in lines if f"src={source} " in line])


def flood(guest, target, count, first=2000):
    """Datagrams to as many ports, each a connection of its own."""
    sending = guest.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(count):
        sending.sendto(b"x", (target, first + number))


async def trio(cloud, net, *rules):
    sg = group(*rules)
    await cloud.driver.apply_security_group(sg)
    return [(await cloud.guest(net, f"10.0.0.{number}", groups=(sg.id,))).address() for number in (10, 20, 30)]


async def test_a_flood_stops_at_the_limit_and_others_connect(cloud, net):
    bad, server, good = await trio(cloud, net, allow("udp"), allow("tcp"), allow("icmp"))
    server.listen(80)
    assert bad.pings("10.0.0.20", 3)
    await asyncio.to_thread(flood, bad, "10.0.0.20", 10 * LIMIT)
    assert LIMIT // 2 <= tracked(cloud, "10.0.0.10") <= LIMIT + 1
    assert not bad.connect("10.0.0.20", 80)
    for _ in range(5):
        assert good.connect("10.0.0.20", 80)
    assert server.pings("10.0.0.30", 3)              # what it opens itself is another's account
    counted = await cloud.driver.counters([guest.port.id for guest in (bad, server, good)])
    assert counted[bad.port.id].tx_drops >= 5 * LIMIT
    assert counted[good.port.id].tx_drops == counted[server.port.id].rx_drops == 0


async def test_a_port_without_port_security_has_the_same_limit_whatever_addresses_it_makes_up(cloud, net):
    _, server, _ = await trio(cloud, net, allow("udp"))
    bad = (await cloud.guest(net, "10.0.0.40", port_security=False)).address()
    for number in range(50, 60):
        bad.run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")

    def from_all():
        for number in range(50, 60):
            sending = bad.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
            sending.bind((f"10.0.0.{number}", 0))
            for port in range(2000, 2000 + LIMIT):
                sending.sendto(b"x", ("10.0.0.20", port))
    await asyncio.to_thread(from_all)
    assert sum(tracked(cloud, f"10.0.0.{number}") for number in range(50, 60)) <= LIMIT + 1


async def test_an_account_is_free_again_when_its_connections_end(cloud, net):
    bad, server, _ = await trio(cloud, net, allow("udp"), allow("tcp"))
    server.listen(80)
    await asyncio.to_thread(flood, bad, "10.0.0.20", 4 * LIMIT)
    assert not bad.connect("10.0.0.20", 80)
    sh("conntrack", "-D", "-s", "10.0.0.10", namespace=cloud.plane)
    await until("the second that a full account is closed", lambda: bad.connect("10.0.0.20", 80))


async def test_what_comes_through_a_router_is_charged_to_the_guest_that_it_is_for(cloud, net):
    other = network(subnet("10.1.0.0/24", "10.1.0.1"))
    await cloud.driver.apply_network(other)
    await cloud.driver.apply_router(router((net, ("10.0.0.1/24",)), (other, ("10.1.0.1/24",))))
    _, server, good = await trio(cloud, net, allow("udp"), allow("tcp"), allow("icmp"))
    server.run("ip", "route", "replace", "default", "via", "10.0.0.1")
    bad = [(await cloud.guest(other, f"10.1.0.{number}", port_security=False)).address("10.1.0.1") for number in (5, 6, 7)]
    assert all([guest.pings("10.0.0.20", 3) for guest in bad])
    for guest in bad:
        await asyncio.to_thread(flood, guest, "10.0.0.20", 2 * LIMIT)
    zone = str(cloud.driver.zones.numbers[net.id])
    held = sh("conntrack", "-L", "-d", "10.0.0.20", "-w", zone, namespace=cloud.plane).splitlines()
    assert len(held) <= LIMIT + 1
    assert good.pings("10.0.0.20", 3) and server.pings("10.0.0.30", 3)
    assert (await cloud.driver.counters([server.port.id]))[server.port.id].rx_drops > 0


async def test_no_limit_is_none(make):
    cloud = await make(connections_per_port=0)
    net = network(subnet("10.0.0.0/24", "10.0.0.1"))
    await cloud.driver.apply_network(net)
    bad, _, _ = await trio(cloud, net, allow("udp"))
    await asyncio.to_thread(flood, bad, "10.0.0.20", 4 * LIMIT)
    assert tracked(cloud, "10.0.0.10") == 4 * LIMIT
    assert cloud.driver.firewall.compare() == []
