"""How many servers, cores and so on a project may have."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server, ServerGroup
from cloudd.core.quotas import ClassQuotas

COUNTED = ("instances", "cores", "ram", "server_groups")
PER_ITEM = ("metadata_items", "injected_files", "injected_file_content_bytes", "injected_file_path_bytes", "key_pairs",
            "server_group_members")


async def used(tx: AsyncSession, project_id: str) -> Mapping[str, int]:
    """What a project has of everything that is counted."""
    totals = select(func.count(), func.coalesce(func.sum(Server.vcpus), 0), func.coalesce(func.sum(Server.memory_mb), 0))
    row = (await tx.execute(totals.where(Server.project_id == project_id, Server.deleted_at.is_(None)))).one()
    groups = select(func.count()).select_from(ServerGroup).where(ServerGroup.project_id == project_id)
    return {"instances": row[0], "cores": row[1], "ram": row[2], "server_groups": (await tx.execute(groups)).scalar() or 0}


QUOTAS = ClassQuotas("compute", dict.fromkeys((*COUNTED, *PER_ITEM), -1), used)
"""Its defaults are filled from the settings by ComputeModule."""


def from_settings(settings: Any) -> None:
    QUOTAS.defaults = {name: getattr(settings.quota, name) for name in (*COUNTED, *PER_ITEM)}
