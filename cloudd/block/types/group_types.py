"""Group types: what groups of volumes of a type can do together."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.config import CONFIG
from cloudd.block.models import GroupType
from cloudd.block.types import naming
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import NotFound


def visible(context: Context, query: Select[Any]) -> Select[Any]:
    """Users see public ones; nobody is given a private one by project."""
    return query if context.is_admin else query.where(GroupType.is_public)


async def find(tx: AsyncSession, context: Context, name: str) -> GroupType:
    """A group type that the caller may use, by id or name. Raises NotFound."""
    query = visible(context, select(GroupType).where((GroupType.id == name) | (GroupType.name == name)))
    rows = sorted((await tx.execute(query)).scalars(), key=lambda row: row.id != name)
    if not rows:
        raise NotFound(f"Group type {name} could not be found.", type="GroupTypeNotFound")
    return rows[0]


async def by_id(tx: AsyncSession, context: Context, type_id: str) -> GroupType:
    """A group type that the caller may see, by its id. Raises NotFound."""
    row = (await tx.execute(visible(context, select(GroupType).where(GroupType.id == type_id)))).scalar()
    if row is None:
        raise NotFound(f"Group type {type_id[:255]} could not be found.", type="GroupTypeNotFound")
    return row


async def default(tx: AsyncSession, context: Context) -> GroupType:
    """Raises NotFound."""
    if not CONFIG.default_group_type:
        raise NotFound("Default group type can not be found: set default_group_type in the section [block] of the settings.")
    return await find(tx, context, CONFIG.default_group_type)


async def create(context: Context, tx: AsyncSession, name: str, *, description: str | None, is_public: bool,
                 group_specs: Mapping[str, str | None]) -> GroupType:
    """Raises Conflict."""
    await naming.require_free(tx, GroupType, name)
    row = GroupType(id=ids.new_uuid(), name=name, description=description, is_public=is_public, group_specs=_texts(group_specs),
                    created_at=context.now())
    tx.add(row)
    await tx.flush()
    await events.record(tx, context, "group_type.create", row.id, type_name=name)
    return row


def _texts(specs: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value or "" for key, value in specs.items()}


async def update(context: Context, tx: AsyncSession, row: GroupType, wanted: Mapping[str, Any]) -> None:
    """Raises BadRequest, Conflict."""
    given = await naming.change(context, tx, row, wanted, "group type name, description")
    await events.record(tx, context, "group_type.update", row.id, **given)


async def delete(context: Context, tx: AsyncSession, row: GroupType) -> None:
    await tx.delete(row)
    await tx.flush()
    await events.record(tx, context, "group_type.delete", row.id, type_name=row.name)


async def put_specs(context: Context, tx: AsyncSession, row: GroupType, specs: Mapping[str, str | None]) -> None:
    """Add specs, or change those that are there."""
    row.group_specs, row.updated_at = {**row.group_specs, **_texts(specs)}, context.now()
    await tx.flush()
    await events.record(tx, context, "group_type_specs.create", row.id, specs=_texts(specs))


def spec(row: GroupType, key: str) -> str:
    """Raises NotFound."""
    if key not in row.group_specs:
        raise NotFound(f"Group Type {row.id} has no specs with key {key}.", type="GroupTypeSpecsNotFound")
    return row.group_specs[key]


async def drop_spec(context: Context, tx: AsyncSession, row: GroupType, key: str) -> None:
    """Raises NotFound."""
    spec(row, key)
    row.group_specs, row.updated_at = {name: value for name, value in row.group_specs.items() if name != key}, context.now()
    await tx.flush()
    await events.record(tx, context, "group_type_specs.delete", row.id, key=key)
