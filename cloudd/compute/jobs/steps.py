"""Steps that several of a server's jobs share: switching its domain on and off, and telling how a job ended."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import block, network
from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server, ServerPort
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers.events import tell
from cloudd.core import clock, log
from cloudd.core.errors import NotFound
from cloudd.core.jobs import Cancelled, Run, together
from cloudd.drivers.hypervisor.base import (
    DomainEvent,
    DomainNotFound,
    DomainSpec,
    DomainState,
    EventStream,
    Hypervisor,
    HypervisorError,
    with_targets,
)
from cloudd.drivers.volume.base import Connection

LOG = log.get("cloudd.servers")
LIVE = (DomainState.RUNNING, DomainState.PAUSED)
SEEN = {DomainState.RUNNING: states.ACTIVE, DomainState.PAUSED: states.PAUSED, DomainState.SHUTOFF: states.STOPPED,
        DomainState.CRASHED: states.STOPPED, DomainState.SUSPENDED: states.SUSPENDED, None: states.STOPPED}
"""What a domain's state makes of its server."""
BOOT = "boot"
"""Under which a step hands the server's rows to the one after it."""
PRESS_AGAIN_SECONDS = 10.0
"""A guest that is still booting misses the power button, so it is pressed again."""


def hypervisor(run: Run) -> Hypervisor:
    return run.driver(Hypervisor)


async def load(run: Run, *, whole: bool = True) -> boot_spec.Boot:
    async with run.read() as tx:
        return await boot_spec.load(tx, run.input["server"], whole=whole)


async def state_of(run: Run) -> DomainState | None:
    """What the server's domain does; None when there is none."""
    try:
        return await hypervisor(run).state(run.input["server"])
    except DomainNotFound:
        return None


# -- on ---------------------------------------------------------------------------------------------------------------


async def define(run: Run) -> None:
    await _define(run, rescue=False)


async def define_rescue(run: Run) -> None:
    await _define(run, rescue=True)


async def _define(run: Run, *, rescue: bool) -> None:
    boot = run.handed.pop(BOOT, None) or await load(run)
    spec = boot_spec.domain(boot, await boot_disks.found(run.parts, boot), await connected(run, boot), rescue=rescue)
    await hypervisor(run).define(spec)
    run.later(lambda tx: _name_devices(tx, boot, spec, hypervisor(run).caps().default_machine))


async def connected(run: Run, boot: boot_spec.Boot) -> dict[str, Connection]:
    """What the server's volumes are opened by, asked anew for each start, since a volume may have moved."""
    return {row.volume_id: await block.connect(run.parts, row.attachment_id) for row in boot.disks if row.volume_id and row.attachment_id}


async def _name_devices(tx: Any, boot: boot_spec.Boot, spec: DomainSpec, machine: str) -> None:
    """Keep what the guest calls its disks."""
    names = {disk.id: disk.target for disk in with_targets(spec.disks, spec.machine or machine)}
    server = await tx.get_one(Server, boot.server.id)
    root = names.get("root") or names.get("iso")
    server.root_device_name = f"/dev/{root}" if root else None
    for row in boot.disks:
        fresh = await tx.get(type(row), row.id)
        if fresh is not None and fresh.name in names:
            fresh.device_name = names[fresh.name]


async def undefine(run: Run) -> None:
    await hypervisor(run).undefine(run.input["server"])


Start = Callable[[Run, asyncio.Event], Awaitable[None]]
"""Switches a domain on, paused, and sets the event as soon as its taps may be plugged."""


async def start_paused(run: Run, taps: asyncio.Event) -> None:
    """The domain, not running yet. Run again after a crash, it is where it was."""
    await hypervisor(run).start(run.input["server"], paused=True, taps=taps)


async def start_wired(run: Run, start: Start = start_paused) -> None:
    """The domain, not running yet, with its ports on the wire: what they need is made while the hypervisor starts, and their taps
    are plugged as soon as it has made them."""
    taps = asyncio.Event()

    async def starting() -> None:
        try:
            await start(run, taps)
        finally:
            taps.set()                                        # if it failed, there are none to be found
    await together(starting(), _wire(run, taps))


async def _wire(run: Run, taps: asyncio.Event) -> None:
    """Everything of the server's ports, their taps in the end."""
    ports = await _ports(run)
    await together(*(_unless_gone(network.prepare_port(run.parts, port_id)) for port_id in ports))
    await taps.wait()
    await together(*(_unless_gone(network.plug_port(run.parts, port_id)) for port_id in ports))
    if ports:
        async with run.write() as tx:
            await network.ports_plugged(tx, ports)


async def _unless_gone(work: Awaitable[None]) -> None:
    """A port that was deleted meanwhile is left out."""
    with contextlib.suppress(NotFound):
        await work


async def take_down(run: Run) -> None:
    await unwire(run)
    await switch_off(run)


async def switch_off(run: Run) -> None:
    """Off, now; what has no domain is off already."""
    with contextlib.suppress(DomainNotFound):
        await hypervisor(run).destroy(run.input["server"])


