"""A network that is joined to the LAN: what strangers there hear of us."""

import uuid
from dataclasses import replace

import pytest
from nd_cloud import allow, group, host_of, network, router, sh, subnet, until
from nd_dhcpv6 import lease
from nd_lan import DISCOVER, INFORM, REQUEST, Stranger, advertisements, dhcp_answers, dhcpv6_answers

from cloudd.drivers.network.base import Ethertype, Ipv6Mode, NetworkKind, NetworkSpec

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
