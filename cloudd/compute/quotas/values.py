"""How many servers, cores and so on a project may have."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server, ServerGroup
from cloudd.core.quotas import Quotas

COUNTED = ("instances", "cores", "ram", "server_groups")
PER_ITEM = ("metadata_items", "injected_files", "injected_file_content_bytes", "injected_file_path_bytes", "key_pairs",
            "server_group_members")
DEFAULT_CLASS = "default"
CLASS_NAME_MAX = 30


def class_key(quota_class: str) -> str:
    """Where a class's limits are kept, among the projects'; a long name, which nobody ever lists, by its digest."""
    name = quota_class if len(quota_class) <= CLASS_NAME_MAX else hashlib.sha256(quota_class.encode()).hexdigest()[:CLASS_NAME_MAX]
    return f"class:{name}"


class ComputeQuotas(Quotas):
    """Compute's quotas, held in QUOTAS. Below a project's own limits lie those of the class `default`."""

    async def class_limits(self, tx: AsyncSession, quota_class: str = DEFAULT_CLASS) -> dict[str, int]:
        """The limits of a class: from the settings, changed by `os-quota-class-sets/CLASS`."""
        return {**self.defaults, **await self.own(tx, class_key(quota_class))}

    async def limits(self, tx: AsyncSession, project_id: str, user_id: str = "") -> dict[str, int]:
        return {**await self.class_limits(tx), **await self.own(tx, project_id, user_id)}


async def used(tx: AsyncSession, project_id: str) -> Mapping[str, int]:
    """What a project has of everything that is counted."""
    totals = select(func.count(), func.coalesce(func.sum(Server.vcpus), 0), func.coalesce(func.sum(Server.memory_mb), 0))
    row = (await tx.execute(totals.where(Server.project_id == project_id, Server.deleted_at.is_(None)))).one()
    groups = select(func.count()).select_from(ServerGroup).where(ServerGroup.project_id == project_id)
    return {"instances": row[0], "cores": row[1], "ram": row[2], "server_groups": (await tx.execute(groups)).scalar() or 0}


QUOTAS = ComputeQuotas("compute", dict.fromkeys((*COUNTED, *PER_ITEM), -1), used)
"""Its defaults are filled from the settings by ComputeModule."""


def from_settings(settings: Any) -> None:
    QUOTAS.defaults = {name: getattr(settings.quota, name) for name in (*COUNTED, *PER_ITEM)}
