"""A right that ends takes its flows with it, also those on which a guest talks all the time; all others go on."""

import asyncio
from dataclasses import replace

import pytest
import pytest_asyncio
from nd_cloud import allow, group, network, sh, subnet, until
from nd_talk import begin

from cloudd.drivers.network.base import AddressPair, DataplaneSpec, Ethertype
from cloudd.drivers.network.linux.filter.ports import link_local

pytestmark = pytest.mark.asyncio
ADDRESSES = {4: "10.0.0.20", 6: "fd00:a::20"}
KINDS = [("tcp", 4), ("tcp", 6), ("udp", 4), ("udp", 6), ("icmp", 4)]
V6 = Ethertype.IPV6


@pytest_asyncio.fixture
async def net(cloud):
    spec = network(subnet("10.0.0.0/24", "10.0.0.1"), subnet("fd00:a::/64", dhcp=False))
    await cloud.driver.apply_network(spec)
    return spec


@pytest_asyncio.fixture
async def talks():
    begun = []
    yield begun
    for talk in begun:
        await asyncio.to_thread(talk.stop)


RULES = (allow("tcp", 5000), allow("udp", 5000), allow("icmp"), allow("tcp", 5000, ethertype=V6), allow("udp", 5000, ethertype=V6))


@pytest_asyncio.fixture
async def place(cloud, net, talks):
    return Place(cloud, net, talks)


class Place:
    """A client that may do all, and a server whose groups let it in."""

    def __init__(self, cloud, net, talks):
        self.cloud, self.net, self.talks = cloud, net, talks

    async def open(self, *rules, client=(), **more):
        self.group = group(*(rules or RULES))
        await self.cloud.driver.apply_security_group(self.group)
        self.client = (await self.cloud.guest(self.net, "10.0.0.10", "fd00:a::10", groups=client, port_security=bool(client))).address()
        self.server = (await self.cloud.guest(self.net, *ADDRESSES.values(), groups=(self.group.id,), **more)).address()

    async def talk(self, kind="tcp", address=ADDRESSES[4], port=5000):
        self.talks.append(await asyncio.to_thread(begin, self.client, self.server, kind, address, port))
        assert await asyncio.to_thread(self.talks[-1].flows)
        return self.talks[-1]

    async def rules(self, *rules):
        await self.cloud.driver.apply_security_group(replace(self.group, rules=(*self.group.rules[:2], *rules)))


async def flows(talk, seconds=20.0):
    """TCP tries again at intervals that double."""
    return await asyncio.to_thread(talk.flows, seconds)


async def silent(talk):
    return await asyncio.to_thread(talk.silent)


@pytest.mark.parametrize("kind, version", KINDS)
async def test_a_flow_that_talks_all_the_time_ends_when_its_rule_goes(place, kind, version):
    await place.open()
    talk = await place.talk(kind, ADDRESSES[version])
    await place.rules()
    assert await silent(talk) and await silent(talk)
    await place.rules(*RULES)
    assert await flows(talk)                         # and goes on when the rule is back


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_between_link_local_addresses_ends_with_its_rule(place, kind):
    await place.open()
    for guest in (place.client, place.server):
        await until("addresses that nobody else has", lambda guest=guest: "tentative" not in guest.run("ip", "-6", "addr"))
    talk = await place.talk(kind, str(link_local(place.server.port.mac).network_address))
    await place.rules()
    assert await silent(talk)


async def test_a_flow_ends_when_its_rule_is_changed_for_another(place):
    await place.open()
    talk = await place.talk()
    await place.rules(*RULES[1:], allow("tcp", 5001, 5009), allow("tcp", 5000, remote_cidr="10.0.0.64/26"))
    assert await silent(talk)


