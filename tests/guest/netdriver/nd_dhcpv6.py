"""As much of a DHCPv6 client as a test needs: one REQUEST by SOLICIT with rapid answers read back."""

import os
import socket
import struct

SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, IA_NA, IAADDR, ORO, DNS = 1, 2, 3, 5, 6, 23


def lease(guest) -> tuple[str, str] | None:
    """(address, DNS server), or None when nobody answered."""
    hardware = bytes.fromhex(guest.port.mac.replace(":", ""))
    identity = option(CLIENT_ID, struct.pack("!HH", 3, 1) + hardware)
    talk = guest.make_socket(socket.AF_INET6, socket.SOCK_DGRAM)
    talk.settimeout(1.5)
    index = int(guest.run("cat", "/sys/class/net/eth0/ifindex"))
    talk.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    talk.bind(("::", 546))
    wish = option(ORO, struct.pack("!H", DNS)) + option(8, b"\0\0")
    try:
        offered = ask(talk, index, SOLICIT, identity + wish + option(IA_NA, hardware[2:] + bytes(8)))
        if offered is None:
            return None
        given = ask(talk, index, REQUEST, identity + wish + option(SERVER_ID, offered[SERVER_ID]) + option(IA_NA, offered[IA_NA]))
    finally:
        talk.close()
    inner = options(given[IA_NA][12:])
    return socket.inet_ntop(socket.AF_INET6, inner[IAADDR][:16]), socket.inet_ntop(socket.AF_INET6, given[DNS][:16])


def ask(talk: socket.socket, index: int, kind: int, body: bytes) -> dict[int, bytes] | None:
    talk.sendto(bytes([kind]) + os.urandom(3) + body, ("ff02::1:2", 547, 0, index))
    try:
        return options(talk.recv(2000)[4:])
    except TimeoutError:
        return None


def option(code: int, body: bytes) -> bytes:
    return struct.pack("!HH", code, len(body)) + body


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        code, length = struct.unpack("!HH", data[:4])
        found[code], data = data[4:4 + length], data[4 + length:]
    return found
