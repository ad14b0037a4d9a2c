"""What the kernel refuses or somebody changes touches itself only: the firewall is compared, and mended where it differs."""

import socket
import subprocess
import uuid
from dataclasses import replace

import pytest
import pytest_asyncio
from nd_cloud import allow, group, network, sh, subnet

from cloudd.drivers.network.base import AddressPair, DataplaneSpec, Ethertype, NetworkDriverError
from cloudd.drivers.network.linux import nft_state

pytestmark = pytest.mark.asyncio
EVERYBODY = ["::/0", "::/1", "8000::/1", "fe80::/10", "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.20/32",
             "fd00:a::20/128", "255.255.255.255", "::", "ff00::/8"]


@pytest_asyncio.fixture
async def net(cloud):
    spec = network(subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00:a::/64", dhcp=False))
    await cloud.driver.apply_network(spec)
    return spec


async def pair(cloud, net, sg, **more):
    await cloud.driver.apply_security_group(sg)
    client = await cloud.guest(net, "10.0.0.10", "fd00:a::10", port_security=False)
    server = await cloud.guest(net, "10.0.0.20", "fd00:a::20", groups=(sg.id,), **more)
    return client.address(), server.address()


class Watched:
    """Which texts the kernel was given."""

    def __init__(self, monkeypatch):
        self.texts = []
        real = nft_state.run
        monkeypatch.setattr(nft_state, "run", lambda namespace, text, *more, **options: (
            None if text.startswith("list") else self.texts.append(text), real(namespace, text, *more, **options))[1])


@pytest.fixture
def watched(monkeypatch):
    return Watched(monkeypatch)


@pytest.mark.parametrize("taken", EVERYBODY)
async def test_an_allowed_address_pair_that_the_api_takes_the_kernel_takes(cloud, net, taken):
    friends = group(allow("icmp"))
    trusting = group(*(allow(remote_group=friends.id, ethertype=kind) for kind in Ethertype))
    await cloud.driver.apply_security_group(trusting)
    client, server = await pair(cloud, net, friends)
    await cloud.driver.apply_port(replace(client.port, port_security=True, security_groups=(trusting.id,)))
    await cloud.reapply(server, allowed_pairs=(AddressPair(taken),))
    await cloud.reapply(server, allowed_pairs=tuple(AddressPair(one) for one in EVERYBODY[:10]))
    assert cloud.driver.firewall.compare() == []
    await cloud.restart()
    report = await cloud.driver.restore(DataplaneSpec((net,), (), (friends, trusting), (client.port, server.port)))
    assert report.failed == () and cloud.driver.firewall.compare() == []


async def test_a_guest_with_every_address_speaks_for_all_and_its_neighbour_for_its_own_only(cloud, net):
    sg = group(allow("icmp"), allow("icmp", ethertype=Ethertype.IPV6))
    client, server = await pair(cloud, net, sg, allowed_pairs=(AddressPair("::/0"), AddressPair("0.0.0.0/0")))
    other = (await cloud.guest(net, "10.0.0.30", "fd00:a::30", groups=(sg.id,))).address()
    for guest, passes in ((server, True), (other, False)):
        guest.run("ip", "addr", "add", "10.0.0.77/24", "dev", "eth0")
        guest.run("ip", "addr", "add", "fd00:a::77/64", "dev", "eth0", "nodad")
        assert pings(guest, "10.0.0.77", "10.0.0.10") is passes
        assert pings(guest, "fd00:a::77", "fd00:a::10") is passes
        guest.run("ip", "addr", "del", "10.0.0.77/24", "dev", "eth0")
        guest.run("ip", "addr", "del", "fd00:a::77/64", "dev", "eth0")
        client.run("ip", "neigh", "flush", "dev", "eth0")


def pings(guest, source, target):
    tool = "ping6" if ":" in target else "ping"
    return subprocess.run(["ip", "netns", "exec", guest.namespace, "busybox", tool, "-c", "2", "-W", "2", "-I", source, target],
                          capture_output=True, check=False).returncode == 0


async def test_a_rule_with_zeros_before_its_protocol_opens_its_port_only(cloud, net):
    client, server = await pair(cloud, net, group(allow("006", 22), allow("017", 53)))
    for port in (22, 23):
        server.listen(port)
    assert client.connect("10.0.0.20", 22)
    assert not client.connect("10.0.0.20", 23)
    assert arrives(client, server, 53) and not arrives(client, server, 54)


def arrives(client, server, port):
    listening, sending = (guest.make_socket(socket.AF_INET, socket.SOCK_DGRAM) for guest in (server, client))
    listening.bind(("", port))
    sending.sendto(b"x", ("10.0.0.20", port))
    try:
        return listening.recv(10) == b"x"
    except TimeoutError:
        return False


async def test_a_refusal_of_one_port_leaves_the_table_alone(cloud, net, watched):
    sg = group(allow("icmp"))
    client, server = await pair(cloud, net, sg)
    before = cloud.ruleset()
    del watched.texts[:]
    for _ in range(3):
        with pytest.raises(NetworkDriverError, match=server.port.id):
            await cloud.driver.apply_port(replace(server.port, mac="fa:16:3e:00:00:zz"))
        with pytest.raises(NetworkDriverError):
            await cloud.driver.apply_port(replace(server.port, id=str(uuid.uuid4()), security_groups=()))   # a tap that is another's
    assert cloud.ruleset() == before
    assert not any("delete table" in text for text in watched.texts)
    assert client.pings("10.0.0.20", 3)


async def test_a_start_with_nothing_changed_touches_nothing(cloud, net, watched):
    sg = group(allow("icmp"), allow("tcp", 22, remote_cidr="192.0.2.9/24"))
    client, server = await pair(cloud, net, sg, allowed_pairs=(AddressPair("10.0.0.64/26"), AddressPair("::/0")))
    wanted = DataplaneSpec((net,), (), (sg,), (client.port, server.port))
    await cloud.driver.restore(wanted)
    await cloud.restart()
    del watched.texts[:]
    await cloud.driver.restore(wanted)
    assert watched.texts == []


async def test_a_start_touches_what_changed_and_nothing_else(cloud, net, watched):
    sg = group(allow("icmp"))
    client, server = await pair(cloud, net, sg)
    await cloud.driver.restore(DataplaneSpec((net,), (), (sg,), (client.port, server.port)))
    await cloud.restart()
    del watched.texts[:]
    await cloud.driver.restore(DataplaneSpec((net,), (), (replace(sg, rules=(*sg.rules, allow("tcp", 80))),),
                                             (client.port, server.port)))
    text = "\n".join(watched.texts)
    assert f"flush chain {cloud.driver.firewall.bridge_table} sgi_" in text
    assert "delete table" not in text and "element" not in text and server.port.tap not in text
    server.listen(80)
    assert client.connect("10.0.0.20", 80)


DAMAGE = {
    "a deleted table": "delete table {bridge}",
    "a flushed ruleset": "flush ruleset",
    "a chain without its rules": "flush chain {bridge} spoof",
    "a rule from elsewhere": "insert rule {bridge} forward accept",
    "a tap out of the map": "flush map {bridge} in",
    "another verdict": "flush map {bridge} out\nadd element {bridge} out {{ \"{tap}\" : accept }}",
    "an address more": "add element {bridge} own4 {{ \"{tap}\" . {mac} . 10.0.0.99 }}",
    "no zones": "flush map {inet} zones",
    "a chain that is nobody's": "add chain {bridge} stray",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_what_somebody_changed_by_hand_is_told_and_mended(cloud, net, watched, damage):
    client, server = await pair(cloud, net, group(allow("tcp", 80)))
    for port in (80, 81):
        server.listen(port)
    wall, before = cloud.driver.firewall, cloud.ruleset()
    assert wall.compare() == []
    command = DAMAGE[damage].format(bridge=wall.bridge_table, inet=wall.inet_table, tap=server.port.tap, mac=server.port.mac)
    sh("nft", command, namespace=cloud.plane)
    told = wall.compare()
    assert told
    del watched.texts[:]
    assert wall.mend() == told and wall.compare() == []
    assert sorted(cloud.ruleset().split("\n")) == sorted(before.split("\n"))
    assert ("delete table" in watched.texts[0]) is (damage in ("a deleted table", "a flushed ruleset"))
    assert client.connect("10.0.0.20", 80) and not client.connect("10.0.0.20", 81)
    assert not client.pings("10.0.0.20")


async def test_a_change_mends_what_somebody_broke_meanwhile(cloud, net):
    sg = group(allow("tcp", 80))
    client, server = await pair(cloud, net, sg)
    sh("nft", "delete", "table", *cloud.driver.firewall.bridge_table.split(), namespace=cloud.plane)
    await cloud.driver.apply_security_group(replace(sg, rules=(*sg.rules, allow("icmp"))))
    assert cloud.driver.firewall.compare() == []
    assert client.pings("10.0.0.20", 3)
