"""A network that is joined to the LAN: what strangers there hear of us, and what becomes of the card that joins it."""

import re
import uuid
from dataclasses import replace

import pytest
from nd_cloud import allow, group, host_of, network, new_cloud, router, sh, subnet, until
from nd_dhcpv6 import lease
from nd_lan import DISCOVER, INFORM, REQUEST, Stranger, advertisements, dhcp_answers, dhcpv6_answers

from cloudd.drivers.network.base import DataplaneSpec, Ethertype, Ipv6Mode, NetworkDriverError, NetworkKind, NetworkSpec

pytestmark = pytest.mark.asyncio
SOLICIT, CONFIRM, RENEW, REBIND, INFORMATION = 1, 4, 5, 6, 11
MODES = {"stateful": Ipv6Mode.STATEFUL, "stateless": Ipv6Mode.STATELESS}


def lan(cloud):
    """The LAN's namespace; its cable ends at the host's interface `uplink`, which nothing else uses."""
    name = cloud.namespace("lan")
    sh("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", name, namespace=cloud.host)
    sh("ip", "addr", "add", "198.51.100.9/24", "dev", "eth0", namespace=name)
    sh("ip", "link", "set", "eth0", "up", namespace=name)
    return name


async def joined(cloud, ra_mode=None, mode=Ipv6Mode.STATEFUL):
    """A network on the LAN that serves DHCP, its guest, and the stranger."""
    name = lan(cloud)
    net = NetworkSpec(str(uuid.uuid4()), NetworkKind.BRIDGED, external=True, physical_network="lan", subnets=(
        subnet("198.51.100.0/24", "198.51.100.1"),
        subnet("fd00:c::/64", "fd00:c::1", ipv6_ra_mode=ra_mode, ipv6_address_mode=mode)))
    net = replace(net, dhcp_port=network(dhcp=("198.51.100.2/24", "fd00:c::2/64")).dhcp_port)
    await cloud.driver.apply_network(net)
    sg = group(allow("icmp"), allow("icmp", ethertype=Ethertype.IPV6))
    await cloud.driver.apply_security_group(sg)
    guest = await cloud.guest(net, "198.51.100.50", "fd00:c::50", groups=(sg.id,))
    net = replace(net, hosts=(host_of(guest),))
    await cloud.driver.apply_network(net)
    return net, guest, Stranger(cloud, name)


