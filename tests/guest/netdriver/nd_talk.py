"""Two guests that talk all the time, each whether it is answered or not."""

import socket
import struct
import threading
from contextlib import suppress

from cloudd.drivers.network.linux import netns

PACE = 0.02


class Talk:
    """One flow. `ends` are the sockets of who began it and of who answers; an ICMP flow has the first only."""

    def __init__(self, *ends):
        self.ends = ends
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.speak, args=(end,), daemon=True) for end in ends]
        for end in ends:
            end.setblocking(False)
        for thread in self.threads:
            thread.start()

    def speak(self, end):
        while not self.over.wait(PACE):
            with suppress(OSError):
                end.send(echo_request() if end.type == socket.SOCK_RAW else b"x")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def flows(self, seconds=5.0):
        """Whether each end hears the other."""
        return all(self.heard(end, seconds) for end in self.ends)

    def silent(self, seconds=1.5):
        """Whether neither end hears anything for so long."""
        return not any(self.heard(end, seconds) for end in self.ends)

    def heard(self, end, seconds):
        with suppress(BlockingIOError):
            while end.recv(65536):
                pass
        end.settimeout(seconds)
        try:
            return bool(end.recv(65536))
        except OSError:
            return False
        finally:
            end.setblocking(False)


def echo_request(number=77):
    head = struct.pack("!BBHHH", 8, 0, 0, number, 1)
    total = sum(struct.unpack("!4H", head))
    return struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, number, 1)


def begin(client, server, kind, address, port=5000):
    """A flow of `kind` (tcp, udp, icmp) from the client to an address of the server's, on which both talk from now on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    target = seen_by(client, address, port)
    if kind == "icmp":
        one = client.make_socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        one.connect(target)
        return Talk(one)
    if kind == "udp":
        one, other = client.make_socket(family, socket.SOCK_DGRAM), server.make_socket(family, socket.SOCK_DGRAM)
        other.bind(seen_by(server, address, port))
        one.connect(target)
        one.send(b"x")
        _, peer = other.recvfrom(10)
        other.connect(peer)
        return Talk(one, other)
    listening = server.listen(port, six=":" in address)
    one = client.make_socket(family, socket.SOCK_STREAM)
    one.settimeout(10)
    one.connect(target)
    other, _ = listening.accept()
    return Talk(one, other)


def seen_by(guest, address, port):
    """A link-local address needs the interface that it is behind."""
    if not address.startswith("fe80:"):
        return address, port
    with netns.inside(guest.namespace):
        return address, port, 0, socket.if_nametoindex("eth0")
