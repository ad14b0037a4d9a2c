"""The one client for addresses that users give us: it goes nowhere inside (outside.py), unless the settings allow the host.

At every redirect the address is read, looked up and judged anew; the very addresses that were judged are the only ones that a
socket is made for, so that neither a spelling nor a name that changes its mind (DNS rebinding) gains anything.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from cloudd.core.errors import BadRequest
from cloudd.core.fetch import outside
from cloudd.core.fetch.outside import Address, FetchRefused, Place

REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)

__all__ = ["Answer", "FetchFailed", "FetchRefused", "ask", "check_url", "get"]


class FetchFailed(BadRequest):
    """The other side did not answer as it should."""


def check_url(url: str, allowed: Sequence[str] = ()) -> None:
    """Raise FetchRefused for what can be told without asking DNS: scheme, credentials, literal addresses."""
    outside.check(url, allowed)


class _Judged(AbstractResolver):
    """The addresses that were judged: all that the client resolves, and all that it makes a socket for."""

    def __init__(self, allowed: Sequence[str]):
        self.allowed = allowed
        self._place: tuple[str, int] | None = None
        self._addresses: list[Address] = []

    async def judge(self, url: str) -> Place:
        """Look a URL's host up. Raises FetchRefused, OSError."""
        place = outside.check(url, self.allowed)
        self._place, self._addresses = (place.host, place.port), await outside.addresses(place, self.allowed)
        return place

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        if (host, port) != self._place:
            raise FetchRefused(f"{host}:{port} was not looked at before: it is not connected to.")
        return [{"hostname": host, "host": str(address), "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST,
                 "family": socket.AF_INET if address.version == 4 else socket.AF_INET6} for address in self._addresses]

    def socket(self, info: tuple[int, int, int, str, tuple[str, int]]) -> socket.socket:
        """A socket for an address, if it is one that was judged."""
        family, kind, proto, _, place = info
        if ipaddress.ip_address(place[0]) not in self._addresses:
            raise FetchRefused(f"{place[0]} was not looked at before: it is not connected to.")
        return socket.socket(family, kind, proto)

    async def close(self) -> None:
        """Nothing is held."""


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
    async with _session(url, allowed, timeout) as (session, judged):
        response = await _follow(session, judged, url, timeout, headers or {})
        try:
            yield response
        finally:
            response.close()


async def ask(url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
              allowed: Sequence[str] = (), timeout: float = 10, most: int = 1 << 20, tls: ssl.SSLContext | None = None) -> Answer:
    """A short question to another service: a GET, or a POST of a form. No redirect is followed, and every status is an answer.

    `timeout` is for all of it, `most` the longest body that is read. Raises FetchRefused, FetchFailed.
    """
    async with _session(url, allowed, timeout, tls) as (session, judged), asyncio.timeout(timeout):
        place = await judged.judge(url)
        method = "GET" if form is None else "POST"
        async with session.request(method, place.url, data=form, headers={
                **(headers or {}), "Accept-Encoding": "identity"}, allow_redirects=False) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > most:
                    raise FetchFailed(f"{url} answered more than {most} bytes.")
            return Answer(response.status, bytes(body))


@asynccontextmanager
async def _session(url: str, allowed: Sequence[str], timeout: float,
                   tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[aiohttp.ClientSession, _Judged]]:
    """A client that goes where was looked before; its failures are told by meaning."""
    judged = _Judged(allowed)
    connector = aiohttp.TCPConnector(resolver=judged, use_dns_cache=False, socket_factory=judged.socket, force_close=True,
                                     ssl=tls if tls else True)
    times = aiohttp.ClientTimeout(total=None, connect=timeout, sock_read=timeout)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=times, trust_env=False, auto_decompress=False) as session:
            yield session, judged
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise FetchFailed(f"{url} could not be fetched: {exc or type(exc).__name__}.") from exc


async def _follow(session: aiohttp.ClientSession, judged: _Judged, url: str, timeout: float,
                  headers: Mapping[str, str]) -> aiohttp.ClientResponse:
    first: Place | None = None
    for _ in range(REDIRECTS + 1):
        async with asyncio.timeout(timeout):
            place = await judged.judge(url)
        first = first or place
        own = place.url.origin() == first.url.origin()
        response = await session.get(place.url, allow_redirects=False, headers=headers if own else {})
        if response.status not in MOVED or "Location" not in response.headers:
            if response.status != 200:
                response.close()
                raise FetchFailed(f"{url} answered {response.status}.")
            return response
        response.close()
        url = _joined(place.url, response.headers["Location"])
    raise FetchFailed(f"{url}: more than {REDIRECTS} redirects.")


def _joined(url: URL, location: str) -> str:
    try:
        return urljoin(str(url), location)
    except ValueError as exc:
        raise FetchRefused(f"{url} leads on to {location!r}, which is not an address: {exc}.") from exc
