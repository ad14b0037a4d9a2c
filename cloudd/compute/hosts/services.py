"""The parts of compute as `os-services` lists them. All run in this daemon, so all are up while it answers."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.config import CONFIG
from cloudd.compute.models import Aggregate, Server, Service
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.ids import whole

COMPUTE = "nova-compute"
INTERNAL = "internal"


def is_up(service: Service) -> bool:
    """This daemon's services are up since it answers; those of a host by another name are what an older start left."""
    return service.host == CONFIG.host and not service.forced_down


def seen_at(service: Service, now: datetime) -> datetime | None:
    """When it last told that it lives."""
    return now if is_up(service) else service.updated_at or service.created_at


async def listed(tx: AsyncSession, host: str | None = None, binary: str | None = None) -> list[Service]:
    query = select(Service).order_by(Service.id)
    if host:
        query = query.where(Service.host == host)
    if binary:
        query = query.where(Service.binary == binary)
    return list((await tx.execute(query)).scalars())


async def zones(tx: AsyncSession) -> dict[str, str]:
    """The availability zone of each host that an aggregate puts into one."""
    found: dict[str, str] = {}
    for aggregate in (await tx.execute(select(Aggregate).order_by(Aggregate.id))).scalars():
        if aggregate.availability_zone:
            found.update({host: aggregate.availability_zone for host in aggregate.hosts})
    return found


def zone(service: Service, by_host: dict[str, str]) -> str:
    return by_host.get(service.host, CONFIG.zone) if service.binary == COMPUTE else INTERNAL


async def named(tx: AsyncSession, host: str, binary: str) -> Service:
    """Raises NotFound."""
    row = (await tx.execute(select(Service).where(Service.host == host, Service.binary == binary))).scalar()
    if row is None:
        raise NotFound(f"Could not find binary {binary} on host {host}.", type="HostBinaryNotFound")
    return row


async def find(tx: AsyncSession, key: str, *, by_uuid: bool) -> Service:
    """A service by what this version calls its id. Raises BadRequest, NotFound."""
    if by_uuid and not ids.is_uuid(key):
        raise BadRequest(f"Invalid uuid {key}", type="InvalidUUID")
    if not by_uuid and whole(key) is None:
        raise BadRequest(f"Service id {key} is not a number.", type="HTTPBadRequest")
    clause = Service.uuid == key if by_uuid else Service.id == whole(key)
    row = (await tx.execute(select(Service).where(clause))).scalar()
    if row is None:
        raise NotFound(f"Service {key} could not be found.", type="ServiceNotFound")
    return row


async def update(context: Context, tx: AsyncSession, service: Service, *, enabled: bool | None = None,
                 reason: str | None = None, forced_down: bool | None = None) -> None:
    """Enable or disable a service for new servers, or say that it is down. Raises BadRequest for one that is no compute."""
    if service.binary != COMPUTE:
        raise BadRequest(f"Updating a {service.binary} service is not supported. Only {COMPUTE} services can be updated.")
    if enabled is not None:
        service.disabled, service.disabled_reason = not enabled, None if enabled else reason
    if forced_down is not None:
        service.forced_down = forced_down
    service.updated_at = context.now()
    await tx.flush()


async def delete(tx: AsyncSession, service: Service) -> None:
    """Forget a service that no longer runs. Raises Conflict while it runs or has servers."""
    query = select(func.count()).select_from(Server).where(Server.host == service.host, Server.deleted_at.is_(None))
    if service.binary == COMPUTE and (count := (await tx.execute(query)).scalar()):
        raise Conflict(f"Unable to delete compute service that is hosting instances. {service.host} hosts {count}; delete or "
                       "move them first.")
    if service.host == CONFIG.host:
        raise Conflict(f"Service {service.binary} runs in this daemon: it would come back. Disable it instead.")
    await tx.delete(service)
    await tx.flush()
