"""How many volumes, snapshots and gigabytes a project may have, of all types and of each: counted from the rows, never kept."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Snapshot, Volume, VolumeType
from cloudd.core.errors import OverQuota
from cloudd.core.quotas import ClassQuotas

COUNTED = ("volumes", "snapshots", "gigabytes")
NAMES = (*COUNTED, "backups", "backup_gigabytes", "groups", "per_volume_gigabytes")


def of_type(resource: str, type_id: str) -> str:
    """The name that a limit for volumes of one type is kept under; in the API it bears the type's name, which may change."""
    return f"{resource}_{type_id}"


class BlockQuotas(ClassQuotas):
    """Block storage's quotas, held in QUOTAS. Limits of a type (`of_type`) are there when they were set."""

    def knows(self, name: str) -> bool:
        return name in self.defaults or name.partition("_")[0] in COUNTED

    async def limits(self, tx: AsyncSession, project_id: str, user_id: str = "") -> dict[str, int]:
        return await super().limits(tx, project_id)


async def used(tx: AsyncSession, project_id: str) -> Mapping[str, int]:
    """What a project has of everything that is counted, of each type as well. Snapshots take gigabytes, too."""
    found = dict.fromkeys(COUNTED, 0)
    volume_size = func.coalesce(Volume.wanted_size, Volume.size)
    for model, size, name in ((Volume, volume_size, "volumes"), (Snapshot, Snapshot.volume_size, "snapshots")):
        query = select(model.volume_type_id, func.count(), func.coalesce(func.sum(size), 0))
        rows = await tx.execute(query.where(model.project_id == project_id, model.counted).group_by(model.volume_type_id))
        for type_id, count, gigabytes in rows:
            for resource, number in ((name, count), ("gigabytes", gigabytes)):
                found[resource] += number
                key = of_type(resource, type_id)
                found[key] = found.get(key, 0) + number
    return found


QUOTAS = BlockQuotas("block", dict.fromkeys(NAMES, -1), used)
"""Its defaults are filled from the settings by BlockModule."""


async def require(tx: AsyncSession, project_id: str, type_id: str, **deltas: int) -> None:
    """Raise OverQuota if so much more, of a type, would pass a limit of the project or of the type in it."""
    await _require(tx, project_id, type_id, **deltas, **{of_type(name, type_id): delta for name, delta in deltas.items()})


async def require_type(tx: AsyncSession, project_id: str, type_id: str, **deltas: int) -> None:
    """Raise OverQuota if so much more of a type would pass the type's limit; of all types together it stays as much."""
    await _require(tx, project_id, type_id, **{of_type(name, type_id): delta for name, delta in deltas.items()})


async def _require(tx: AsyncSession, project_id: str, type_id: str, **deltas: int) -> None:
    """A refusal names the type's limits as the API does."""
    try:
        await QUOTAS.require(tx, project_id, **deltas)
    except OverQuota as exc:
        name = (await tx.execute(select(VolumeType.name).where(VolumeType.id == type_id))).scalar()
        raise OverQuota(exc.message.replace(type_id, name or type_id), type=exc.type) from exc


async def require_size(tx: AsyncSession, project_id: str, size: int) -> None:
    """Raise OverQuota for one volume that is larger than any may be."""
    most = (await QUOTAS.limits(tx, project_id)).get("per_volume_gigabytes", -1)
    if 0 <= most < size:
        raise OverQuota(f"Requested volume size {size} is larger than maximum allowed limit {most}.", type="VolumeSizeExceedsLimit")


def from_settings(settings: Any) -> None:
    QUOTAS.defaults = {name: getattr(settings.quota, name) for name in NAMES}
