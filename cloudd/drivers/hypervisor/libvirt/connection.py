"""The one connection to libvirt: blocking calls in threads of their own, watched, opened again when it breaks."""

import asyncio
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import libvirt

from cloudd.core import log, tasks
from cloudd.core.work.threads import Elastic, Places
from cloudd.drivers.hypervisor.base import HypervisorDown, HypervisorError
from cloudd.drivers.hypervisor.libvirt import errors, event_loop

LOG = log.get("cloudd.hypervisor.libvirt")
KEEPALIVE_SECONDS, KEEPALIVE_MISSES = 5, 3
FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
CALLS_OF_A_GUEST = 3
"""At once, those included that hang: a guest that never answers takes no more threads than this."""

P = ParamSpec("P")
T = TypeVar("T")
OnOpen = Callable[[libvirt.virConnect], None]


class Connection:
    """`on_open` runs in a thread with each new connection (to register events); `on_state` on the loop: up or down."""

    def __init__(self, uri: str, threads: int, on_open: OnOpen, on_state: Callable[[bool], None]):
        self._uri = uri
        self._pool = Elastic("libvirt", threads)
        self._guests = Places(self._pool, CALLS_OF_A_GUEST)
        self._machine = Places(self._pool, threads)
        self._on_open = on_open
        self._on_state = on_state
        self._conn: libvirt.virConnect | None = None
        self._closing = False
        self._reopening: asyncio.Task[None] | None = None
        self._reason = "not opened yet"

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        event_loop.ensure_running()
        try:
            self._conn = await self._blocking(self._connect)
        except HypervisorError as exc:
            raise HypervisorDown(f"cannot open {self._uri}: {exc}") from exc

    async def close(self) -> None:
        self._closing = True
        if self._reopening is not None:
            self._reopening.cancel()
        conn, self._conn = self._conn, None
        self._reason = "closed"
        if conn is not None:
            await self._blocking(_close, conn)
        self._pool.shutdown(wait=False)

    async def run(self, call: Callable[Concatenate[libvirt.virConnect, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`call(connection, …)` in a thread. libvirt's errors come out as ours; the second argument names the server."""
        if self._conn is None:
            raise HypervisorDown(f"libvirt at {self._uri} is out of reach: {self._reason}")
        conn = self._conn
        server_id = args[0] if args and isinstance(args[0], str) else None
        try:
            return await self._blocking(call, conn, *args, server_id=server_id, **kwargs)
        except HypervisorDown:
            if not conn.isAlive():
                self._lost(conn, libvirt.VIR_CONNECT_CLOSE_REASON_ERROR)
            raise

    async def _blocking(self, call: Callable[..., T], *args: Any, server_id: str | None = None, **kwargs: Any) -> T:
        try:
            places = self._machine if server_id is None else self._guests
            return await places.run(server_id or "", lambda: call(*args, **kwargs))
        except libvirt.libvirtError as exc:
            raise errors.meaning(exc, server_id) from exc

    def _connect(self) -> libvirt.virConnect:
        conn = libvirt.open(self._uri)
        try:
            conn.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
        except libvirt.libvirtError as exc:
            if not errors.is_code(exc, libvirt.VIR_ERR_NO_SUPPORT):
                raise
        conn.registerCloseCallback(self._broken, None)
        self._on_open(conn)
        return conn

    def _broken(self, conn: libvirt.virConnect, reason: int, _: object) -> None:
        """Called in libvirt's event thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._lost, conn, reason)

    def _lost(self, conn: libvirt.virConnect, reason: int) -> None:
        if self._closing or self._conn is not conn:
            return
        self._conn = None
        self._reason = "the connection broke"
        LOG.warning("libvirt is gone", uri=self._uri, reason=reason)
        self._on_state(False)
        self._reopening = tasks.start("reopen libvirt", self._reopen(conn))

    async def _reopen(self, old: libvirt.virConnect) -> None:
        await self._blocking(_close, old)
        wait = FIRST_WAIT
        while True:
            try:
                self._conn = await self._blocking(self._connect)
                break
            except HypervisorError as exc:
                self._reason = str(exc)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
        LOG.info("libvirt is back", uri=self._uri)
        self._on_state(True)


def _close(conn: libvirt.virConnect) -> None:
    try:
        conn.unregisterCloseCallback()
        conn.close()
    except libvirt.libvirtError:
        pass                     # it was broken already
