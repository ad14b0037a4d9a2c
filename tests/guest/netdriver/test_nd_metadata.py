"""Who is answered by the metadata service: a guest that takes another's place on the network is not."""

import asyncio
import json
import socket
import struct
from dataclasses import replace

import pytest
from nd_cloud import allow, group, network, router, subnet, until

from cloudd.drivers.network.base import AddressPair, FloatingIp
from cloudd.drivers.network.linux import firewall_ports, netns
from cloudd.drivers.network.linux.dhcp import METADATA4, METADATA6

pytestmark = pytest.mark.asyncio
VICTIM, OTHER = "10.0.0.20", "10.0.0.66"
VICTIM6 = "fd00:a::20"
SERVER = {"dhcp": "10.0.0.2", "router": "10.0.0.1"}
RIGHTS = {
    "pair": lambda victim: {"allowed_pairs": (AddressPair(VICTIM), AddressPair(VICTIM6))},
    "wide-pair": lambda victim: {"allowed_pairs": (AddressPair("10.0.0.0/24"), AddressPair("fd00:a::/64"))},
    "pair-with-mac": lambda victim: {"allowed_pairs": (AddressPair(VICTIM, victim.port.mac), AddressPair(VICTIM6, victim.port.mac))},
    "no-security": lambda victim: {"port_security": False},
}
ATTACKS = [(place, rights) for place in SERVER for rights in RIGHTS]


async def place(cloud, where):
    """A network whose metadata is answered by its DHCP port or by its router, and a guest that has some."""
    sg = group(allow("icmp"), allow("udp"))
    await cloud.driver.apply_security_group(sg)
    net = network(subnet("10.0.0.0/24", "10.0.0.1", dhcp=where == "dhcp"), subnet("fd00:a::/64", dhcp=False),
                  dhcp=("10.0.0.2/24", "fd00:a::2/64") if where == "dhcp" else ())
    await cloud.driver.apply_network(net)
    if where == "router":
        await cloud.driver.apply_router(router((net, ("10.0.0.1/24", "fd00:a::1/64"))))
    victim = await neighbour(cloud, net, where, VICTIM, VICTIM6, groups=(sg.id,))
    return net, victim, sg


async def neighbour(cloud, net, where, *addresses, **more):
    guest = (await cloud.guest(net, *addresses, **more)).address()
    guest.run("ip", "route", "replace", METADATA4, "via", SERVER[where])
    await until("the link-local address", lambda: "fe80::" in guest.run("ip", "-6", "addr", "show", "dev", "eth0", "-tentative"))
    return guest


async def asks(guest, source, patience=2):
    """Whom metadata takes for who asks from this address; None: nobody is answered."""
    return await asyncio.to_thread(ask, guest, source, patience)


def ask(guest, source, patience):
    made = guest.make_socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(patience)
    try:
        made.bind(on_link(guest, source, 0))
        made.connect(on_link(guest, METADATA6 if ":" in source else METADATA4, 80))
        made.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return json.loads(made.makefile("rb").read().split(b"\r\n\r\n")[1])["from"]
    except OSError:
        return None
    finally:
        made.close()


def on_link(guest, address, port):
    if ":" not in address:
        return address, port
    with netns.inside(guest.namespace):
        return address, port, 0, socket.if_nametoindex("eth0")


def takes_over(guest, victim, mac):
    """Its own interface becomes the victim's."""
    if mac:
        guest.run("ip", "link", "set", "eth0", "down")
        guest.run("ip", "link", "set", "eth0", "address", victim.port.mac, "up")
    for address in (f"{VICTIM}/24", f"{VICTIM6}/64", f"{link_local(victim)}/64"):
        guest.run("ip", "addr", "replace", address, "dev", "eth0", "nodad")


def link_local(guest):
    return str(firewall_ports.link_local(guest.port.mac).network_address)


@pytest.mark.parametrize("where, rights", ATTACKS)
async def test_a_guest_with_the_address_of_another_does_not_read_its_metadata(cloud, where, rights):
    net, victim, sg = await place(cloud, where)
    more = RIGHTS[rights](victim)
    thief = await neighbour(cloud, net, where, OTHER, "fd00:a::66", **({"groups": (sg.id,)} if "allowed_pairs" in more else {}), **more)
    for source in (OTHER, link_local(thief)):
        assert await asks(thief, source, 5) == source                    # its own it reads
    takes_over(thief, victim, mac=rights == "pair-with-mac")
    thief.run("ip", "route", "replace", METADATA4, "via", SERVER[where])
    thief.run("ip", "neigh", "flush", "dev", "eth0")                     # it asks for the service's MAC in the victim's name
    for source in (VICTIM, VICTIM6, link_local(victim)):
        assert await asks(thief, source) is None
