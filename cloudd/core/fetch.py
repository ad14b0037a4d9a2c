"""The one client for addresses that users give us: it goes nowhere inside.

Refused are loopback, link-local (the metadata service), multicast, unspecified and this machine's own addresses, whatever
name leads to them, at every redirect, unless the settings allow the host. The address that was checked is the one that is
connected to, so a name that changes its mind (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from cloudd.core.errors import BadRequest

REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)


class FetchRefused(BadRequest):
    """The address is none that cloudd fetches from."""


class FetchFailed(BadRequest):
    """The other side did not answer as it should."""


def check_url(url: str, allowed: Sequence[str] = ()) -> None:
    """Raise FetchRefused for what can be told without asking DNS: scheme, credentials, literal addresses."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise FetchRefused(f"{url!r} is not an address: {exc}.") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchRefused(f"{url!r} is not fetched: it must be http://HOST/ or https://HOST/.")
    if parts.username or parts.password:
        raise FetchRefused("An address with a user name or password in it is not fetched.")
    if _allowed(parts.hostname, port, allowed):
        return
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return
    _check_address(literal, parts.hostname, ())


def _allowed(host: str, port: int | None, allowed: Sequence[str]) -> bool:
    return host in allowed or f"{host}:{port}" in allowed


def _check_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address, host: str, own: Sequence[str]) -> None:
    inner = getattr(address, "ipv4_mapped", None) or address
    bad = inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved
    if bad or str(inner) in own:
        raise FetchRefused(f"{host} leads to {address}, which is inside this cloud: it is not fetched.")


class _Resolver(AbstractResolver):
    """Looks names up and refuses those that lead inside."""

    def __init__(self, allowed: Sequence[str], own: Sequence[str]):
        self.allowed, self.own = allowed, own

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for kind, _, proto, _, place in found:
            if not _allowed(host, port, self.allowed):
                _check_address(ipaddress.ip_address(str(place[0]).partition("%")[0]), host, self.own)
            results.append({"hostname": host, "host": str(place[0]), "port": port, "family": kind, "proto": proto,
                            "flags": socket.AI_NUMERICHOST})
        return results

    async def close(self) -> None:
        """Nothing is held."""


def own_addresses() -> list[str]:
    """The addresses of this machine, as its interfaces have them."""
    from pyroute2 import IPRoute

    with IPRoute() as route:
        return [str(message.get_attr("IFA_ADDRESS")) for message in route.get_addr()]


@dataclass(frozen=True)
class Answer:
    """What the other side said, read to its end."""

    status: int
    body: bytes


@asynccontextmanager
async def get(url: str, *, allowed: Sequence[str] = (), timeout: float = 60,
              headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
    """A GET that follows at most five redirects, each checked again. Raises FetchRefused, FetchFailed.

    `headers`, a token may be among them, are sent to the address's own host only.
    """
    async with _session(url, allowed, timeout) as (session, own):
        response = await _follow(session, url, allowed, own, headers or {})
        try:
            yield response
        finally:
            response.close()


async def ask(url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
              allowed: Sequence[str] = (), timeout: float = 10, most: int = 1 << 20, tls: ssl.SSLContext | None = None) -> Answer:
    """A short question to another service: a GET, or a POST of a form. No redirect is followed, and every status is an answer.

    `timeout` is for all of it, `most` the longest body that is read. Raises FetchRefused, FetchFailed.
    """
    async with _session(url, allowed, timeout, tls) as (session, own):
        _check_target(url, allowed, own)
        method = "GET" if form is None else "POST"
        async with asyncio.timeout(timeout), session.request(method, url, data=form, headers={
                **(headers or {}), "Accept-Encoding": "identity"}, allow_redirects=False) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > most:
                    raise FetchFailed(f"{url} answered more than {most} bytes.")
            return Answer(response.status, bytes(body))


@asynccontextmanager
async def _session(url: str, allowed: Sequence[str], timeout: float,
                   tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[aiohttp.ClientSession, list[str]]]:
    """A client that looks names up as guarded, with this machine's own addresses; its failures are told by meaning."""
    own = await asyncio.to_thread(own_addresses)
    connector = aiohttp.TCPConnector(resolver=_Resolver(allowed, own), use_dns_cache=False, ssl=tls if tls else True)
    times = aiohttp.ClientTimeout(total=None, connect=timeout, sock_read=timeout)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=times, trust_env=False, auto_decompress=False) as session:
            yield session, own
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        if isinstance(exc.__cause__, FetchRefused):
            raise exc.__cause__ from None
        raise FetchFailed(f"{url} could not be fetched: {exc or type(exc).__name__}.") from exc


def _check_target(url: str, allowed: Sequence[str], own: Sequence[str]) -> None:
    """check_url, and that a literal address is none of this machine's own."""
    check_url(url, allowed)
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    if not _allowed(host, port, allowed) and _is_literal(host):
        _check_address(ipaddress.ip_address(host), host, own)


async def _follow(session: aiohttp.ClientSession, url: str, allowed: Sequence[str], own: Sequence[str],
                  headers: Mapping[str, str]) -> aiohttp.ClientResponse:
    first = urlsplit(url)[:2]
    for _ in range(REDIRECTS + 1):
        _check_target(url, allowed, own)
        response = await session.get(url, allow_redirects=False, headers=headers if urlsplit(url)[:2] == first else {})
        if response.status not in MOVED or "Location" not in response.headers:
            if response.status != 200:
                response.close()
                raise FetchFailed(f"{url} answered {response.status}.")
            return response
        url = urljoin(url, response.headers["Location"])
        response.close()
    raise FetchFailed(f"{url}: more than {REDIRECTS} redirects.")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


