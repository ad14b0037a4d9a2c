"""Volume types: making, changing and deleting them, and to whom private ones are given."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.block import events
from cloudd.block.models import ProjectDefaultType, Snapshot, TypeAccess, TypeExtraSpec, Volume, VolumeType
from cloudd.block.types import find, naming, specs
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.tables import QuotaRow


async def in_use(tx: AsyncSession, type_id: str) -> bool:
    """Whether there are volumes of a type, or snapshots of such."""
    for model in (Volume, Snapshot):
        if (await tx.execute(select(model.id).where(model.volume_type_id == type_id).limit(1))).scalar() is not None:
            return True
    return False


async def require_unused(tx: AsyncSession, row: VolumeType, what: str) -> None:
    """Volumes keep what they were promised. Raises BadRequest."""
    if await in_use(tx, row.id):
        raise BadRequest(f"{what} Volume type {row.name} ({row.id}) is in use: it has volumes.", type="VolumeTypeInUse")


async def create(context: Context, tx: AsyncSession, name: str, *, description: str | None, is_public: bool,
                 extra_specs: Mapping[str, str | None]) -> VolumeType:
    """Make a type. Raises BadRequest, Conflict."""
    await naming.require_free(tx, VolumeType, name)
    specs.check(extra_specs)
    row = VolumeType(id=ids.new_uuid(), name=name, description=description, is_public=is_public, created_at=context.now())
    tx.add(row)
    await tx.flush()
    await specs.put(tx, row, extra_specs)
    await events.record(tx, context, "volume_type.create", row.id, type_name=name)
    return row


async def update(context: Context, tx: AsyncSession, row: VolumeType, wanted: Mapping[str, Any]) -> None:
    """Change name, description, publicity. Raises BadRequest, Conflict."""
    given = await naming.change(context, tx, row, wanted, "volume type name, description, is_public")
    await events.record(tx, context, "volume_type.update", row.id, **given)


async def delete(context: Context, tx: AsyncSession, row: VolumeType) -> None:
    """Forget a type that nothing needs. Raises BadRequest."""
    query = select(ProjectDefaultType.project_id).where(ProjectDefaultType.volume_type_id == row.id)
    if projects := list((await tx.execute(query)).scalars()):
        raise BadRequest(f"The volume type {row.id} is a default volume type and cannot be deleted: that of the projects "
                         f"{', '.join(projects[:5])}.", type="VolumeTypeDefaultDeletionError")
    if row.name == find.CONFIG.default_type:
        raise BadRequest(f"The volume type {row.id} is a default volume type and cannot be deleted.",
                         type="VolumeTypeDefaultDeletionError")
    await require_unused(tx, row, "The type cannot be deleted.")
    await tx.execute(delete_rows(TypeExtraSpec).where(TypeExtraSpec.volume_type_id == row.id))
    await tx.execute(delete_rows(QuotaRow).where(QuotaRow.service == "block", QuotaRow.resource.endswith(row.id)))
    await tx.delete(row)
    await tx.flush()
    await events.record(tx, context, "volume_type.delete", row.id, type_name=row.name)


# -- to whom a private type is given ------------------------------------------------------------------------------------


async def access(tx: AsyncSession, row: VolumeType) -> list[TypeAccess]:
    """The projects that a private type was given to. Raises NotFound for a public one."""
    if row.is_public:
        raise NotFound("Access list not available for public volume types.", type="VolumeTypeAccessNotFound")
    query = select(TypeAccess).where(TypeAccess.volume_type_id == row.id).order_by(TypeAccess.project_id)
    return list((await tx.execute(query)).scalars())


def _require_private(row: VolumeType) -> None:
    if row.is_public:
        raise BadRequest("Invalid volume type: Type access modification is not applicable to public volume type.",
                         type="InvalidVolumeType")


async def give(context: Context, tx: AsyncSession, row: VolumeType, project_id: str) -> None:
    """Let a project use a private type. Raises BadRequest, Conflict."""
    _require_private(row)
    if await identity.project(tx, project_id) is None:
        raise BadRequest(f"Project {project_id} could not be found: access is given to projects by their id.")
    if await tx.get(TypeAccess, (row.id, project_id)) is not None:
        raise Conflict(f"Volume type access for {row.id} / {project_id} combination already exists.", type="VolumeTypeAccessExists")
    tx.add(TypeAccess(volume_type_id=row.id, project_id=project_id))
    await tx.flush()
    await events.record(tx, context, "volume_type_project.access.add", row.id, project_id=project_id)


async def take(context: Context, tx: AsyncSession, row: VolumeType, project_id: str) -> None:
    """Take a private type from a project. Raises BadRequest, NotFound."""
    _require_private(row)
    given = await tx.get(TypeAccess, (row.id, project_id))
    if given is None:
        raise NotFound(f"Volume type access not found for {row.id} / {project_id} combination.", type="VolumeTypeAccessNotFound")
    await tx.delete(given)
    await tx.flush()
    await events.record(tx, context, "volume_type_project.access.remove", row.id, project_id=project_id)


# -- lists --------------------------------------------------------------------------------------------------------------


def of_publicity(context: Context, query: Any, is_public: bool | None) -> Any:
    """Public ones and those of the caller's project (True), private ones (False), all (None)."""
    if is_public is None:
        return query
    return query.where(or_(VolumeType.is_public, find.given_to(context.project_id)) if is_public else ~VolumeType.is_public)


def having(query: Any, wanted: Mapping[str, Any]) -> Any:
    """Only types with all of these extra specs."""
    for key, value in wanted.items():
        query = query.where(VolumeType.id.in_(select(TypeExtraSpec.volume_type_id).where(
            TypeExtraSpec.key == str(key), TypeExtraSpec.value == str(value))))
    return query
