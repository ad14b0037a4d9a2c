"""Session tokens of EC2's metadata service, version 2 ("Use the Instance Metadata Service", EC2 user guide).

A token is asked for with PUT and a lifetime, and sent with what is read; who sends none is served as well, as EC2 does where
tokens are optional. It is signed with the server's own seed, so it goes for that server alone, and outlives the daemon.
"""

import base64
import binascii
import hashlib
import hmac
import socket
import struct

from aiohttp import web

PATH = "latest/api/token"
TTL, TOKEN, FORWARDED = "X-aws-ec2-metadata-token-ttl-seconds", "X-aws-ec2-metadata-token", "X-Forwarded-For"
MOST_TTL = 21600
HOPS = 1
"""A token's answer reaches the guest itself, and nobody behind it."""


def give(request: web.BaseRequest, seed: str, now: float) -> web.Response:
    """The answer to a request for a token."""
    if request.method != "PUT":
        return web.Response(status=405, text="PUT is what makes a token.", headers={"Allow": "PUT"})
    if FORWARDED in request.headers:
        return web.Response(status=403, text=f"A token is not given through a proxy ({FORWARDED}).")
    ttl = request.headers.get(TTL, "")
    if not (ttl.isascii() and ttl.isdigit() and len(ttl) <= 5 and 1 <= int(ttl) <= MOST_TTL):
        return web.Response(status=400, text=f"{TTL} must be 1 to {MOST_TTL}.")
    _stay_near(request)
    return web.Response(text=made(seed, now + int(ttl)), headers={TTL: ttl})


def refusal(request: web.BaseRequest, seed: str, now: float) -> web.Response | None:
    """401 for a token that is not this server's, or has run out."""
    token = request.headers.get(TOKEN)
    if token is None or holds(token, seed, now):
        return None
    return web.Response(status=401, text=f"The token in {TOKEN} is not valid any more, or never was; ask for another at /{PATH}.")


def made(seed: str, end: float) -> str:
    moment = struct.pack(">Q", int(end))
    return base64.urlsafe_b64encode(moment + _signed(seed, moment)).decode()


def holds(token: str, seed: str, now: float) -> bool:
    try:
        data = base64.urlsafe_b64decode(token.encode("ascii"))
    except (binascii.Error, ValueError):
        return False
    moment, signature = data[:8], data[8:]
    return len(moment) == 8 and hmac.compare_digest(signature, _signed(seed, moment)) and now < struct.unpack(">Q", moment)[0]


def _signed(seed: str, moment: bytes) -> bytes:
    return hmac.digest(b"metadata token" + seed.encode(), moment, hashlib.sha256)


def _stay_near(request: web.BaseRequest) -> None:
    door = request.transport.get_extra_info("socket") if request.transport else None
    if door is not None and door.family == socket.AF_INET:
        door.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, HOPS)
    elif door is not None and door.family == socket.AF_INET6:
        door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, HOPS)
