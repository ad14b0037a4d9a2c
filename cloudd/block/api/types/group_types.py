"""Group types and their specs over HTTP."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API, fields
from cloudd.block.api.types.values import DESCRIPTION, KEY, NAME, SPEC, VALUE, publicity
from cloudd.block.models import GroupType
from cloudd.block.types import group_types
from cloudd.block.versions import GROUP_TYPES
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http.shapes import UNSET, named
from cloudd.core.http.types import Bool, Map, Record, Text, Uuid

RULE, SPEC_RULE = "group:group_types:{}", "group:group_types_specs:{}"
SEE = "volume_extension:type_get_all"
"""Upstream asks no policy of who lists them or shows one; its rule for volume types goes for them here."""


def specs(row: GroupType, request: Request) -> Any:
    return row.group_specs if request.allows("group:access_group_types_specs") else UNSET


GROUP_TYPE = Shape("group_type", Field("id", Uuid()), Field("name", Text()), Field("description", Text(null=True)),
                   Field("is_public", Bool()), Field("group_specs", Map(Text()), of=specs, sometimes=True))
CREATE = Shape("group_type", Field("name", NAME, required=True), Field("description", DESCRIPTION),
               Field("is_public", fields.BOOLEAN, default=True),
               Field("group_specs", Map(Text(0, 255), keys=fields.KEY, null=True), default=dict))
UPDATE = Shape("group_type", Field("name", Text(0, 255, null=True)), Field("description", DESCRIPTION), Field("is_public", fields.BOOLEAN))
SENT = Shape(None, Field("group_specs", Map(VALUE, keys=KEY), required=True))
ALL, ONE = Record({"group_specs": Map(Text(null=True))}), Map(Text(null=True))
LISTING = fields.Rows(GroupType, {"is_public": GroupType.is_public},
                      {"id": GroupType.id, "name": GroupType.name, "description": GroupType.description, "is_public": GroupType.is_public,
                       "created_at": GroupType.created_at, "updated_at": GroupType.updated_at}, (("created_at", "desc"),))
resource = API.resource("/group_types", since=GROUP_TYPES)
of_specs = API.resource("/group_types/{group_type}/group_specs", since=GROUP_TYPES)


@API.loader("group_type")
async def load(request: Request, tx: AsyncSession, type_id: str) -> GroupType:
    """Who may not do it at all is told so, whatever he may see."""
    request.require(request.operation.policy or "")
    return await group_types.by_id(tx, request.context, type_id)


@resource.get("", policy=SEE, reply=GROUP_TYPE, listing=LISTING)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List group types."""
    query = seen = group_types.visible(request.context, select(GroupType))
    if request.context.is_admin and (wanted := publicity(request.query.get("is_public"))) is not None:
        query = query.where(GroupType.is_public == wanted)
    return await LISTING.paged(tx, query, API.dialect.read_list(request), seen)


@resource.post("", policy=RULE.format("create"), body=CREATE, status=202, reply=GROUP_TYPE)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> GroupType:
    """Make a group type."""
    return await group_types.create(request.context, tx, body["name"], description=body.get("description"),
                                    is_public=body["is_public"], group_specs=body["group_specs"] or {})


@resource.get("/default", policy=SEE, reply=GROUP_TYPE, many=False)
async def show_default(request: Request, tx: AsyncSession) -> GroupType:
    """Show the type of groups for which none is named."""
    return await group_types.default(tx, request.context)


@resource.get("/{group_type}", policy=SEE, reply=GROUP_TYPE)
async def show(group_type: GroupType) -> GroupType:
    """Show a group type."""
    return group_type


@resource.put("/{group_type}", policy=RULE.format("update"), body=UPDATE, reply=GROUP_TYPE)
async def update(request: Request, tx: AsyncSession, group_type: GroupType, body: dict[str, Any]) -> GroupType:
    """Change the name, description or publicity of a group type."""
    await group_types.update(request.context, tx, group_type, body)
    return group_type


@resource.delete("/{group_type}", policy=RULE.format("delete"), status=202)
async def delete(request: Request, tx: AsyncSession, group_type: GroupType) -> Reply:
    """Delete a group type."""
    await group_types.delete(request.context, tx, group_type)
    return Reply()


@of_specs.get("", policy=SPEC_RULE.format("get_all"), answer=ALL, many=False)
async def list_specs(group_type: GroupType) -> dict[str, Any]:
    """List the specs of a group type."""
    return {"group_specs": group_type.group_specs}


@of_specs.post("", policy=SPEC_RULE.format("create"), body=SENT, status=202, answer=ALL)
async def create_specs(request: Request, tx: AsyncSession, group_type: GroupType, body: dict[str, Any]) -> dict[str, Any]:
    """Add specs to a group type, or change them."""
    await group_types.put_specs(request.context, tx, group_type, body["group_specs"])
    return body


@of_specs.get("/{key}", policy=SPEC_RULE.format("get"), answer=ONE)
async def show_spec(group_type: GroupType, key: str) -> dict[str, str]:
    """Show one spec of a group type."""
    return {key: group_types.spec(group_type, key)}


@of_specs.put("/{key}", policy=SPEC_RULE.format("update"), body=SPEC, answer=ONE)
async def update_spec(request: Request, tx: AsyncSession, group_type: GroupType, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set one spec of a group type."""
    await group_types.put_specs(request.context, tx, group_type, named(body, key))
    return body


@of_specs.delete("/{key}", policy=SPEC_RULE.format("delete"), status=202)
async def delete_spec(request: Request, tx: AsyncSession, group_type: GroupType, key: str) -> Reply:
    """Delete one spec of a group type."""
    await group_types.drop_spec(request.context, tx, group_type, key)
    return Reply()
