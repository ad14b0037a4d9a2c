"""Names of volume types and of group types: each is given once, and how what has one is changed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import GroupType, VolumeType
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict

WORDS = {VolumeType: "volume type", GroupType: "group type"}


async def require_free(tx: AsyncSession, model: type[VolumeType] | type[GroupType], name: str, but: str = "") -> None:
    """Raises Conflict when another than `but` has the name."""
    if (await tx.execute(select(model.id).where(model.name == name, model.id != but))).scalar() is not None:
        words = WORDS[model].title()
        raise Conflict(f"{words} {name} already exists.", type=f"{words.replace(' ', '')}Exists")


async def change(context: Context, tx: AsyncSession, row: VolumeType | GroupType, wanted: Mapping[str, Any],
                 members: str) -> dict[str, Any]:
    """Set those of `members` that are given; what was. Raises BadRequest, Conflict."""
    name = wanted.get("name")
    if name is not None and not name.strip():
        raise BadRequest(f"{WORDS[type(row)].capitalize()} name can not be empty.")
    given = {key: value for key, value in wanted.items() if value is not None}
    if not given:
        raise BadRequest(f"Specify {members} or a combination thereof.")
    if name is not None:
        await require_free(tx, type(row), name, row.id)
    for key, value in given.items():
        setattr(row, key, value)
    row.updated_at = context.now()
    await tx.flush()
    return given