async def test_flows_that_another_rule_allows_go_on(place):
    await place.open(*RULES, allow("tcp", 6000, 6001), allow(remote_cidr="10.0.0.8/29"))
    one, other = await place.talk("tcp", port=5000), await place.talk("udp", port=6000)
    await place.rules(allow("tcp", 5000), allow("udp", 6000, 6001))
    assert await asyncio.to_thread(one.flows, 0.5) and await asyncio.to_thread(other.flows, 0.5)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_ends_when_the_group_is_taken_away_or_changed(place, kind):
    await place.open()
    talk, other = await place.talk(kind), group()
    await place.cloud.driver.apply_security_group(other)
    await place.cloud.reapply(place.server, security_groups=(other.id,))
    assert await silent(talk)
    await place.cloud.reapply(place.server, security_groups=(other.id, place.group.id))
    assert await flows(talk)
    await place.cloud.reapply(place.server, security_groups=())
    assert await silent(talk)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_ends_when_its_egress_rule_goes(place, kind):
    outward = group()
    await place.cloud.driver.apply_security_group(outward)
    await place.open(client=(outward.id,))
    talk = await place.talk(kind)
    await place.cloud.driver.apply_security_group(replace(outward, rules=()))
    assert await silent(talk)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_ends_when_port_security_is_turned_on(place, kind):
    await place.open(port_security=False)
    talk = await place.talk(kind, port=7000)
    await place.cloud.reapply(place.server, port_security=True)
    assert await silent(talk)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["leaves", "is gone"])
async def test_a_flow_ends_when_the_remote_group_loses_its_member(place, kind, how):
    friends = group()
    await place.cloud.driver.apply_security_group(friends)
    await place.open(allow(kind, 5000, remote_group=friends.id), client=(friends.id,))
    talk, other = await place.talk(kind), group()
    await place.cloud.driver.apply_security_group(other)
    if how == "leaves":
        await place.cloud.reapply(place.client, security_groups=(other.id,))
    else:
        await place.cloud.driver.remove_port(place.client.port.id)
    assert await silent(talk)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_ends_when_its_address_pair_is_gone(place, kind):
    """The guest's own part, at once; what others send to an address that is nobody's any more opens nothing."""
    await place.open(allowed_pairs=(AddressPair("10.0.0.99"),))
    place.server.run("ip", "addr", "add", "10.0.0.99/24", "dev", "eth0")
    talk = await place.talk(kind, "10.0.0.99")
    await place.cloud.reapply(place.server, allowed_pairs=())
    assert not await asyncio.to_thread(talk.heard, talk.ends[0], 1.5)
    if kind == "tcp":
        assert await silent(talk)


async def test_a_flow_whose_rule_went_while_nobody_watched_ends_at_the_start(place):
    await place.open()
    talk, kept = await place.talk("tcp"), await place.talk("udp")
    await place.cloud.restart()
    bare = replace(place.group, rules=(*place.group.rules[:2], RULES[1]))
    await place.cloud.driver.restore(DataplaneSpec((place.net,), (), (bare,), (place.client.port, place.server.port)))
    assert await silent(talk) and await asyncio.to_thread(kept.flows, 0.5)


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_a_flow_that_began_while_the_rules_were_gone_ends_when_they_are_back(place, kind):
    """As where the kernel takes no program that guards a bridge's ports."""
    await place.open()
    assert await place.cloud.driver.mend_firewall() == []
    for guest in (place.client, place.server):
        sh("tc", "qdisc", "delete", "dev", guest.port.tap, "clsact", namespace=place.cloud.plane)
    sh("nft", "delete", "table", *place.cloud.driver.firewall.bridge_table.split(), namespace=place.cloud.plane)
    forbidden, kept = await place.talk(kind, port=7000), await place.talk(kind)
    assert await place.cloud.driver.mend_firewall() == [place.cloud.driver.firewall.bridge_table]
    assert await silent(forbidden) and await asyncio.to_thread(kept.flows, 0.5)


async def test_a_tcp_flow_is_not_picked_up_in_its_middle(place):
    """Its entry is gone, as after a flush: what the guest says next is no connection of its own."""
    await place.open()
    talk = await place.talk("tcp")
    sh("conntrack", "-F", namespace=place.cloud.plane)
    assert await silent(talk)
