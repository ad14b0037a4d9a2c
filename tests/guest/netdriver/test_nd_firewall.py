"""Security groups and anti-spoofing between guests of one bridge."""

import ipaddress
import socket
import struct
import subprocess
from dataclasses import replace

import pytest
import pytest_asyncio
from nd_cloud import allow, group, mac, network, subnet, until

from cloudd.drivers.network.base import AddressPair, DataplaneSpec, Ethertype
from cloudd.drivers.network.linux.filter import ports as firewall_ports

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def net(cloud):
    spec = network(subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00:a::/64", dhcp=False))
    await cloud.driver.apply_network(spec)
    return spec


async def pair(cloud, net, sg):
    """A client that may do all, and a server in the group."""
    await cloud.driver.apply_security_group(sg)
    client = await cloud.guest(net, "10.0.0.10", "fd00:a::10", port_security=False)
    server = await cloud.guest(net, "10.0.0.20", "fd00:a::20", groups=(sg.id,))
    return client.address(), server.address()


async def test_only_what_a_rule_allows_comes_in(cloud, net):
    client, server = await pair(cloud, net, group(allow("tcp", 80, 90), allow("icmp", ethertype=Ethertype.IPV6)))
    for port in (85, 91):
        server.listen(port)
    assert client.connect("10.0.0.20", 85)
    assert not client.connect("10.0.0.20", 91)
    assert not client.pings("10.0.0.20")
    assert client.pings("fd00:a::20", 3)
    assert server.pings("10.0.0.10", 3)              # answers to what the guest asked come back


async def test_a_firewall_that_is_older_than_the_first_bridge_filters(cloud):
    """As when a daemon starts for the first time: its frame of rules is there before any network."""
    await cloud.driver.restore(DataplaneSpec())
    net = network(subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00:a::/64", dhcp=False))
    await cloud.driver.apply_network(net)
    client, server = await pair(cloud, net, group(allow("tcp", 80)))
    for port in (80, 81):
        server.listen(port)
    assert client.connect("10.0.0.20", 80)
    assert not client.connect("10.0.0.20", 81)
    assert not client.pings("10.0.0.20")
    assert not client.pings("fd00:a::20")


async def test_a_port_without_groups_is_closed_both_ways(cloud, net):
    client = (await cloud.guest(net, "10.0.0.10", port_security=False)).address()
    closed = (await cloud.guest(net, "10.0.0.20")).address()
    assert not client.pings("10.0.0.20")
    assert not closed.pings("10.0.0.10")


async def test_a_flow_ends_when_its_rule_goes(cloud, net):
    sg = group(allow("tcp", 80), allow("icmp"), egress=False)
    client, server = await pair(cloud, net, sg)
    listening = server.listen(80)
    flow = client.connect("10.0.0.20", 80)
    answer, _ = listening.accept()
    answer.settimeout(2)
    assert echoed(flow, answer)
    await cloud.driver.apply_security_group(replace(sg, rules=sg.rules[1:]))
    assert not echoed(flow, answer)
    assert client.pings("10.0.0.20", 3)
    await cloud.driver.apply_security_group(sg)
    answer.settimeout(10)
    assert answer.recv(100)                          # the client's TCP tries again


def echoed(flow, answer):
    flow.sendall(b"x")
    try:
        return answer.recv(100) == b"x"
    except TimeoutError:
        return False


async def test_remote_group_follows_its_members(cloud, net):
    friends = group()
    await cloud.driver.apply_security_group(friends)
    sg = group(allow("icmp", remote_group=friends.id), allow("icmp", ethertype=Ethertype.IPV6, remote_group=friends.id))
    await cloud.driver.apply_security_group(sg)
    server = (await cloud.guest(net, "10.0.0.20", "fd00:a::20", groups=(sg.id,))).address()
    friend = (await cloud.guest(net, "10.0.0.10", "fd00:a::10", groups=(friends.id,))).address()
    other = (await cloud.guest(net, "10.0.0.11", groups=(sg.id,))).address()
    assert friend.pings("10.0.0.20", 3) and friend.pings("fd00:a::20", 3)
    assert not other.pings("10.0.0.20")
    await cloud.reapply(friend, security_groups=(sg.id,))
    assert not friend.pings("10.0.0.20")
    await cloud.reapply(other, security_groups=(sg.id, friends.id))
    assert other.pings("10.0.0.20", 3)
    assert not server.pings("10.0.0.10")


async def test_spoofed_addresses_are_dropped_and_allowed_pairs_pass(cloud, net):
    sg = group(allow("icmp"))
    client, server = await pair(cloud, net, sg)
    assert server.pings("10.0.0.10", 3)
    server.run("ip", "addr", "add", "10.0.0.66/24", "dev", "eth0")
    server.run("ip", "addr", "add", "10.0.0.77/24", "dev", "eth0")
    for source in ("10.0.0.66", "10.0.0.77"):
        assert not pings_from(server, source)
    await cloud.reapply(server, allowed_pairs=(AddressPair("10.0.0.64/30"),))
    await until("the allowed address", lambda: pings_from(server, "10.0.0.66"))
    assert not pings_from(server, "10.0.0.77")
    assert client.pings("10.0.0.20", 3)
    server.run("ip", "link", "set", "eth0", "address", mac(999))
    assert not server.pings("10.0.0.10")


def pings_from(guest, source):
    return subprocess.run(["ip", "netns", "exec", guest.namespace, "busybox", "ping", "-c", "1", "-W", "1", "-I", source,
                           "10.0.0.10"], capture_output=True, check=False).returncode == 0


async def test_guests_cannot_serve_dhcp(cloud, net):
    client, server = await pair(cloud, net, group())
    assert server.pings("10.0.0.10", 3)
    assert sent(server, client, 167, 168)
    assert not sent(server, client, 67, 68)


def sent(source, target, sport, dport):
    """Whether a datagram arrives."""
    listening = target.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("", dport))
    sending = source.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
    sending.bind(("", sport))
    sending.sendto(b"x", (target.port.addresses[0], dport))
    try:
        return listening.recv(10) == b"x"
    except TimeoutError:
        return False


async def test_guests_cannot_advertise_routers_or_others_addresses(cloud, net):
    client, server = await pair(cloud, net, group())
    raw = client.make_socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
    raw.bind(("eth0", 0x86DD))
    own = firewall_ports.link_local(server.port.mac).network_address.packed
    assert not seen(raw, server, own, 134, b"\x40" + bytes(11))
    assert not seen(raw, server, own, 136, bytes.fromhex("20000000") + ipv6("fd00:a::1"))
    assert seen(raw, server, own, 136, bytes.fromhex("20000000") + ipv6("fd00:a::20"))
    assert not seen(raw, server, ipv6("fe80::1"), 136, bytes.fromhex("20000000") + ipv6("fd00:a::20"))


def ipv6(address):
    return ipaddress.ip_address(address).packed


def seen(raw, server, source, kind, body):
    """Whether an ICMPv6 message that the server sends to all nodes comes to the raw socket."""
    target = ipv6("ff02::1")
    payload = bytes([kind, 0, 0, 0]) + body
    total = sum(struct.unpack(f"!{(len(source + target + payload)) // 2}H", source + target + payload)) + len(payload) + 58
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    payload = payload[:2] + struct.pack("!H", ~total & 0xFFFF) + payload[4:]
    frame = (bytes.fromhex("333300000001") + bytes.fromhex(server.port.mac.replace(":", "")) + b"\x86\xdd"
             + struct.pack("!IHBB", 6 << 28, len(payload), 58, 255) + source + target + payload)
    out = server.make_socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind(("eth0", 0))
    out.send(frame)
    raw.settimeout(0.7)
    try:
        while raw.recv(2000) != frame:
            pass
    except TimeoutError:
        return False
    return True


async def test_an_admin_down_port_passes_nothing(cloud, net):
    client, server = await pair(cloud, net, group(allow("icmp")))
    assert client.pings("10.0.0.20", 3)
    await cloud.reapply(server, admin_state_up=False)
    assert not client.pings("10.0.0.20")
    await cloud.reapply(server, admin_state_up=True)
    await until("the port again", lambda: client.pings("10.0.0.20"))


async def test_stateless_groups_do_not_let_answers_in(cloud, net):
    sg = group(stateful=False)
    client, server = await pair(cloud, net, sg)
    assert not server.pings("10.0.0.10")
    await cloud.driver.apply_security_group(replace(sg, rules=(*sg.rules, allow("icmp", 0))))
    assert server.pings("10.0.0.10", 3)
