"""Calling a declared operation from within the daemon, without a socket: for whoever acts for somebody on other modules.

The request passes all that one from outside passes once its token is known: access rules, version, schema, loaders, policy, quotas,
events, and the words of the service for what it refuses.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from sqlalchemy.ext.asyncio import AsyncSession
from yarl import URL

from cloudd.core.context import Context
from cloudd.core.http.dispatch import Dispatcher, Inside

READ_AHEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answered. `body`: a JSON value where the reply is JSON, bytes where it is something else, None without."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def ok(self) -> bool:
        return self.status < 400


class Local:
    """The daemon's own operations; `parts.service(Local)`."""

    def __init__(self, dispatcher: Dispatcher):
        self._dispatcher = dispatcher

    async def call(self, context: Context, service: str, method: str, path: str, *, version: str | None = None,
                   headers: Mapping[str, str] | None = None, query: Sequence[tuple[str, str]] = (), body: Any = None,
                   tx: AsyncSession | None = None) -> Answer:
        """Run `method` on `path`, which lies below the service's own mount point (`/servers/{id}` of `compute`).

        `version` is a microversion of the service. `body` is a JSON value, or bytes of the content type that `headers` name. With
        `tx`, a write transaction of the caller's, the operation runs in a savepoint of it: what it did is undone when it is refused,
        and true only when the caller commits; operations that touch the machine or move data (`live`, `stream`) run outside of it.

        A refusal is an Answer like any other. Raises LookupError for a service that is not there.
        """
        api = self._dispatcher.service(service)
        sent = CIMultiDict(headers or {})
        sent.setdefault("Accept", "application/json")         # some services would word a refusal as HTML
        data = _bytes(body, sent)
        if version is not None and api.negotiation is not None:
            sent["OpenStack-API-Version"] = f"{api.negotiation.service} {version}"
        target = quote(api.prefixes[0] + path, safe="/:@!$&'()*+,;=~") + (f"?{urlencode(list(query))}" if query else "")
        writer = _Collected()
        raw = _request(method, target, sent, data, writer)
        response = await self._dispatcher.handle(raw, Inside(context, tx))
        return _answer(response, writer)


def _bytes(body: Any, headers: "CIMultiDict[str]") -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        headers.setdefault("Content-Type", "application/octet-stream")
    else:
        headers.setdefault("Content-Type", "application/json")
        body = orjson.dumps(body)
    headers["Content-Length"] = str(len(body))
    return body


class _Nobody(BaseProtocol):
    """The end of a connection that is none, where aiohttp's request looks for it."""

    ssl_context = None
    peername = None
    sockname = None


class _Collected(AbstractStreamWriter):
    """Keeps what a handler streams."""

    def __init__(self) -> None:
        self.content = bytearray()

    async def write(self, chunk: Any) -> None:
        self.content += chunk

    async def write_eof(self, chunk: bytes = b"") -> None:
        self.content += chunk

    async def drain(self) -> None:
        """Nothing waits to be sent."""

    async def write_headers(self, status_line: str, headers: "CIMultiDict[str]") -> None:
        """They stand in the response."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Nothing is compressed on its way to nobody."""

    def enable_chunking(self) -> None:
        """Nor is it cut in pieces."""


def _request(method: str, target: str, headers: "CIMultiDict[str]", data: bytes, writer: _Collected) -> web.Request:
    loop, protocol = asyncio.get_running_loop(), _Nobody(asyncio.get_running_loop())
    payload = StreamReader(protocol, READ_AHEAD, loop=loop)
    payload.feed_data(data)
    payload.feed_eof()
    message = RawRequestMessage(method, target, HttpVersion11, CIMultiDictProxy(headers), (), False, None, False, False,
                                URL(target, encoded=True))
    return web.Request(message, payload, protocol, writer, asyncio.current_task(), loop)  # type: ignore[arg-type]


def _answer(response: web.StreamResponse, writer: _Collected) -> Answer:
    content = bytes(writer.content) if response.prepared else getattr(response, "body", None)
    is_json = response.content_type == "application/json" or response.content_type.endswith("+json")
    return Answer(response.status, response.headers, orjson.loads(content) if content and is_json else content or None)
