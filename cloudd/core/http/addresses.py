"""Who calls: the client's address, also where proxies that the configuration trusts stand between."""

import functools
import ipaddress
import re
from typing import Any

from aiohttp import web

from cloudd.core.errors import BadRequest

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def client_address(raw: web.Request, settings: Any) -> str | None:
    """The address that a request comes from; behind trusted proxies the last of `X-Forwarded-For` that is none of them.

    Each proxy writes behind what it was sent, so from the right on every entry is the word of the one before it: what stands left of
    the first stranger, he may have made up.
    """
    client = peer(raw)
    trusted = networks(settings.server.trusted_proxies)
    if not within(client, trusted):
        return client
    for hop in reversed([hop for value in raw.headers.getall("X-Forwarded-For", ()) for hop in value.split(",")]):
        told = _told(hop)
        if told is None:
            break
        client = told
        if not within(client, trusted):
            break
    return client


def peer(raw: web.Request) -> str | None:
    """The other end of the connection, an IPv4 address that came through an IPv6 socket as itself. None on a Unix socket."""
    return canonical(raw.remote) if raw.remote and ":" in raw.remote else raw.remote


def by_trusted_proxy(raw: web.Request, settings: Any) -> bool:
    """Whether what the request's `X-Forwarded-*` say is believed."""
    return within(peer(raw), networks(settings.server.trusted_proxies))


@functools.lru_cache(maxsize=256)
def is_host(text: str) -> bool:
    """Whether it is a name or an address, with or without a port: it goes into links and headers of answers."""
    return len(text) <= 262 and _HOST.fullmatch(text) is not None


def require_host(raw: web.Request) -> None:
    """Raise BadRequest for a `Host` that is none; who sends none (HTTP/1.0) is answered with our address."""
    if (host := raw.headers.get("Host")) and not is_host(host):
        raise BadRequest("Malformed request: the header Host is no name or address.")


def canonical(text: str) -> str:
    """One spelling of an address: mapped IPv4 as IPv4, no zone."""
    address = _read(text)
    return str(address) if address is not None else text


@functools.lru_cache(maxsize=32)
def networks(texts: tuple[str, ...]) -> Networks:
    """Addresses and networks of an option."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def within(text: str | None, ranges: Networks) -> bool:
    """Whether an address lies in one of the networks."""
    address = _read(text) if text and ranges else None
    return address is not None and any(address in one for one in ranges)


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _told(hop: str) -> str | None:
    """An entry of `X-Forwarded-For`; some proxies add the port."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    address = _read(hop)
    return str(address) if address is not None else None
