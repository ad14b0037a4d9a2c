"""Switching servers on and off, pausing and suspending them: each checks, moves the state, and asks for a job."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server
from cloudd.compute.servers import actions
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest
from cloudd.drivers.hypervisor.base import Capabilities

POWER_JOBS = ("compute.server.start", "compute.server.stop", "compute.server.reboot", "compute.server.pause",
              "compute.server.unpause", "compute.server.suspend", "compute.server.resume")
NOTICES = {"start": "power_on", "stop": "power_off"}
"""What a verb is called in events, where that is not its name."""


async def _ask(context: Context, tx: AsyncSession, server: Server, verb: str, *, move: str = "", action: str = "",
               **inputs: object) -> None:
    states.require_launched(server, move or verb)
    await states.SERVER.enter(tx, server, move or verb)
    await touch(context, tx, server)
    await actions.begin(tx, context, server, action or verb)
    await tell(tx, context, server, f"{NOTICES.get(verb, verb)}.start")
    await jobs.ask(tx, context, f"compute.server.{verb}", locks=[server.id], server=server.id, **inputs)


async def start(context: Context, tx: AsyncSession, server: Server) -> None:
    require_unlocked(context, server)
    await _ask(context, tx, server, "start")


async def stop(context: Context, tx: AsyncSession, server: Server) -> None:
    """Let the guest shut down; it is switched off when it takes too long."""
    require_unlocked(context, server)
    await _ask(context, tx, server, "stop")


async def reboot(context: Context, tx: AsyncSession, server: Server, *, hard: bool) -> None:
    """Soft: the guest shuts down and boots. Hard: at once, from a domain made anew; it ends what was being done to its power."""
    require_unlocked(context, server)
    if hard:
        states.require_launched(server, "reboot")
        await jobs.cancel(tx, server.id, POWER_JOBS)
    await _ask(context, tx, server, "reboot", move="reboot_hard" if hard else "reboot", hard=hard)


def _require_able(able: bool, verb: str, server: Server) -> None:
    if not able:
        raise BadRequest(f"Cannot {verb} instance {server.id}: the hypervisor of this cloud cannot do it.")


async def pause(context: Context, tx: AsyncSession, server: Server, caps: Capabilities) -> None:
    require_unlocked(context, server)
    _require_able(caps.pause, "pause", server)
    await _ask(context, tx, server, "pause")


async def unpause(context: Context, tx: AsyncSession, server: Server) -> None:
    require_unlocked(context, server)
    await _ask(context, tx, server, "unpause")


async def suspend(context: Context, tx: AsyncSession, server: Server, caps: Capabilities) -> None:
    require_unlocked(context, server)
    _require_able(caps.suspend, "suspend", server)
    await _ask(context, tx, server, "suspend")


async def resume(context: Context, tx: AsyncSession, server: Server) -> None:
    require_unlocked(context, server)
    await _ask(context, tx, server, "resume")
