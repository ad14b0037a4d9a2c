"""Which type a volume gets."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.config import CONFIG
from cloudd.block.models import TypeExtraSpec, VolumeType, texts_of
from cloudd.core import clock, ids
from cloudd.core.context import Context
from cloudd.core.errors import NotFound

DEFAULT = "__DEFAULT__"


async def find(tx: AsyncSession, context: Context, name: str) -> VolumeType:
    """A type that the caller may use, by id or name. Raises NotFound."""
    query = select(VolumeType).where(or_(VolumeType.id == name, VolumeType.name == name))
    rows = sorted((await tx.execute(query)).scalars(), key=lambda row: row.id != name)
    if not rows:
        raise NotFound(f"Volume type {name} could not be found.", type="VolumeTypeNotFound")
    return rows[0]


async def default(tx: AsyncSession, context: Context) -> VolumeType:
    """The type of a volume for which none is named."""
    return await find(tx, context, CONFIG.default_type)


async def specs(tx: AsyncSession, type_id: str) -> dict[str, str]:
    """The extra specs of a type."""
    return (await texts_of(tx, TypeExtraSpec, TypeExtraSpec.volume_type_id, [type_id])).get(type_id, {})


def says_yes(value: str | None) -> bool:
    """Whether an extra spec is one of Cinder's forms of a yes."""
    words = (value or "").split()
    return len(words) == 2 and words[0] == "<is>" and words[1].lower() == "true"


async def ensure_default(tx: AsyncSession) -> None:
    """The type that is always there."""
    if (await tx.execute(select(VolumeType.id).where(VolumeType.name == DEFAULT))).scalar() is None:
        tx.add(VolumeType(id=ids.new_uuid(), name=DEFAULT, description="Default Volume Type", created_at=clock.now()))
        await tx.flush()
