"""Extra specs of volume types: what a type wants of a back end, and what it says of its volumes."""

from collections.abc import Mapping

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import TypeExtraSpec, VolumeType
from cloudd.block.types.find import says_yes, specs
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.ids import whole

VISIBLE = ("RESKEY:availability_zones", "multiattach", "replication_enabled")
"""What users see of a type; all else may tell of the back ends."""
ZONES = VISIBLE[0]
SIZES = ("provisioning:min_vol_size", "provisioning:max_vol_size")
MOST_GIB = 2**31 - 1


def check(wanted: Mapping[str, str | None], have: Mapping[str, str] | None = None) -> None:
    """Raise BadRequest for what could never be obeyed."""
    for key in SIZES:
        if wanted.get(key) is not None and whole(wanted[key], MOST_GIB) is None:
            raise BadRequest(f"Invalid extra spec {key}={wanted[key]}: it must be a size in GiB, a whole number.")
    together = {**(have or {}), **wanted}
    if any(key in wanted for key in ("multiattach", "cacheable")) and all(
            says_yes(together.get(key)) for key in ("multiattach", "cacheable")):
        raise BadRequest("cacheable cannot be set with multiattach.")


async def put(tx: AsyncSession, row: VolumeType, wanted: Mapping[str, str | None]) -> None:
    """Add specs, or change those that are there. Raises BadRequest."""
    check(wanted, await specs(tx, row.id))
    for key, value in wanted.items():
        await tx.merge(TypeExtraSpec(volume_type_id=row.id, key=key, value=value or ""))
    await tx.flush()


async def drop(tx: AsyncSession, row: VolumeType, key: str) -> None:
    """Raises NotFound."""
    result = await tx.execute(delete(TypeExtraSpec).where(TypeExtraSpec.volume_type_id == row.id, TypeExtraSpec.key == key))
    if not result.rowcount:
        raise missing(row, key)


def missing(row: VolumeType, key: str) -> NotFound:
    return NotFound(f"Volume Type {row.id} has no extra specs with key {key}.", type="VolumeTypeExtraSpecsNotFound")


def require_fit(row: VolumeType, extra_specs: Mapping[str, str], *, size: int, zone: str) -> None:
    """Raise BadRequest for a volume of a size (in GiB) or in a zone that the type does not allow."""
    zones = [name.strip() for name in extra_specs.get(ZONES, "").split(",") if name.strip()]
    if zones and zone not in zones:
        raise BadRequest(f"Volume type is only supported in the availability zones {', '.join(zones)}: '{row.name}' is not in '{zone}'.",
                         type="InvalidTypeAvailabilityZones")
    least, most = (whole(extra_specs.get(key)) for key in SIZES)
    if least is not None and size < least:
        raise BadRequest(f"Specified volume size of '{size}' is less than the minimum required size of '{least}' for volume type "
                         f"'{row.name}'.")
    if most is not None and size > most:
        raise BadRequest(f"Specified volume size of '{size}' is greater than the maximum allowable size of '{most}' for volume type "
                         f"'{row.name}'.")