async def unwire(run: Run) -> None:
    for port_id in await _ports(run):
        await network.unwire(run.parts, port_id)


async def _ports(run: Run) -> list[str]:
    query = select(ServerPort.port_id).where(ServerPort.server_id == run.input["server"]).order_by(ServerPort.number)
    async with run.read() as tx:
        return list((await tx.execute(query)).scalars())


async def let_run(run: Run) -> None:
    await hypervisor(run).resume(run.input["server"])


# -- off --------------------------------------------------------------------------------------------------------------


async def shut_down(run: Run) -> None:
    """Press the power button, wait as long as the settings or the image say, then switch off. Ends early when cancelled."""
    server_id = run.input["server"]
    if await state_of(run) is DomainState.RUNNING:
        boot = await load(run, whole=False)
        seconds = boot.properties.get("os_shutdown_timeout", "")
        patience = float(seconds) if str(seconds).isdigit() else float(CONFIG.shutdown_timeout)
        events = hypervisor(run).events()
        try:
            await _until_off(run, server_id, events, patience)
        finally:
            events.close()
        if run.cancelled.is_set():
            return
    await switch_off(run)


async def _until_off(run: Run, server_id: str, events: EventStream[DomainEvent], patience: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    cancelled = asyncio.ensure_future(run.cancelled.wait())
    try:
        while (left := end - loop.time()) > 0 and not cancelled.done() and await state_of(run) in LIVE:
            await hypervisor(run).shutdown(server_id)
            await _next(events, server_id, cancelled, min(left, PRESS_AGAIN_SECONDS))
    finally:
        cancelled.cancel()


async def _next(events: EventStream[DomainEvent], server_id: str, cancelled: "asyncio.Future[Any]", seconds: float) -> None:
    """Wait for news of this server, for the cancelling, or for the time to pass."""
    async def news() -> None:
        async for event in events:
            if event.server_id == server_id:
                return
    listening = asyncio.ensure_future(news())
    await asyncio.wait({listening, cancelled}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()


# -- how it ended -----------------------------------------------------------------------------------------------------


Also = Callable[[AsyncSession, Server], Awaitable[None]]
"""What else is written when a job ends, in the same transaction."""


def marked(vm_state: str | None, notice: str, *, also: Also | None = None, **values: Any) -> Callable[[Run], Awaitable[None]]:
    """The last step of a job: the server is in this state (None: in the one it was in), and everybody is told."""
    async def mark(run: Run) -> None:
        async with run.save() as tx:
            server = await tx.get_one(Server, run.input["server"])
            states.settle(server, vm_state, **values)
            if server.launched_at is None and vm_state == states.ACTIVE:
                server.launched_at = clock.now()
            server.updated_at = clock.now()
            if also is not None:
                await also(tx, server)
            await actions.finish(tx, server.id, run.row.request_id)
            await tell(tx, run.context, server, f"{notice}.end")
    return mark


def running(vm_state: str, notice: str, **values: Any) -> Callable[[Run], Awaitable[None]]:
    """The last step of a job that switches a server on: its guest runs, and everybody is told."""
    mark = marked(vm_state, notice, **values)

    async def let_run_and_mark(run: Run) -> None:
        await let_run(run)
        await mark(run)
    return let_run_and_mark


def failed(notice: str, doing: str, *, broken: bool = False, unless_running: bool = False,
           also: Also | None = None) -> Callable[[Run, BaseException], Awaitable[None]]:
    """What a job leaves when it was turned round: why, for the owner, and the state that its domain is in.

    `broken`: the server is in ERROR whatever its domain does; `unless_running`: but not one whose guest is seen to run. A
    cancelled job leaves the state to whoever cancelled it.
    """
    async def fail(run: Run, error: BaseException) -> None:
        left = await _left(run) if unless_running or not broken else None
        if broken and left != states.ACTIVE:
            left = states.ERROR
        await unwire_if_off(run)
        async with run.write() as tx:
            server = await tx.get(Server, run.input["server"])
            if server is None:
                return
            if also is not None:
                await also(tx, server)
            await actions.finish(tx, server.id, run.row.request_id, error)
            if isinstance(error, Cancelled) or run.row.error == "cancelled":
                return
            states.settle(server, left)
            server.updated_at = clock.now()
            await faults.record(tx, server, error, doing=doing)
            await tell(tx, run.context, server, f"{notice}.error", error=faults.words(error))
    return fail


async def unwire_if_off(run: Run) -> None:
    """Ports of a guest that is off are DOWN, however it went off. Nothing is lost when that cannot be done now."""
    try:
        if await state_of(run) not in LIVE:
            await unwire(run)
    except (HypervisorError, network.NetworkDriverError) as exc:
        LOG.warning("the ports of a failed server stay as they are", server=run.input["server"], error=str(exc))


async def _left(run: Run) -> str | None:
    """The state that a server's domain was left in; None, which is as it was, while the hypervisor cannot be asked."""
    try:
        return SEEN[await state_of(run)]
    except HypervisorError:
        return None
