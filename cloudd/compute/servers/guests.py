"""The watch over the guests: what they do by themselves is written down, what should run and does not is started."""

import asyncio

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server
from cloudd.compute.servers import actions, volumes
from cloudd.core import jobs, log
from cloudd.core.context import internal
from cloudd.core.errors import CloudError
from cloudd.core.outage import RETRY_SECONDS, DatabaseDown
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import DomainEvent, DomainState, EventKind, EventStream, Hypervisor, HypervisorError

LOG = log.get("cloudd.guests")
NEWS = {EventKind.STOPPED: (states.ACTIVE, states.PAUSED, states.RESCUED), EventKind.CRASHED: (states.ACTIVE, states.RESCUED),
        EventKind.PAUSED: (states.ACTIVE,), EventKind.RESUMED: (states.PAUSED,), EventKind.STARTED: (states.STOPPED,),
        EventKind.SUSPENDED: (states.ACTIVE,)}
"""From which states an event is news; from all others a job of ours, or an older event, has told it already."""
SHOULD_RUN = (states.ACTIVE, states.RESCUED)
RUNS = (DomainState.RUNNING, DomainState.PAUSED)


async def follow(parts: Parts, events: EventStream[DomainEvent]) -> None:
    """Read events for ever; one that cannot be handled is told in the log and does not stop the others."""
    async for event in events:
        try:
            await _follow(parts, event)
        except (CloudError, HypervisorError, SQLAlchemyError) as exc:
            LOG.error("an event of the hypervisor could not be followed", server=event.server_id, kind=event.kind,
                      error=repr(exc), exc_info=exc)


async def _follow(parts: Parts, event: DomainEvent) -> None:
    """While the database is away an event waits, and those after it."""
    while True:
        try:
            return await _heard(parts, event)
        except DatabaseDown:
            await asyncio.sleep(RETRY_SECONDS)


async def _heard(parts: Parts, event: DomainEvent) -> None:
    if event.kind is EventKind.DISCONNECTED:
        LOG.error("the hypervisor is out of reach; guests run on")
        return
    if event.kind is EventKind.RECONNECTED:
        LOG.info("the hypervisor is there again")
        await reconcile(parts)
        return
    if event.server_id is not None and event.kind is EventKind.DISK_GONE:
        async with parts.database.write() as tx:
            await volumes.lost(tx, event.server_id, event.detail)
        return
    if event.server_id is None or event.kind not in NEWS:
        return
    async with parts.database.read() as tx:
        if not await _is_news(tx, event):
            return
    async with parts.database.write() as tx:
        server = await tx.get(Server, event.server_id)
        if server is not None and await _is_news(tx, event):
            LOG.info("a guest changed its state by itself", server=server.id, event=event.kind, detail=event.detail)
            await _ask(tx, server, "compute.server.observe")


async def _is_news(tx: AsyncSession, event: DomainEvent) -> bool:
    """Mostly not, so that no more is read than tells so."""
    query = select(Server.id).where(Server.id == event.server_id, Server.deleted_at.is_(None), Server.task_state.is_(None),
                                    Server.vm_state.in_(NEWS[event.kind]))
    server_id = (await tx.execute(query)).scalar()
    return server_id is not None and not await jobs.unfinished(tx, server_id)


async def _ask(tx: AsyncSession, server: Server, kind: str) -> None:
    context = internal(server.project_id, server.user_id)
    await jobs.ask(tx, context, kind, locks=[server.id], server=server.id)
    if kind == "compute.server.restore":
        states.SERVER.force(server, busy="powering-on")
        await actions.begin(tx, context, server, "start")


async def reconcile(parts: Parts) -> None:
    """Compare what should be with what is: start what should run, note what went off, remove what nobody wants."""
    driver = parts.driver(Hypervisor)
    try:
        found = {status.server_id: status.state for status in await driver.list()}
    except HypervisorError as exc:
        LOG.error("the hypervisor does not answer; its guests are looked at when it is there again", error=str(exc))
        return
    async with parts.database.write() as tx:
        query = select(Server).where(Server.deleted_at.is_(None), Server.host == CONFIG.host)
        servers = list((await tx.execute(query)).scalars())
        held = await jobs.locked(tx)
        for server in servers:
            if server.id not in held and server.task_state is None:
                await _compare(tx, server, found.get(server.id))
    wanted = {server.id for server in servers}
    await _remove_unwanted(parts, {*found, *await driver.disks.owners()} - wanted - held)


async def _compare(tx: AsyncSession, server: Server, domain: DomainState | None) -> None:
    if server.vm_state in SHOULD_RUN and domain not in RUNS and domain is not DomainState.SUSPENDED:
        LOG.info("a server that should run does not", server=server.id, domain=domain)
        await _ask(tx, server, "compute.server.restore" if CONFIG.resume_guests else "compute.server.observe")
    elif server.vm_state == states.ERROR and domain is DomainState.RUNNING and await actions.only_power_failed(tx, server.id):
        LOG.info("a server that failed to reboot runs", server=server.id)
        await _ask(tx, server, "compute.server.observe")
    elif (server.vm_state == states.PAUSED and domain not in RUNS) or (server.vm_state == states.STOPPED and domain in RUNS):
        await _ask(tx, server, "compute.server.observe")


async def _remove_unwanted(parts: Parts, server_ids: set[str]) -> None:
    driver = parts.driver(Hypervisor)
    for server_id in sorted(server_ids):
        LOG.warning("a guest that no server stands for is removed", server=server_id)
        try:
            await driver.undefine(server_id)
            await driver.disks.delete(server_id)
        except HypervisorError as exc:
            LOG.error("it could not be removed; it is tried again at the next start", server=server_id, error=str(exc))
