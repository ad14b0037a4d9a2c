"""QoS specs: what a guest may do to a volume a second, by type. What is left unnamed of them back ends would obey; here one host
makes both ends the same place, so all that are known are obeyed by the guest's QEMU, whoever is named as the consumer."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.models import QosSpecs, Volume, VolumeType
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.ids import MOST, whole
from cloudd.drivers.volume.base import Limits

CONSUMERS = ("back-end", "front-end", "both")
RATES = tuple(f"{how}_{what}_sec" for what in ("bytes", "iops") for how in ("total", "read", "write"))
BURSTS = tuple(f"{rate}_max" for rate in RATES)
LENGTHS = tuple(f"{burst}_length" for burst in BURSTS)
PER_GB = tuple(f"{rate}_per_gb" for rate in RATES)
LEAST = tuple(f"{rate}_min" for rate in PER_GB)
KNOWN = frozenset((*RATES, *BURSTS, *LENGTHS, *PER_GB, *LEAST, "size_iops_sec"))


def check(specs: Mapping[str, str]) -> None:
    """Raise BadRequest for limits that could not be obeyed. Keys that nobody knows are kept, as upstream does."""
    for key in sorted(KNOWN & specs.keys()):
        if whole(specs[key], MOST) is None:
            raise BadRequest(f"Invalid qos specs: {key}={specs[key]}: it must be a whole number, 0 for no limit.",
                             type="InvalidQoSSpecs")
    limits = iotune(specs, 1)
    for what in ("bytes", "iops"):
        for end in ("", "_max"):
            parts = [f"{how}_{what}_sec{end}" for how in ("read", "write") if limits.get(f"{how}_{what}_sec{end}")]
            if parts and limits.get(f"total_{what}_sec{end}"):
                raise BadRequest(f"Invalid qos specs: total_{what}_sec{end} goes not together with {' and '.join(parts)}.",
                                 type="InvalidQoSSpecs")


def iotune(specs: Mapping[str, str], size: int) -> dict[str, int]:
    """The limits of a volume of so many GiB, under the names that QEMU has for them; what is not limited is left out.

    Of `X_per_gb` becomes X, at least `X_per_gb_min` and at most `X_max`, which is then no burst.
    """
    given = {key: number for key in KNOWN & specs.keys() if (number := whole(specs[key], MOST)) is not None}
    for rate in RATES:
        if (per_gb := given.pop(f"{rate}_per_gb", None)) is not None:
            value = max(given.pop(f"{rate}_per_gb_min", 0), per_gb * size)
            given[rate] = min(value, given.pop(f"{rate}_max", value), MOST)
        given.pop(f"{rate}_per_gb_min", None)
    return {key: value for key, value in given.items() if value}


async def of_volumes(tx: AsyncSession, volumes: Iterable[Volume]) -> dict[str, dict[str, int]]:
    """The limits of volumes by their ids, as `iotune` has them, in one query; a volume without any is left out."""
    rows = {volume.id: volume for volume in volumes}
    query = select(VolumeType.id, QosSpecs.specs).join(QosSpecs, QosSpecs.id == VolumeType.qos_specs_id)
    wanted = {row.volume_type_id for row in rows.values()}
    specs = dict((await tx.execute(query.where(VolumeType.id.in_(wanted)))).tuples().all()) if wanted else {}
    found = {key: iotune(specs[row.volume_type_id], row.size) for key, row in rows.items() if row.volume_type_id in specs}
    return {key: limits for key, limits in found.items() if limits}


async def limits_of(tx: AsyncSession, volume: Volume) -> Limits:
    """What the driver is told of it, for a connection."""
    return Limits(**(await of_volumes(tx, [volume])).get(volume.id, {}))


async def find(tx: AsyncSession, qos_id: str) -> QosSpecs:
    """Raises NotFound."""
    row = await tx.get(QosSpecs, qos_id)
    if row is None:
        raise NotFound(f"No such QoS spec {qos_id}.", type="QoSSpecsNotFound")
    return row


async def of_type(tx: AsyncSession, row: VolumeType) -> QosSpecs | None:
    return await tx.get(QosSpecs, row.qos_specs_id) if row.qos_specs_id else None


def _checked(specs: Mapping[str, str | None], consumer: str) -> tuple[dict[str, str], str]:
    """The specs and who obeys them. Raises BadRequest."""
    plain = {key: value or "" for key, value in specs.items() if key != "consumer"}
    consumer = specs.get("consumer") or consumer
    if consumer not in CONSUMERS:
        raise BadRequest(f"Invalid qos specs: consumer {consumer}: use {', '.join(CONSUMERS)}.", type="InvalidQoSSpecs")
    check(plain)
    return plain, consumer


async def create(context: Context, tx: AsyncSession, name: str, specs: Mapping[str, str | None]) -> QosSpecs:
    """Raises BadRequest, Conflict."""
    plain, consumer = _checked(specs, CONSUMERS[0])
    if (await tx.execute(select(QosSpecs.id).where(QosSpecs.name == name))).scalar() is not None:
        raise Conflict(f"QoS Specs {name} already exists.", type="QoSSpecsExists")
    row = QosSpecs(id=ids.new_uuid(), name=name, consumer=consumer, specs=plain, created_at=context.now())
    tx.add(row)
    await tx.flush()
    await events.record(tx, context, "qos_specs.create", row.id, name_of=name, specs=plain)
    return row


async def put(context: Context, tx: AsyncSession, row: QosSpecs, specs: Mapping[str, str | None]) -> None:
    """Add keys, or change those that are there. Raises BadRequest."""
    row.specs, row.consumer = _checked({**row.specs, **specs}, row.consumer)
    row.updated_at = context.now()
    await tx.flush()
    await events.record(tx, context, "qos_specs.update", row.id, specs=row.specs)


async def drop_keys(context: Context, tx: AsyncSession, row: QosSpecs, keys: Iterable[str]) -> None:
    """Raises NotFound, and drops none, when one is not there."""
    gone = set(keys)
    if missing := sorted(gone - row.specs.keys()):
        raise NotFound(f"QoS spec {row.id} has no spec with key {missing[0]}.", type="QoSSpecsKeyNotFound")
    row.specs, row.updated_at = {key: value for key, value in row.specs.items() if key not in gone}, context.now()
    await tx.flush()
    await events.record(tx, context, "qos_specs.delete_keys", row.id, specs=row.specs)


async def types_of(tx: AsyncSession, row: QosSpecs) -> list[VolumeType]:
    return list((await tx.execute(select(VolumeType).where(VolumeType.qos_specs_id == row.id).order_by(VolumeType.name))).scalars())


async def delete(context: Context, tx: AsyncSession, row: QosSpecs, *, force: bool) -> None:
    """Raises BadRequest while types have them, unless forced."""
    types = await types_of(tx, row)
    if types and not force:
        raise BadRequest(f"Qos specs still in use: by the types {', '.join(one.name for one in types[:5])}.", type="QoSSpecsInUse")
    await disassociate_all(context, tx, row)
    await tx.delete(row)
    await tx.flush()
    await events.record(tx, context, "qos_specs.delete", row.id)


async def associate(context: Context, tx: AsyncSession, row: QosSpecs, volume_type: VolumeType) -> None:
    """Raises BadRequest for a type that has others."""
    if volume_type.qos_specs_id not in (None, row.id):
        raise BadRequest(f"Invalid volume type: Type {volume_type.id} is already associated with another qos specs: "
                         f"{volume_type.qos_specs_id}", type="InvalidVolumeType")
    volume_type.qos_specs_id = row.id
    await tx.flush()
    await events.record(tx, context, "qos_specs.associate", row.id, volume_type_id=volume_type.id)


async def disassociate(context: Context, tx: AsyncSession, row: QosSpecs, volume_type: VolumeType) -> None:
    if volume_type.qos_specs_id == row.id:
        volume_type.qos_specs_id = None
        await tx.flush()
        await events.record(tx, context, "qos_specs.disassociate", row.id, volume_type_id=volume_type.id)


async def disassociate_all(context: Context, tx: AsyncSession, row: QosSpecs) -> None:
    result = await tx.execute(update(VolumeType).where(VolumeType.qos_specs_id == row.id).values(qos_specs_id=None))
    if result.rowcount:
        await events.record(tx, context, "qos_specs.disassociate_all", row.id)
