"""A machine on the LAN that an external network is joined to: it speaks DHCP with any address, and hears every frame."""

import os
import socket
import struct

from nd_cloud import sh

from cloudd.drivers.network.linux import netns

DISCOVER, REQUEST, INFORM = 1, 3, 8
REQUESTED, KIND, SERVER = 50, 53, 54
MAC = "52:54:00:00:00:09"
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134


class Stranger:
    """One that rebooted with another router's lease, and is none of our guests."""

    def __init__(self, cloud, namespace: str, interface: str = "eth0"):
        sh("ip", "link", "set", interface, "address", MAC, namespace=namespace)
        with netns.inside(namespace):
            self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.raw.bind((interface, 3))
            self.six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            self.udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            self.index = socket.if_nametoindex(interface)
        self.raw.setblocking(False)
        self.six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        cloud.sockets += [self.raw, self.six, self.udp6]

    def dhcp(self, kind: int, ciaddr: str = "0.0.0.0", **options: str) -> None:
        """Broadcast one message: `requested` and `server` are its options."""
        said = b"\x63\x82\x53\x63" + bytes([KIND, 1, kind])
        for code, value in ((REQUESTED, options.get("requested")), (SERVER, options.get("server"))):
            said += bytes([code, 4]) + socket.inet_aton(value) if value else b""
        mac = bytes.fromhex(MAC.replace(":", ""))
        body = struct.pack("!BBBBIHH", 1, 1, 6, 0, 77, 0, 0x8000) + socket.inet_aton(ciaddr) + bytes(12) + mac + bytes(202) + said + b"\xff"
        udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + socket.inet_aton(ciaddr) + b"\xff" * 4
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
        self.raw.send(b"\xff" * 6 + mac + b"\x08\x00" + head + udp)

    def solicit(self) -> None:
        """Ask for a router."""
        self.six.sendto(bytes([ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, self.index))

    def dhcpv6(self, kind: int, address: str) -> None:
        """One message to all servers, about an address that another server gave."""
        identity = struct.pack("!HHHH", 1, 10, 3, 1) + bytes.fromhex(MAC.replace(":", ""))
        held = struct.pack("!HH16sII", 5, 24, socket.inet_pton(socket.AF_INET6, address), 0, 0)
        wish = struct.pack("!HHIII", 3, 12 + len(held), 1, 0, 0) + held
        self.udp6.sendto(bytes([kind]) + os.urandom(3) + identity + wish, ("ff02::1:2", 547, 0, self.index))

    def heard(self) -> list[bytes]:
        """Every frame since the last asking."""
        frames = []
        while True:
            try:
                frames.append(self.raw.recv(4000))
            except BlockingIOError:
                return frames


def dhcp_answers(frames: list[bytes]) -> list[bytes]:
    """Those of a DHCP server to the stranger."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    return [frame for frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[34:36] == b"\x00\x43"
            and mac in frame[42:]]


def dhcpv6_answers(frames: list[bytes]) -> list[bytes]:
    mac = bytes.fromhex(MAC.replace(":", ""))
    return [frame for frame in frames if frame[12:14] == b"\x86\xdd" and frame[20] == 17 and frame[54:56] == b"\x02\x23"
            and frame[:6] == mac]


def advertisements(frames: list[bytes]) -> list[bytes]:
    return [frame for frame in frames if frame[12:14] == b"\x86\xdd" and frame[20] == 58 and frame[54] == ROUTER_ADVERTISEMENT]
