"""Websockets to guests' screens and serial lines, in raw binary as noVNC, xterm.js and Nova's own clients speak it.

A browser sends cookies and opens websockets for any page, so a page of another origin is refused (OpenStack's advisory
OSSA-2015-005 was about that). Programs send no Origin and need only the ticket.
"""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlsplit

from aiohttp import WSCloseCode, WSMsgType, web

from cloudd.compute.consoles import tickets
from cloudd.compute.consoles.pages import PAGE_OF, ConsolePages
from cloudd.compute.consoles.tickets import ConsoleType
from cloudd.core import clock, log, tasks
from cloudd.core.http.addresses import client_address
from cloudd.core.http.dispatch import base_url
from cloudd.core.http.server import Front
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import Hypervisor, HypervisorError

LOG = log.get("cloudd.consoles")
PROTOCOLS = ("binary",)
PATHS = {ConsoleType.NOVNC: "/console/vnc", ConsoleType.SERIAL: "/console/serial"}
CHUNK = 65536
LARGEST_MESSAGE = 1 << 20
HEARTBEAT = 30.0
PORTS = {"http": 80, "https": 443}
REASON_BYTES = 120                                           # a close frame has room for 123

Read = Callable[[], Awaitable[bytes]]
Write = Callable[[bytes], Awaitable[None]]
Close = Callable[[], Awaitable[None]]


class ConsoleProxy:
    """The open consoles of this daemon."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self._open: set[web.WebSocketResponse] = set()

    def routes(self, front: Front) -> None:
        front.route("GET", PATHS[ConsoleType.NOVNC], self.vnc)
        front.route("GET", PATHS[ConsoleType.SERIAL], self.serial)
        front.app.on_shutdown.append(self._close_all)
        ConsolePages(self.parts.settings).routes(front)

    async def vnc(self, raw: web.Request) -> web.StreamResponse:
        return await self._serve(raw, ConsoleType.NOVNC, self._join_screen)

    async def serial(self, raw: web.Request) -> web.StreamResponse:
        return await self._serve(raw, ConsoleType.SERIAL, self._join_line)

    async def _serve(self, raw: web.Request, kind: ConsoleType,
                     join: Callable[[str], Awaitable[tuple[Read, Write, Close]]]) -> web.StreamResponse:
        if raw.headers.get("Upgrade", "").lower() != "websocket":
            return _to_page(raw, kind)
        if not self._is_ours(raw):
            LOG.warning("a page of another origin asked for a console", origin=raw.headers.get("Origin"),
                        remote=client_address(raw, self.parts.settings))
            return _refused()
        token = raw.query.get("token") or raw.cookies.get("token") or ""
        async with self.parts.database.write() as tx:
            ticket = await tickets.redeem(tx, token, kind, clock.now())
        if ticket is None:
            return _refused()
        ws = web.WebSocketResponse(protocols=PROTOCOLS, compress=False, max_msg_size=LARGEST_MESSAGE, heartbeat=HEARTBEAT)
        await ws.prepare(raw)
        try:
            ends = await join(ticket.server_id)
        except HypervisorError as exc:
            await ws.close(code=WSCloseCode.INTERNAL_ERROR, message=str(exc).encode()[:REASON_BYTES])
            return ws
        self._open.add(ws)
        LOG.info("console opened", server=ticket.server_id, kind=kind, remote=client_address(raw, self.parts.settings))
        try:
            await _carry(ws, ticket.server_id, *ends)
        finally:
            self._open.discard(ws)
            LOG.info("console closed", server=ticket.server_id, kind=kind)
        return ws

    async def _join_screen(self, server_id: str) -> tuple[Read, Write, Close]:
        reader, writer = await self.parts.driver(Hypervisor).consoles.open_vnc(server_id)

        async def read() -> bytes:
            return await reader.read(CHUNK)

        async def write(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        async def close() -> None:
            writer.close()
        return read, write, close

    async def _join_line(self, server_id: str) -> tuple[Read, Write, Close]:
        line = await self.parts.driver(Hypervisor).consoles.open_serial(server_id)
        return line.read, line.write, line.close

    def _is_ours(self, raw: web.Request) -> bool:
        origin = raw.headers.get("Origin")
        if origin is None:
            return True
        settings = self.parts.settings
        return _origin(origin) in {_origin(one) for one in (base_url(raw, settings), *settings.compute.console_origins)}

    async def _close_all(self, app: web.Application) -> None:
        for ws in list(self._open):
            await ws.close(code=WSCloseCode.GOING_AWAY, message=b"cloudd stops")


async def _carry(ws: web.WebSocketResponse, server_id: str, read: Read, write: Write, close: Close) -> None:
    """Bytes both ways until one side ends."""
    ways = [tasks.start(f"console {server_id} out", _out(ws, read)), tasks.start(f"console {server_id} in", _in(ws, write))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await close()
        if not ws.closed:
            await ws.close(message=b"the guest's console ended")


async def _out(ws: web.WebSocketResponse, read: Read) -> None:
    try:
        while data := await read():
            await ws.send_bytes(data)
    except (ConnectionError, HypervisorError) as exc:
        LOG.info("console ended", reason=str(exc))


async def _in(ws: web.WebSocketResponse, write: Write) -> None:
    try:
        async for message in ws:
            if message.type is WSMsgType.BINARY:
                await write(message.data)
            elif message.type is WSMsgType.TEXT:
                await write(message.data.encode())
    except (ConnectionError, HypervisorError) as exc:
        LOG.info("console ended", reason=str(exc))


def _origin(text: str) -> tuple[str, str, int]:
    """Scheme, host and port; the usual port where none is named. What is no origin equals nothing of ours."""
    try:
        parts = urlsplit(text)
        return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", -1


def _refused() -> web.Response:
    """No words: a websocket client would take them for frames."""
    response = web.Response(status=403)
    response.force_close()
    return response


def _to_page(raw: web.Request, kind: ConsoleType) -> web.Response:
    """Somebody opened the websocket's address in a browser: the page that speaks it."""
    path = quote(f"{PATHS[kind].strip('/')}?token={raw.query.get('token', '')}", safe="")
    return web.Response(status=302, headers={"Location": f"{PAGE_OF[kind]}?path={path}", "Referrer-Policy": "no-referrer"})


def address(base: str, kind: ConsoleType, token: str) -> str:
    """What the API answers: noVNC's page with the websocket's path in it, as Nova's; a serial line's websocket itself."""
    path = f"{PATHS[kind]}?token={token}"
    if kind is ConsoleType.NOVNC:
        return f"{base}{PAGE_OF[kind]}?path={quote(path.strip('/'), safe='')}"
    return "ws" + base.removeprefix("http") + path
