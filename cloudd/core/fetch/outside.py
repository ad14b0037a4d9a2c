"""Where an address that a user gave leads, in the reading of the client that goes there; and whether that is outside.

The host is brought to its one plain spelling first (NFKC, IDNA, lower case), so that what is judged here and what is connected to
are the same text. It is looked up once, and every address that it has is judged. Inside are loopback, link-local (the metadata
service), multicast, unspecified and reserved addresses, what the kernel delivers to this machine itself, and IPv6 addresses that
carry one of those within (mapped, 6to4, NAT64 and their kind).
"""

import asyncio
import errno
import ipaddress
import re
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from cloudd.core.errors import BadRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
NUMBER = re.compile(r"([0-9]+|0x[0-9a-f]*)")
# Code points that one parser drops or splits at and another keeps; none stands in an address as it is sent (RFC 3986).
UNFIT = re.compile(r"[\s\\\x00-\x20\x7f-\x9f]")
THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")
LOCAL_TRANSLATION = ipaddress.IPv6Network("64:ff9b:1::/48")      # RFC 8215: the IPv4 address may lie in it anywhere
MAPPED = tuple(ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96"))       # outside if what they carry is
IPV4_AT_THE_END = (*MAPPED, *(ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0:0/96")))
ISATAP = (0x00005EFE, 0x02005EFE)
UNICAST = 1                                                       # rtnetlink's RTN_UNICAST: to somebody else


class FetchRefused(BadRequest):
    """The address is none that cloudd fetches from."""


@dataclass(frozen=True)
class Place:
    """A URL with its host in plain spelling, and the port that it leads to."""

    url: URL
    host: str
    port: int

    @property
    def literal(self) -> Address | None:
        return _literal(self.host)

    def among(self, allowed: Sequence[str]) -> bool:
        """Whether the settings let this host (HOST or HOST:PORT, however they spell it) be fetched from although it is inside."""
        return any(_same(entry, self.host, self.port) for entry in allowed)


def read(url: str) -> Place:
    """A URL as it will be connected to. Raises FetchRefused for what is not http://HOST/ or https://HOST/ in any spelling."""
    if UNFIT.search(url):
        raise FetchRefused(f"{url!r} is not an address: it has a blank, a backslash or a control character in it.")
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FetchRefused(f"{url!r} is not fetched: it must be http://HOST/ or https://HOST/.")
        if "@" in parts.netloc:
            raise FetchRefused("An address with a user name or password in it is not fetched.")
        host, port = plain(parts.hostname), parts.port or {"http": 80, "https": 443}[parts.scheme]
        made = URL(url).with_user(None).with_host(host).with_fragment(None)
        made = made if made.port == port else made.with_port(port)
    except (ValueError, UnicodeError) as exc:
        raise FetchRefused(f"{url!r} is not an address: {exc}.") from exc
    if made.raw_host != host:
        raise FetchRefused(f"{url!r} is not an address: it could be read as one of {made.raw_host} and one of {host}.")
    return Place(made, host, port)


def plain(host: str) -> str:
    """The one spelling of a host: an address as Python writes it, or a name in ASCII. Raises ValueError."""
    folded = unicodedata.normalize("NFKC", host).lower()
    if ":" in folded:
        if "%" in folded:
            raise ValueError("an address with a zone is one of this machine's own links")
        return str(ipaddress.IPv6Address(folded))
    ascii_name = (URL.build(scheme="http", host=folded).raw_host or "").removesuffix(".")
    if not NAME.fullmatch(ascii_name):
        raise ValueError(f"{host} is neither a name nor an address")
    if NUMBER.fullmatch(ascii_name.rpartition(".")[2]):           # as browsers decide (WHATWG): it is meant as an IPv4 address
        try:
            return str(ipaddress.IPv4Address(ascii_name))
        except ValueError as exc:
            raise ValueError(f"{ascii_name} is not a canonical IPv4 address") from exc
    return ascii_name


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _same(entry: str, host: str, port: int) -> bool:
    try:
        parts = urlsplit(f"//[{entry}]" if entry.count(":") > 1 and "[" not in entry else f"//{entry}")
        return plain(parts.hostname or "") == host and parts.port in (None, port)
    except (ValueError, UnicodeError):
        return False


def inside(address: Address) -> bool:
    """Whether an address leads to this machine or its links, by its form alone, or by that of one carried in it."""
    return any(_is_inside(found) for found in _meant(address))


def _meant(address: Address) -> list[Address]:
    """An address and those that it carries; one that stands for an IPv4 address is that alone."""
    carried = _carried(address)
    return [*carried] if any(address in network for network in MAPPED) else [address, *carried]


def _is_inside(address: Address) -> bool:
    return (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
            or (address in THIS_NETWORK if address.version == 4 else address.is_site_local or address in LOCAL_TRANSLATION))


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that something on the way may take out of an IPv6 address."""
    if address.version == 4:
        return []
    found = [address.sixtofour, *(address.teredo or ())]
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in IPV4_AT_THE_END) or int(address) >> 32 & 0xFFFFFFFF in ISATAP:
        found.append(ipaddress.IPv4Address(low))
    return [one for one in found if one is not None]


async def addresses(place: Place, allowed: Sequence[str]) -> list[Address]:
    """The addresses to connect to for a place, looked up now. Raises FetchRefused when one is inside, OSError from the look-up."""
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    found = [ipaddress.ip_address(text) for text in dict.fromkeys(str(answer[4][0]) for answer in answers)]
    if not place.among(allowed):
        for address in found:
            if inside(address) or await asyncio.to_thread(_is_ours, address):
                raise _refusal(place.host, str(address))
    return found


def check(url: str, allowed: Sequence[str] = ()) -> Place:
    """Read a URL and raise FetchRefused for what can be told without asking DNS: scheme, credentials, literal addresses."""
    place = read(url)
    if place.literal and inside(place.literal) and not place.among(allowed):
        raise _refusal(place.host, place.host)
    return place


def _refusal(host: str, address: str) -> FetchRefused:
    return FetchRefused(f"{host} leads to {address}, which is inside this cloud: it is not fetched.")


def _is_ours(address: Address) -> bool:
    """Whether the kernel would deliver to this machine, or to nobody in particular, what is sent to an address."""
    from cloudd.core.kernel.netlink import IPRoute

    with IPRoute() as route:
        return any(_kind(route, target) != UNICAST for target in _meant(address))


def _kind(route: Any, target: Address) -> int:
    from cloudd.core.kernel.netlink import NetlinkError

    try:
        return int(next(iter(route.route("get", dst=str(target))))["type"])
    except NetlinkError as exc:
        if exc.code in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
            return UNICAST                                        # nothing is reached there at all
        raise OSError(exc.code, f"the route to {target} could not be asked for") from exc
