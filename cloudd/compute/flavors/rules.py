"""Flavors: who may see which, and making, describing and deleting them."""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.compute.models import Flavor, FlavorAccess, FlavorExtraSpec
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound


def visible(context: Context, query: Select[Any]) -> Select[Any]:
    """Only the flavors that the caller may use: public ones and those that his project was given."""
    return query if context.is_admin else query.where(or_(Flavor.is_public, _given_to(context.project_id)))


def _given_to(project_id: str | None) -> ColumnElement[bool]:
    return exists().where(FlavorAccess.flavor_id == Flavor.id, FlavorAccess.project_id == (project_id or ""))


def of_publicity(context: Context, query: Select[Any], text: str | None) -> Select[Any]:
    """The list filter `is_public`: administrators may ask for private ones (false) or all (none); others get what is theirs."""
    if not context.is_admin:
        return visible(context, query)
    if text is None:
        return query.where(or_(Flavor.is_public, _given_to(context.project_id)))
    if text.lower() == "none":
        return query
    if text.lower() in ("t", "true", "on", "y", "yes", "1"):
        return query.where(Flavor.is_public)
    if text.lower() in ("f", "false", "off", "n", "no", "0"):
        return query.where(~Flavor.is_public)
    raise BadRequest(f"Invalid is_public filter [{text}]: it is true, false or none.")


async def find(context: Context, tx: AsyncSession, flavor_id: str) -> Flavor:
    """A flavor that the caller may use. Raises NotFound."""
    flavor = (await tx.execute(visible(context, select(Flavor).where(Flavor.id == flavor_id)))).scalar()
    if flavor is None:
        raise NotFound(f"Flavor {flavor_id} could not be found.", type="FlavorNotFound")
    return flavor


async def prepare(tx: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a new flavor, checked; the id is made where none was given. Raises Conflict."""
    flavor_id = values.get("id")
    if flavor_id in (None, "auto"):
        flavor_id = str(uuid.uuid4())
    query = select(Flavor).where((Flavor.id == flavor_id) | (Flavor.name == values["name"]))
    for row in (await tx.execute(query)).scalars():
        if row.name == values["name"]:
            raise Conflict(f"Flavor with name {row.name} already exists.", type="FlavorExists")
        raise Conflict(f"Flavor with ID {row.id} already exists.", type="FlavorIdExists")
    return {**values, "id": flavor_id, "spec_rows": [], "access_rows": []}


async def access(flavor: Flavor) -> list[FlavorAccess]:
    """The projects that a private flavor was given to. Raises NotFound for a public one."""
    if flavor.is_public:
        raise NotFound("Access list not available for public flavors.")
    return sorted(flavor.access_rows, key=lambda row: row.project_id)


async def give(tx: AsyncSession, flavor: Flavor, project_id: str) -> list[FlavorAccess]:
    """Let a project see a flavor. Raises BadRequest, Conflict."""
    await _require_project(tx, project_id)
    if any(row.project_id == project_id for row in flavor.access_rows):
        raise Conflict(f"Flavor access already exists for flavor {flavor.id} and project {project_id} combination.",
                       type="FlavorAccessExists")
    flavor.access_rows.append(FlavorAccess(flavor_id=flavor.id, project_id=project_id))
    await tx.flush()
    return sorted(flavor.access_rows, key=lambda row: row.project_id)


async def take(tx: AsyncSession, flavor: Flavor, project_id: str) -> list[FlavorAccess]:
    """Take a flavor from a project. Raises BadRequest, NotFound."""
    await _require_project(tx, project_id)
    row = next((row for row in flavor.access_rows if row.project_id == project_id), None)
    if row is None:
        raise NotFound(f"Flavor access not found for {flavor.id} / {project_id} combination.", type="FlavorAccessNotFound")
    flavor.access_rows.remove(row)
    await tx.flush()
    return sorted(flavor.access_rows, key=lambda row: row.project_id)


async def _require_project(tx: AsyncSession, project_id: str) -> None:
    if await identity.project(tx, project_id) is None:
        raise BadRequest(f"Project ID {project_id} is not a valid project.")


async def set_specs(tx: AsyncSession, flavor: Flavor, specs: dict[str, str]) -> None:
    """Add extra specs, or change those that are there."""
    known = {row.key: row for row in flavor.spec_rows}
    for key, value in specs.items():
        if key in known:
            known[key].value = value
        else:
            flavor.spec_rows.append(FlavorExtraSpec(flavor_id=flavor.id, key=key, value=value))
    await tx.flush()


def spec(flavor: Flavor, key: str) -> FlavorExtraSpec:
    """One extra spec. Raises NotFound."""
    for row in flavor.spec_rows:
        if row.key == key:
            return row
    raise NotFound(f"Flavor {flavor.id} has no extra specs with key {key}.", type="FlavorExtraSpecsNotFound")


async def drop_spec(tx: AsyncSession, flavor: Flavor, key: str) -> None:
    flavor.spec_rows.remove(spec(flavor, key))
    await tx.flush()
