"""Default types of projects."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.models import ProjectDefaultType
from cloudd.block.types import find
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound


async def put(context: Context, tx: AsyncSession, project_id: str, type_name: str) -> ProjectDefaultType:
    """Set the default type of a project. Raises BadRequest."""
    try:
        row = await find.find(tx, context, type_name)
    except NotFound as exc:
        raise BadRequest(exc.message) from exc
    made = await tx.merge(ProjectDefaultType(project_id=project_id, volume_type_id=row.id))
    await tx.flush()
    await events.record(tx, context, "default_type.set", project_id, volume_type_id=row.id)
    return made


async def get(tx: AsyncSession, project_id: str) -> ProjectDefaultType:
    """Raises NotFound."""
    row = await tx.get(ProjectDefaultType, project_id)
    if row is None:
        raise NotFound(f"Default type for project {project_id} not found.", type="VolumeTypeProjectDefaultNotFound")
    return row


async def listed(tx: AsyncSession) -> list[ProjectDefaultType]:
    return list((await tx.execute(select(ProjectDefaultType).order_by(ProjectDefaultType.project_id))).scalars())


async def drop(context: Context, tx: AsyncSession, project_id: str) -> None:
    """Back to the settings' default; what is gone already is fine."""
    row = await tx.get(ProjectDefaultType, project_id)
    if row is not None:
        await tx.delete(row)
        await tx.flush()
        await events.record(tx, context, "default_type.unset", project_id)
