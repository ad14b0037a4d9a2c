"""Aggregates: hosts with something in common. The metadata item `availability_zone` puts their hosts into a zone."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Aggregate, AggregateHost, AggregateMetadata, Node, Server
from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.ids import whole

ZONE = "availability_zone"


async def find(tx: AsyncSession, key: str) -> Aggregate:
    """An aggregate by its number. Raises BadRequest, NotFound."""
    row = await tx.get(Aggregate, number) if (number := whole(key)) is not None else None
    if row is None:
        raise NotFound(f"Aggregate {key} could not be found.", type="AggregateNotFound")
    return row


async def create(context: Context, tx: AsyncSession, name: str, zone: str | None) -> Aggregate:
    await _require_name(tx, name)
    row = Aggregate(uuid=ids.new_uuid(), name=name, created_at=context.now(), host_rows=[],
                    metadata_rows=[AggregateMetadata(key=ZONE, value=zone)] if zone else [])
    tx.add(row)
    await tx.flush()
    return row


async def _require_name(tx: AsyncSession, name: str, but: int | None = None) -> None:
    found = (await tx.execute(select(Aggregate.id).where(Aggregate.name == name))).scalar()
    if found is not None and found != but:
        raise Conflict(f"Aggregate {name} already exists.", type="AggregateNameExists")


async def update(context: Context, tx: AsyncSession, row: Aggregate, changes: dict[str, str | None]) -> None:
    """Change the name, or the zone (None: into none)."""
    if (name := changes.get("name")) is not None:
        await _require_name(tx, name, row.id)
        row.name = name
    if ZONE in changes:
        await set_metadata(context, tx, row, {ZONE: changes[ZONE]})
    row.updated_at = context.now()
    await tx.flush()


async def delete(tx: AsyncSession, row: Aggregate) -> None:
    """Raises BadRequest while it has hosts."""
    if row.hosts:
        raise BadRequest(f"Cannot remove aggregate {row.id}: it has the hosts {', '.join(row.hosts)}; remove them first.",
                         type="InvalidAggregateAction")
    await tx.delete(row)
    await tx.flush()


async def add_host(context: Context, tx: AsyncSession, row: Aggregate, host: str) -> None:
    """Raises NotFound, Conflict."""
    if (await tx.execute(select(Node.id).where(Node.host == host))).scalar() is None:
        raise NotFound(f"Compute host {host} could not be found.", type="ComputeHostNotFound")
    if host in row.hosts:
        raise Conflict(f"Aggregate {row.id} already has host {host}.", type="AggregateHostExists")
    await _require_one_zone(tx, row, [host], row.availability_zone)
    if row.availability_zone:
        await _require_zone_free(tx, row, [host], await zone_of(tx, host), row.availability_zone)
    row.host_rows.append(AggregateHost(aggregate_id=row.id, host=host))
    row.updated_at = context.now()
    await tx.flush()


async def remove_host(context: Context, tx: AsyncSession, row: Aggregate, host: str) -> None:
    """Raises NotFound, Conflict."""
    entry = next((entry for entry in row.host_rows if entry.host == host), None)
    if entry is None:
        raise NotFound(f"Aggregate {row.id} has no host {host}.", type="AggregateHostNotFound")
    if row.availability_zone:
        await _require_zone_free(tx, row, [host], row.availability_zone, await zone_of(tx, host, without=row))
    row.host_rows.remove(entry)
    row.updated_at = context.now()
    await tx.flush()


async def set_metadata(context: Context, tx: AsyncSession, row: Aggregate, changes: dict[str, str | None]) -> None:
    """Set items; None takes one away. Raises BadRequest, Conflict when the zone cannot change so."""
    if ZONE in changes and changes[ZONE] != row.availability_zone:
        if changes[ZONE] == "":
            raise BadRequest("Cannot set an empty availability_zone for an aggregate.", type="InvalidAggregateAction")
        await _require_one_zone(tx, row, row.hosts, changes[ZONE])
        await _require_zone_free(tx, row, row.hosts, row.availability_zone, changes[ZONE])
    known = {entry.key: entry for entry in row.metadata_rows}
    for key, value in changes.items():
        if value is None:
            if key in known:
                row.metadata_rows.remove(known[key])
        elif key in known:
            known[key].value = value
        else:
            row.metadata_rows.append(AggregateMetadata(aggregate_id=row.id, key=key, value=value))
    row.updated_at = context.now()
    await tx.flush()


async def zone_of(tx: AsyncSession, host: str, without: Aggregate | None = None) -> str:
    """The availability zone of a host: that of its aggregates (but one), or the default one."""
    for aggregate in (await tx.execute(select(Aggregate).order_by(Aggregate.id))).scalars():
        if aggregate is not without and host in aggregate.hosts and aggregate.availability_zone:
            return aggregate.availability_zone
    return CONFIG.zone


async def _require_one_zone(tx: AsyncSession, row: Aggregate, hosts: list[str], zone: str | None) -> None:
    """A host stands in one zone, however many aggregates it is in."""
    if zone is None:
        return
    for other in (await tx.execute(select(Aggregate).where(Aggregate.id != row.id))).scalars():
        both = sorted(set(hosts) & set(other.hosts))
        if both and other.availability_zone not in (None, zone):
            raise Conflict(f"Cannot put host {both[0]} of aggregate {row.id} into zone {zone}: aggregate {other.id} has it in "
                           f"{other.availability_zone}.", type="InvalidAggregateAction")


async def _require_zone_free(tx: AsyncSession, row: Aggregate, hosts: list[str], old: str | None, new: str | None) -> None:
    """Servers were told their zone: it does not change beneath them. Other aggregates may keep the host where it is."""
    if old == new:
        return
    query = select(func.count()).select_from(Server).where(Server.host.in_(hosts), Server.deleted_at.is_(None))
    if count := (await tx.execute(query)).scalar():
        raise Conflict(f"One or more hosts contain instances in this zone: {count} servers on {', '.join(hosts)}.",
                       type="InvalidAggregateAction")


async def cache_images(context: Context, tx: AsyncSession, row: Aggregate, image_ids: list[str]) -> None:
    """Have the hosts fetch images before they are needed. Raises BadRequest."""
    if not row.hosts:
        raise BadRequest(f"Cannot cache images on aggregate {row.id}: it has no hosts.", type="InvalidAggregateAction")
    if len(set(image_ids)) != len(image_ids):
        raise BadRequest("Duplicate images in request: each may be named once.")
    found = await image.many(context, tx, image_ids)
    if missing := [key for key in image_ids if key not in found]:
        raise BadRequest(f"Image {missing[0]} could not be found.", type="ImageNotFound")
    for key in image_ids:
        await jobs.ask(tx, context, "compute.image.cache", locks=[f"image-cache-{key}"[:64]], resource=key, merge=True, image=key)