async def test_a_stranger_on_the_lan_with_another_routers_lease_hears_no_dhcp_server(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    _, guest, stranger = await joined(cloud)
    stranger.dhcp(REQUEST, requested="192.168.7.9")                       # a reboot with a lease of somewhere else
    stranger.dhcp(REQUEST, requested="198.51.100.77")                     # and one of the same range
    stranger.dhcp(REQUEST, requested="198.51.100.77", server="198.51.100.1")
    stranger.dhcp(REQUEST, requested="198.51.100.77", server="198.51.100.2")
    stranger.dhcp(REQUEST, ciaddr="198.51.100.77")                        # a lease that is to be renewed
    stranger.dhcp(DISCOVER)
    stranger.dhcp(INFORM, ciaddr="198.51.100.77")
    assert guest.dhcp()["ip"] == "198.51.100.50"                          # asked after all these, and answered
    assert dhcp_answers(stranger.heard()) == []


async def test_a_stranger_on_the_lan_hears_no_dhcpv6_server(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    _, guest, stranger = await joined(cloud)
    for namespace in (guest.namespace, cloud.namespaces[1]):
        await until("a link-local address", lambda name=namespace: "fe80::" in sh(
            "ip", "-6", "addr", "show", "dev", "eth0", "-tentative", namespace=name))
    for kind in (SOLICIT, CONFIRM, RENEW, REBIND, INFORMATION):
        stranger.dhcpv6(kind, "fd00:77::9")                               # of somewhere else
        stranger.dhcpv6(kind, "fd00:c::77")                               # of the same range
    assert lease(guest) == ("fd00:c::50", "fd00:c::2")
    assert dhcpv6_answers(stranger.heard()) == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asked", [True, False], ids=["asked-of-our-router", "left-to-others"])
async def test_no_router_advertisement_leaves_to_the_lan(make, mode, asked):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    net, guest, stranger = await joined(cloud, MODES[mode] if asked else None, MODES[mode])
    await cloud.driver.apply_router(router((net, ("198.51.100.3/24", "fd00:c::3/64"))))
    for namespace in (guest.namespace, cloud.namespaces[1]):
        await until("a link-local address", lambda name=namespace: "fe80::" in sh(
            "ip", "-6", "addr", "show", "dev", "eth0", "-tentative", namespace=name))
    stranger.solicit()
    assert guest.dhcp()["ip"] == "198.51.100.50"
    assert advertisements(stranger.heard()) == []
    assert not list(cloud.state.glob("ra/*"))                             # nobody who would do so later


async def test_a_guest_on_the_lan_renews_its_lease_after_the_server_was_started_again(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    net, guest, _ = await joined(cloud)
    assert guest.dhcp()["ip"] == "198.51.100.50"
    await cloud.driver.apply_network(replace(net, dns_domain="other.example"))          # it forgets what it leased
    assert guest.dhcp()["domain"] == "other.example"


# The interface that is taken

CARD = "link add uplink type veth peer name far"


def host_with_card(cloud, *commands):
    """A host whose interface `uplink` is as these commands of ip make it."""
    for command in (CARD, *commands):
        sh("ip", *command.split(), namespace=cloud.host)


@pytest.mark.parametrize("commands, said", [
    (["addr add 192.0.2.5/24 dev uplink"], "uplink has the address 192.0.2.5/24"),
    (["addr add fd00:d::5/64 dev uplink"], "uplink has the address fd00:d::5/64"),
    (["link set uplink up", "link set far up", "route add default dev uplink"], "uplink has the default route of IPv4"),
    (["link add br9 type bridge", "link set uplink master br9", "addr add 192.0.2.5/24 dev br9"], "br9 has the address 192.0.2.5/24"),
    (["link add link uplink name mv0 type macvlan", "addr add 192.0.2.5/24 dev mv0"], "mv0 has the address 192.0.2.5/24"),
], ids=["address", "address6", "default-route", "bridge-above", "interface-above"])
async def test_the_hosts_only_card_is_not_taken(commands, said):
    cloud = new_cloud("card", outbound=True, uplinks=(("lan", "uplink"),))
    try:
        host_with_card(cloud, *commands)
        before = host_state(cloud)
        with pytest.raises(NetworkDriverError, match=said):
            await cloud.open()
        assert host_state(cloud) == before
    finally:
        await cloud.destroy()


def host_state(cloud):
    return [sh("ip", "-o", *what.split(), namespace=cloud.host) for what in ("link", "addr", "route", "-6 route")]


async def test_a_card_that_was_given_an_address_since_is_not_taken(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    host_with_card(cloud, "addr add 192.0.2.5/24 dev uplink", "link set uplink up")
    before = host_state(cloud)
    with pytest.raises(NetworkDriverError, match=r"uplink has the address 192\.0\.2\.5/24"):
        await cloud.driver.apply_network(flat())
    assert host_state(cloud) == before


def flat(**more):
    return NetworkSpec(str(uuid.uuid4()), NetworkKind.BRIDGED, physical_network="lan", mtu=1400, **more)


USES = ["link set far up", "link set uplink up", "link set uplink mtu 1480", "link set uplink alias spare-card",
        "route add 203.0.113.0/24 dev uplink", "-6 route add fd00:e::/64 dev uplink"]


@pytest.mark.parametrize("restarted", [False, True], ids=["in-one-run", "by-another-run"])
async def test_a_card_is_given_back_as_it_was(make, restarted):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    host_with_card(cloud, *USES, "link add br9 type bridge", "link set uplink master br9")
    before = [without_times(text) for text in host_state(cloud)]
    net = flat()
    await cloud.driver.apply_network(net)
    assert "uplink@" not in sh("ip", "-o", "link", "show", namespace=cloud.host).replace("far@uplink", "")
    if restarted:
        await cloud.restart()
        await cloud.driver.restore(DataplaneSpec())
    else:
        await cloud.driver.remove_network(net.id)
    assert [without_times(text) for text in host_state(cloud)] == before
    assert await cloud.driver.apply_network(net) is None                  # and may be taken again


async def test_a_card_that_was_down_is_given_back_down(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    host_with_card(cloud)
    net = flat()
    await cloud.driver.apply_network(net)
    await cloud.driver.remove_network(net.id)
    assert "state DOWN" in sh("ip", "-o", "link", "show", "uplink", namespace=cloud.host)


async def test_a_card_that_was_half_given_back_is_finished_at_the_next_start(make):
    cloud = await make(outbound=True, uplinks=(("lan", "uplink"),))
    host_with_card(cloud, *USES)
    before = [without_times(text) for text in host_state(cloud)]
    await cloud.driver.apply_network(flat())
    sh("ip", "link", "set", "uplink", "netns", cloud.host, namespace=cloud.plane)        # there the daemon was killed
    await cloud.restart()
    await cloud.driver.restore(DataplaneSpec())
    assert [without_times(text) for text in host_state(cloud)] == before


def without_times(text):
    """Interfaces' numbers and the lower end's namespace change when one moves away and back."""
    lines = (re.sub(r"^\d+: |qlen \d+|link-netns\S* \S+|M-DOWN,|@\w+|state \w+|qdisc \w+| linkdown| tentative", "", line)
             for line in text.splitlines())
    return sorted(" ".join(line.split()) for line in lines)
