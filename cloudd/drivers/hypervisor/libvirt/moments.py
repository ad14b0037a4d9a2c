"""Guests that come to rest, or stand still, for a moment; whatever happens, they go on.

What was begun is written into a file first, so that a daemon that was killed meanwhile lets its guests go on when it starts again. The
events of these pauses are hidden: nobody has paused the guest in the sense that a server is paused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import libvirt

from cloudd.core import log, tasks
from cloudd.drivers.hypervisor.base import DomainNotFound, DomainState, DomainStatus, EventKind, HypervisorDown, HypervisorError
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.libvirt import power
from cloudd.drivers.hypervisor.libvirt.connection import Connection
from cloudd.drivers.hypervisor.libvirt.errors import is_code
from cloudd.drivers.hypervisor.libvirt.events import Events

LOG = log.get("cloudd.hypervisor.libvirt")
AGENT_SECONDS = 20                   # an agent that hangs holds nobody up for longer
RETURN_SECONDS, RETRY_SECONDS = 120.0, 0.5       # how long libvirt may be away
FROZEN, PAUSED = "frozen", "paused"
HIDDEN = (EventKind.PAUSED, EventKind.RESUMED)
NO_AGENT = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED,
            libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
            libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INTERNAL_ERROR)

T = TypeVar("T")


class Moments:
    def __init__(self, layout: Layout, connection: Connection, events: Events):
        self._layout, self._connection, self._events = layout, connection, events
        self._held: set[str] = set()

    async def heal(self) -> None:
        """Let guests go on that an earlier life of the daemon held."""
        for path in await asyncio.to_thread(self._marks):
            server_id, what = path.name.partition(".")[0], path.suffix[1:]
            LOG.warning("a guest that was held when the daemon ended goes on", server=server_id, was=what)
            await self._let_go(server_id, what)

    def _marks(self) -> list[Path]:
        """Those of paused guests first: one that stands still cannot thaw."""
        return [path for what in (PAUSED, FROZEN) for path in sorted(self._layout.run.glob(f"*.{what}"))]

    def _mark(self, server_id: str, what: str) -> Path:
        return self._layout.run / f"{server_id}.{what}"

    def seen(self, status: DomainStatus) -> DomainStatus:
        """A guest that only stands still for a moment runs."""
        return replace(status, state=DomainState.RUNNING) if status.server_id in self._held else status

    @asynccontextmanager
    async def at_rest(self, server_ids: Sequence[str], wanted: bool) -> AsyncIterator[frozenset[str]]:
        """The guests whose file systems are: those that run, and have an agent that answers. Always thawed."""
        asked = server_ids if wanted else ()
        try:
            done = await to_their_ends("freeze guests", [self._freeze(server_id) for server_id in asked])
            yield frozenset(server_id for server_id, rests in zip(asked, done, strict=True) if rests)
        finally:
            await to_their_ends("thaw guests", [self._let_go(server_id, FROZEN) for server_id in asked])

    @asynccontextmanager
    async def still(self, server_ids: Sequence[str]) -> AsyncIterator[None]:
        """The guests that run are paused meanwhile; those that are paused stay so afterwards."""
        try:
            await to_their_ends("hold guests", [self._hold(server_id) for server_id in server_ids])
            yield
        finally:
            await to_their_ends("let guests go on", [self._let_go(server_id, PAUSED) for server_id in server_ids])

    async def _freeze(self, server_id: str) -> bool:
        return await self._connection.run(freeze, server_id, self._mark(server_id, FROZEN))

    async def _hold(self, server_id: str) -> None:
        held = False
        self._events.hide(server_id, HIDDEN)
        self._held.add(server_id)
        try:
            held = await self._connection.run(hold, server_id, self._mark(server_id, PAUSED))
        finally:
            if not held:
                self._held.discard(server_id)
                self._events.unhide(server_id, HIDDEN)

    async def _let_go(self, server_id: str, what: str) -> None:
        """libvirt may be away meanwhile. The mark stays when it does not work: at the daemon's next start it is tried again."""
        mark, end = self._mark(server_id, what), time.monotonic() + RETURN_SECONDS
        while mark.exists():
            try:
                await self._connection.run(thaw if what == FROZEN else go_on, server_id)
            except DomainNotFound:
                pass
            except HypervisorDown:
                if time.monotonic() < end:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                LOG.error("a guest may still be held: libvirt is out of reach", server=server_id, what=what)
                break
            except HypervisorError as exc:
                LOG.error("a guest may still be held", server=server_id, what=what, error=str(exc))
                break
            mark.unlink(missing_ok=True)
        if what == PAUSED:
            self._held.discard(server_id)


async def to_their_ends(name: str, works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Do them at once, each to its end, whatever becomes of the others or of the caller; then raise what went wrong."""
    done = await tasks.to_the_end(tasks.start(name, _gathered(works)))
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return done


async def _gathered(works: Sequence[Coroutine[Any, Any, T]]) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)


def freeze(conn: libvirt.virConnect, server_id: str, mark: Path) -> bool:
    """Whether an agent answered and all its file systems are at rest."""
    domain = power.find(conn, server_id)
    if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
        return False
    mark.touch(mode=0o600)
    try:
        domain.agentSetResponseTimeout(AGENT_SECONDS, 0)
        domain.fsFreeze(None, 0)
    except libvirt.libvirtError as exc:
        if is_code(exc, *NO_AGENT):
            return False
        raise
    return True


def thaw(conn: libvirt.virConnect, server_id: str) -> None:
    """Also of one that did not answer in time, and may have frozen all the same."""
    domain = power.find(conn, server_id)
    if not domain.isActive():
        return
    try:
        domain.fsThaw(None, 0)
    except libvirt.libvirtError as exc:
        if not is_code(exc, *NO_AGENT):
            raise


def hold(conn: libvirt.virConnect, server_id: str, mark: Path) -> bool:
    """Whether it ran, and stands still now."""
    domain = power.find(conn, server_id)
    if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
        return False
    mark.touch(mode=0o600)
    domain.suspend()
    return True


def go_on(conn: libvirt.virConnect, server_id: str) -> None:
    domain = power.find(conn, server_id)
    with suppress(HypervisorError):                                  # it went off meanwhile
        if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
            power.resume(conn, server_id)
