"""The parts of block storage as `os-services` lists them. All run in this daemon, so all are up while it answers."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.config import CONFIG
from cloudd.block.models import BlockService
from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound

VOLUME, BACKUP, SCHEDULER, API = "cinder-volume", "cinder-backup", "cinder-scheduler", "cinder-api"
BINARIES = (SCHEDULER, BACKUP, VOLUME)
FROZEN = "frozen"


def host_of(backend: str) -> str:
    """The host of a back end's service."""
    return f"{CONFIG.host}@{backend}"


def here(backends: Collection[str]) -> set[tuple[str, str]]:
    """The services of this daemon, as (binary, host)."""
    return {(SCHEDULER, CONFIG.host), (BACKUP, CONFIG.host), *((VOLUME, host_of(name)) for name in backends)}


async def register(tx: AsyncSession, backends: Collection[str]) -> None:
    """The rows of this daemon's services. Those that an earlier start left stay: down, until an operator forgets them."""
    rows = {(row.binary, row.host): row for row in (await tx.execute(select(BlockService))).scalars()}
    for binary, host in sorted(here(backends)):
        if (row := rows.get((binary, host))) is None:
            tx.add(BlockService(host=host, binary=binary, zone=CONFIG.zone, created_at=clock.now()))
        else:
            row.zone = CONFIG.zone
    await tx.flush()


def is_up(row: BlockService, backends: Collection[str]) -> bool:
    return (row.binary, row.host) in here(backends)


def seen_at(row: BlockService, backends: Collection[str], now: datetime) -> datetime:
    """When it last told that it lives."""
    return now if is_up(row, backends) else row.updated_at or row.created_at


def at_host(query: Select[tuple[BlockService]], host: str) -> Select[tuple[BlockService]]:
    """Those of a host, its back ends among them, or of one back end."""
    name = host.partition("#")[0]
    return query.where(or_(BlockService.host == name, BlockService.host.startswith(f"{name}@", autoescape=True)))


async def listed(tx: AsyncSession, host: str | None = None, binary: str | None = None) -> list[BlockService]:
    query = select(BlockService).order_by(BlockService.id)
    if host:
        query = at_host(query, host)
    if binary:
        query = query.where(BlockService.binary == binary)
    return list((await tx.execute(query)).scalars())


async def named(tx: AsyncSession, host: str, binary: str) -> BlockService:
    """Raises NotFound."""
    query = select(BlockService).where(BlockService.host == host, BlockService.binary == binary)
    row = (await tx.execute(query)).scalar()
    if row is None:
        raise NotFound(f"Service {binary} could not be found on host {host}.", type="ServiceNotFound")
    return row


async def turn(context: Context, tx: AsyncSession, row: BlockService, *, enabled: bool, reason: str | None = None) -> None:
    """Let a service take new volumes, or none."""
    row.disabled, row.disabled_reason = not enabled, None if enabled else reason
    row.updated_at = context.now()
    await tx.flush()
    await events.record(tx, context, f"service.{'enable' if enabled else 'disable'}", str(row.id), host=row.host,
                         binary=row.binary, reason=reason)


async def closed(tx: AsyncSession) -> dict[str, str]:
    """The back ends that take no new volumes now, with the reason: by HOST@BACKEND."""
    query = select(BlockService).where(BlockService.binary == VOLUME, BlockService.disabled)
    return {row.host: row.disabled_reason or "an operator disabled it" for row in (await tx.execute(query)).scalars()}


async def zones(tx: AsyncSession) -> dict[str, bool]:
    """The zones of the back ends, and whether any there takes new volumes."""
    found: dict[str, bool] = {}
    for row in await listed(tx, binary=VOLUME):
        found[row.zone] = found.get(row.zone, False) or not row.disabled
    return found


# -- freezing and failing over ------------------------------------------------------------------------------------------


async def back_ends(tx: AsyncSession, host: str | None, cluster: str | None) -> list[BlockService]:
    """The services of the back ends that a request names. Raises BadRequest; nothing here is in a cluster."""
    if bool(host) == bool(cluster):
        raise BadRequest("Invalid input received: One and only one of cluster and host must be set.")
    rows = await listed(tx, host, VOLUME) if host else []
    if not rows:
        raise BadRequest(f"Invalid input received: No service found with {f'host={host}' if host else f'cluster={cluster}'}")
    if len(rows) > 1 and host not in {row.host for row in rows}:
        raise BadRequest(f"{host} has several back ends: name one of {', '.join(row.host for row in rows)}.")
    return rows


async def freeze(context: Context, tx: AsyncSession, rows: list[BlockService], *, frozen: bool) -> None:
    """Make no new volumes on a back end, or make them again. Raises BadRequest."""
    if all(row.frozen is frozen for row in rows):
        raise BadRequest(f"Invalid input received: frozen in {', '.join(row.host for row in rows)} must be {not frozen} to be "
                         f"{'frozen' if frozen else 'thawed'}.")
    for row in rows:
        row.frozen = frozen
        await turn(context, tx, row, enabled=not frozen, reason=FROZEN)


def fail_over(rows: list[BlockService]) -> None:
    """No back end here has another that it replicates to. Raises BadRequest, as Cinder does for such."""
    raise BadRequest(f"Invalid input received: replication_status in {', '.join(row.host for row in rows)} must be enabled or failed-over "
                     "and must be up to failover: it is disabled, since no back end of this host replicates.")
