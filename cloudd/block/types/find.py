"""Which type a volume gets, and which types somebody sees."""

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.config import CONFIG
from cloudd.block.models import ProjectDefaultType, TypeAccess, TypeExtraSpec, VolumeType, texts_of
from cloudd.core import clock, ids
from cloudd.core.context import Context
from cloudd.core.errors import NotFound

DEFAULT = "__DEFAULT__"


def given_to(project_id: str | None) -> ColumnElement[bool]:
    return exists().where(TypeAccess.volume_type_id == VolumeType.id, TypeAccess.project_id == (project_id or ""))


def visible(context: Context, query: Select[Any]) -> Select[Any]:
    """Only the types that the caller may use: public ones and those that his project was given."""
    return query if context.is_admin else query.where(or_(VolumeType.is_public, given_to(context.project_id)))


async def find(tx: AsyncSession, context: Context, name: str) -> VolumeType:
    """A type that the caller may use, by id or name. Raises NotFound."""
    query = visible(context, select(VolumeType).where(or_(VolumeType.id == name, VolumeType.name == name)))
    rows = sorted((await tx.execute(query)).scalars(), key=lambda row: row.id != name)
    if not rows:
        raise NotFound(f"Volume type {name} could not be found.", type="VolumeTypeNotFound")
    return rows[0]


async def by_id(tx: AsyncSession, context: Context, type_id: str) -> VolumeType:
    """A type that the caller may see, by its id. Raises NotFound."""
    row = (await tx.execute(visible(context, select(VolumeType).where(VolumeType.id == type_id)))).scalar()
    if row is None:
        raise NotFound(f"Volume type {type_id[:255]} could not be found.", type="VolumeTypeNotFound")
    return row


async def default(tx: AsyncSession, context: Context) -> VolumeType:
    """The type of a volume for which none is named: the project's own, or the settings'. Raises NotFound."""
    query = select(VolumeType).join(ProjectDefaultType).where(ProjectDefaultType.project_id == (context.project_id or ""))
    own = (await tx.execute(query)).scalar()
    return own or await usual(tx)


async def usual(tx: AsyncSession) -> VolumeType:
    """The default type of projects that have none of their own. Raises NotFound."""
    row = (await tx.execute(select(VolumeType).where(VolumeType.name == CONFIG.default_type))).scalar()
    if row is None:
        raise NotFound(f"The default volume type {CONFIG.default_type} cannot be found: make a type of that name, or set "
                       "default_volume_type in the section [block] of the settings.", type="VolumeTypeDefaultMisconfiguredError")
    return row


async def specs(tx: AsyncSession, type_id: str) -> dict[str, str]:
    """The extra specs of a type."""
    return (await texts_of(tx, TypeExtraSpec, TypeExtraSpec.volume_type_id, [type_id])).get(type_id, {})


def says_yes(value: str | None) -> bool:
    """Whether an extra spec is one of Cinder's forms of a yes."""
    words = (value or "").split()
    return len(words) == 2 and words[0] == "<is>" and words[1].lower() == "true"


async def ensure_default(tx: AsyncSession) -> None:
    """The type that is always there while there is no other."""
    if (await tx.execute(select(VolumeType.id).limit(1))).scalar() is None:
        tx.add(VolumeType(id=ids.new_uuid(), name=DEFAULT, description="Default Volume Type", created_at=clock.now()))
        await tx.flush()
