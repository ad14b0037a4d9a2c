"""Who is answered by the metadata service: a guest that takes another's place on the network is not."""

import asyncio
import json
import socket
import struct
import threading

import pytest
from nd_cloud import allow, group, network, router, subnet, until

from cloudd.drivers.network.base import AddressPair
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
ARP, IP4, IP6, TCP, EVERYBODY = b"\x08\x06", b"\x08\x00", b"\x86\xdd", 6, b"\xff" * 6
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


class Wire:
    """All frames of a guest's interface, and any frame onto it."""

    def __init__(self, guest):
        self.raw = guest.make_socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.raw.bind(("eth0", 3))
        self.raw.setblocking(False)

    def answers(self):
        """What came in since the last asking, whomever it was for, that metadata had sent."""
        found = []
        while True:
            try:
                frame, where = self.raw.recvfrom(4000)
            except BlockingIOError:
                return found
            four = frame[12:14] == IP4 and frame[26:30] == socket.inet_aton(METADATA4)
            six = frame[12:14] == IP6 and frame[20] == TCP and frame[22:38] == socket.inet_pton(socket.AF_INET6, METADATA6)
            found += [frame] if (four or six) and where[2] != socket.PACKET_OUTGOING else []


def packed(mac):
    return bytes.fromhex(mac.replace(":", ""))


def claim(mac):
    """An ARP reply to everybody: the victim's address is at this MAC."""
    return EVERYBODY + mac + ARP + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + socket.inet_aton(VICTIM) + EVERYBODY + bytes(4)


def claim6(mac, address):
    """The same as a neighbour's advertisement, to all nodes."""
    source, target = (socket.inet_pton(socket.AF_INET6, one) for one in (address, "ff02::1"))
    body = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + source + bytes([2, 1]) + mac
    body = body[:2] + checksum(source + target + struct.pack("!HH", 58, len(body)) + body) + body[4:]
    return bytes.fromhex("333300000001") + mac + IP6 + struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + target + body


def moved(victim):
    """A frame that tells bridges that the victim's MAC is where this comes from."""
    return EVERYBODY + packed(victim.port.mac) + b"\x88\xb5" + bytes(46)


STEALS = {
    "neighbours": lambda thief, victim: [claim(packed(thief.port.mac)), *(
        claim6(packed(thief.port.mac), one) for one in (VICTIM6, link_local(victim)))],
    "bridge": lambda thief, victim: [moved(victim)],
}


@pytest.mark.parametrize("where", SERVER)
@pytest.mark.parametrize("believes", STEALS)
async def test_no_claim_to_be_another_guest_brings_its_answers(cloud, where, believes):
    net, victim, _ = await place(cloud, where)
    thief = await neighbour(cloud, net, where, OTHER, port_security=False)
    wire = Wire(thief)
    over = threading.Event()
    claiming = threading.Thread(target=claims, args=(wire.raw, STEALS[believes](thief, victim), over))
    claiming.start()
    try:
        heard = []
        for source in (VICTIM, VICTIM6, link_local(victim)) * 4:
            await asks(victim, source, 0.5)
            heard += wire.answers()
    finally:
        over.set()
        claiming.join()
    assert heard == []


def claims(raw, frames, over):
    while not over.wait(0.002):
        for frame in frames:
            raw.send(frame)


@pytest.mark.parametrize("tags", [(), (0x8100,), (0x88A8,), (0x8100, 0x8100)], ids=["plain", "tagged", "service-tagged", "tagged-twice"])
async def test_a_question_in_anothers_name_is_not_heard_however_it_is_wrapped(cloud, tags):
    net, victim, _ = await place(cloud, "dhcp")
    thief = await neighbour(cloud, net, "dhcp", OTHER, port_security=False)
    await cloud.reapply(victim, port_security=False)                     # an answer to what it did not ask comes through as well
    assert await asks(victim, VICTIM, 5) == VICTIM                        # so that it is known where the answer goes
    there, here = Wire(victim), Wire(thief)
    here.raw.send(question(thief, net, VICTIM, tags))
    here.raw.send(question(thief, net, OTHER, ()))
    assert await until("the answer to the thief's own question", here.answers)
    assert there.answers() == []


def question(guest, net, source, tags):
    """The first packet of a connection to metadata."""
    ends = socket.inet_aton(source) + socket.inet_aton(METADATA4)
    tcp = struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 0x50, 2, 8000, 0, 0)
    tcp = tcp[:16] + checksum(ends + struct.pack("!HH", TCP, len(tcp)) + tcp) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, TCP, 0) + ends
    head = head[:10] + checksum(head) + head[12:]
    return (packed(net.dhcp_port.mac) + packed(guest.port.mac) + b"".join(struct.pack("!HH", tag, 0) for tag in tags)
            + IP4 + head + tcp)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
