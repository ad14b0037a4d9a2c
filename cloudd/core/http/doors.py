"""The listening sockets: who is let in, how many from one address, and what happens when no files are left."""

import asyncio
import errno
import resource
import socket
import ssl
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.web_server import Server

from cloudd.core import log, tasks
from cloudd.core.http.addresses import Networks, canonical, within
from cloudd.core.http.connections import Abort, Connection, Limits, Place, Refuse
from cloudd.core.refusals import MINUTE, Allowance

LOG = log.get("cloudd.http")
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
SWEEP_SECONDS = 1.0
RETRY_SECONDS = 0.1
BACKLOG = 512
CLOSED_AT_ONCE = 8
FULL = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 58\r\n\r\n"
        b"This address has too many connections open to this cloud.\n")


class House(Server):
    """All open connections. `handler` and `factory` are the application's; `refuse` answers what never became a request."""

    def __init__(self, inner: Server, limits: Limits, per_address: int, exempt: Networks, refuse: Refuse, abort: Abort):
        super().__init__(self._answer, request_factory=inner.request_factory)
        self._inner = inner.request_handler
        self._kwargs = {name: value for name, value in inner._kwargs.items() if name not in ("keepalive_timeout", "max_line_size")}
        self.limits, self.per_address, self.exempt, self.refuse, self.abort = limits, per_address, exempt, refuse, abort
        self.by_address: Counter[str] = Counter()
        self.most = room()
        self._sweeping: asyncio.TimerHandle | None = None
        self._told, self._full_told = Allowance(1), float("-inf")

    async def _answer(self, raw: Any) -> web.StreamResponse:
        try:
            return await self._inner(raw)
        except web.HTTPException as exc:                      # aiohttp's own: no such page, an expectation that nobody meets
            return self.refuse(raw, exc)

    def place(self, address: str) -> Place | None:
        """A place for one more connection from this address; None when it has all that it may have, and uses them."""
        if self.per_address and self.by_address[address] >= self.per_address and not within(address, self.exempt) \
                and not self.make_room(address):
            now = self._loop.time()
            if (untold := self._told.take(address, now)) is not None:
                LOG.warning("an address has too many connections; further ones are refused", address=address,
                            most=self.per_address, untold=untold or None)
            return None
        self.by_address[address] += 1
        return Place(address, self._left)

    def _left(self, place: Place) -> None:
        self.by_address[place.address] -= 1
        if self.by_address[place.address] <= 0:
            del self.by_address[place.address]

    def connection(self, place: Place) -> Connection:
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return Connection(self, loop=self._loop, limits=self.limits, place=place, **self._kwargs)

    def _sweep(self) -> None:
        """Look at the clocks of all connections, as long as there are any."""
        self._sweeping = self._loop.call_later(SWEEP_SECONDS, self._sweep) if self._connections else None
        self.check(self._loop.time())

    def check(self, now: float) -> None:
        for connection in self.connections:
            connection.check(now)  # type: ignore[attr-defined]

    def make_room(self, address: str | None = None) -> bool:
        """Close the connection, of this address or of all, that has been idle for longest. Whether there was one."""
        now = self._loop.time()
        idle: list[Any] = [one for one in self.connections if one.can_go(now) and address in (None, one.place.address)]  # type: ignore[attr-defined]
        if not idle:
            return False
        longest = min(idle, key=lambda one: one.begun or one.heard)
        longest.place.free()
        longest.force_close()
        return True

    def full(self, reason: str) -> None:
        """No room for another connection: say so, once a minute at most, and close some that do nothing."""
        now = self._loop.time()
        if now - self._full_told >= MINUTE:
            self._full_told = now
            LOG.error("no room for another connection: those that do nothing are closed, further ones wait", reason=reason,
                      open=len(self._connections), files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        for _ in range(CLOSED_AT_ONCE):
            self.make_room()

    async def shutdown(self, timeout: float | None = None) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        await super().shutdown(timeout)


def room() -> int:
    """How many connections there may be: a part of the files that this process may open is for its own work."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(8, soft * 3 // 4 - 16)


class Runner(web.AppRunner):
    """aiohttp's runner of an application, with our House for the connections."""

    __slots__ = ("_options",)

    def __init__(self, app: web.Application, *, house: dict[str, Any], **options: Any):
        super().__init__(app, **options)
        self._options = house

    async def _make_server(self) -> Server:
        return House(await super()._make_server(), **self._options)


class Door(web.BaseSite):
    """One address and port that is listened on."""

    __slots__ = ("_at", "_doors", "_tasks")

    def __init__(self, runner: Runner, host: str, port: int, tls: ssl.SSLContext | None = None):
        super().__init__(runner, ssl_context=tls, backlog=BACKLOG)
        self._at = (host, port)
        self._doors: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._at[0]}:{self._at[1]}"

    async def start(self) -> None:
        """Listen, and let in. Raises OSError when the address is taken."""
        await super().start()
        found = await asyncio.get_running_loop().getaddrinfo(*self._at, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            self._doors.append(_listening(family, address))
        self._tasks = [tasks.start("accept", self._accept(door)) for door in self._doors]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for door in self._doors:
            door.close()
        await super().stop()

    @property
    def _house(self) -> House:
        return self._runner.server  # type: ignore[return-value]

    async def _accept(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if len(self._house.connections) >= self._house.most:
                self._house.full("most of the files that this process may open are connections")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                connection, peer = await loop.sock_accept(door)
            except OSError as exc:                            # others belong to a client that went away meanwhile
                if exc.errno in EXHAUSTED:
                    self._house.full(exc.strerror or str(exc))
                    await asyncio.sleep(RETRY_SECONDS)
                continue
            self._admit(connection, canonical(peer[0]))

    def _admit(self, connection: socket.socket, address: str) -> None:
        place = self._house.place(address)
        if place is not None:
            tasks.start("connection", self._welcome(connection, place))
            return
        with connection:
            if self._ssl_context is None:
                try:
                    connection.setblocking(False)
                    connection.send(FULL)
                except OSError:                               # he is gone, or does not listen
                    return

    async def _welcome(self, connection: socket.socket, place: Place) -> None:
        handshake = {"ssl_handshake_timeout": self._house.limits.head_seconds} if self._ssl_context else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._house.connection(place), connection, ssl=self._ssl_context, **handshake)
        except OSError as exc:                                # no TLS, or gone before it was agreed
            place.free()
            connection.close()
            LOG.debug("a connection did not come to be", address=place.address, reason=str(exc))


def _listening(family: int, address: Any) -> socket.socket:
    door = socket.socket(family, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        door.bind(address)
        door.listen(BACKLOG)
        door.setblocking(False)
    except OSError as exc:
        door.close()
        raise OSError(exc.errno, f"{address[0]}, port {address[1]} cannot be listened on: {exc.strerror}") from exc
    return door
