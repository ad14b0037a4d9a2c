"""Volume types over HTTP."""

from typing import Any

from sqlalchemy import false, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import filters
from cloudd.block.api import API, fields
from cloudd.block.api.types.values import DESCRIPTION, NAME, VALUE, mapping, publicity
from cloudd.block.models import TypeExtraSpec, VolumeType, texts_of
from cloudd.block.types import find, rules, specs
from cloudd.block.versions import LIKE_FILTERS, RESOURCE_FILTERS, TYPE_ZONES
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http.shapes import UNSET
from cloudd.core.http.types import Bool, Map, Text, Uuid

SEE_SPECS = "volume_extension:access_types_extra_specs"
SEE_ALL_SPECS = "volume_extension:types_extra_specs:read_sensitive"
SPECS = "specs"
"""Where a request keeps the extra specs of the types that it shows, by id."""


def shown_specs(row: VolumeType, request: Request) -> Any:
    """What the caller may see of the extra specs."""
    if not request.allows(SEE_SPECS):
        return UNSET
    have = request.params[SPECS].get(row.id, {})
    return have if request.allows(SEE_ALL_SPECS) else {key: have[key] for key in specs.VISIBLE if key in have}


def all_specs(row: VolumeType, request: Request) -> Any:
    return request.params[SPECS].get(row.id, {})


def qos(row: VolumeType, request: Request) -> Any:
    return row.qos_specs_id if request.allows("volume_extension:access_types_qos_specs_id") else UNSET


def access(row: VolumeType, request: Request) -> Any:
    return row.is_public if request.allows("volume_extension:volume_type_access") else UNSET


PLAIN = (Field("id", Uuid()), Field("name", Text()), Field("is_public", Bool()), Field("description", Text(null=True)))
PUBLICITY = Field("os-volume-type-access:is_public", Bool(), of=access, sometimes=True)
MADE_SPECS = Field("extra_specs", Map(Text()), of=all_specs)
VOLUME_TYPE = Shape("volume_type", *PLAIN, Field("extra_specs", Map(Text()), of=shown_specs, sometimes=True),
                    Field("qos_specs_id", Text(null=True), of=qos, sometimes=True), PUBLICITY)
MADE = Shape("volume_type", *PLAIN, MADE_SPECS, PUBLICITY)
CHANGED = Shape("volume_type", *PLAIN, MADE_SPECS)
CREATE = Shape("volume_type", Field("name", NAME, required=True), Field("description", DESCRIPTION),
               Field("extra_specs", Map(VALUE, keys=fields.KEY), default=dict),
               Field("os-volume-type-access:is_public", fields.BOOLEAN, default=True))
UPDATE = Shape("volume_type", Field("name", Text(1, 255, null=True)), Field("description", DESCRIPTION), Field("is_public", fields.BOOLEAN))
LISTING = fields.Rows(VolumeType, {"is_public": VolumeType.is_public, "name": VolumeType.name, "description": VolumeType.description},
                      {"id": VolumeType.id, "name": VolumeType.name, "description": VolumeType.description,
                       "is_public": VolumeType.is_public, "created_at": VolumeType.created_at, "updated_at": VolumeType.updated_at},
                      (("created_at", "desc"),))
types = API.resource("/types")


@API.loader("volume_type")
async def load(request: Request, tx: AsyncSession, type_id: str) -> VolumeType:
    """Who may not do it at all is told so, whatever he may see."""
    request.require(request.operation.policy or "")
    row = await find.by_id(tx, request.context, type_id)
    await with_specs(request, tx, [row])
    return row


async def with_specs(request: Request, tx: AsyncSession, rows: list[VolumeType]) -> None:
    """Read the extra specs of what will be shown, in one query."""
    ids = [row.id for row in rows]
    request.params[SPECS] = await texts_of(tx, TypeExtraSpec, TypeExtraSpec.volume_type_id, ids) if ids else {}


@types.get("", policy="volume_extension:type_get_all", reply=VOLUME_TYPE, listing=LISTING)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List volume types."""
    asked = API.dialect.read_list(request)
    given = {name: values[-1] for name, values in asked.filters}
    if request.has(TYPE_ZONES) and request.has(RESOURCE_FILTERS):
        filters.refuse(request.context, "volume_type", given, like=request.has(LIKE_FILTERS))
    query = find.visible(request.context, select(VolumeType))
    if request.context.is_admin:
        query = rules.of_publicity(request.context, query, publicity(given.pop("is_public", None)))
        query = columns(query, {name: value for name, value in given.items() if name != "extra_specs"})
    if "extra_specs" in given and (request.context.is_admin or request.has(TYPE_ZONES)):
        query = having(request, query, given["extra_specs"])
    page = await LISTING.paged(tx, query, asked, find.visible(request.context, select(VolumeType)))
    await with_specs(request, tx, page.rows)
    return page


def columns(query: Any, given: dict[str, str]) -> Any:
    """Administrators may ask for any column; of what is none there is nothing."""
    for name, value in given.items():
        column = LISTING.filters.get(name) or LISTING.sorts.get(name)
        query = query.where(false() if column is None else column == value)
    return query


def having(request: Request, query: Any, text: str) -> Any:
    """Types with these extra specs; by those that he must not see nobody finds any."""
    wanted = mapping("extra_specs", text)
    if not request.allows(SEE_ALL_SPECS) and not wanted.keys() <= set(specs.VISIBLE):
        return query.where(false())
    return rules.having(query, wanted)


@types.post("", policy="volume_extension:type_create", body=CREATE, reply=MADE)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> VolumeType:
    """Make a volume type."""
    row = await rules.create(request.context, tx, body["name"], description=body.get("description"),
                             is_public=body["os-volume-type-access:is_public"], extra_specs=body["extra_specs"])
    await with_specs(request, tx, [row])
    return row


@types.get("/default", policy="volume_extension:type_get", reply=VOLUME_TYPE, many=False)
async def show_default(request: Request, tx: AsyncSession) -> VolumeType:
    """Show the type of volumes for which none is named."""
    row = await find.default(tx, request.context)
    await with_specs(request, tx, [row])
    return row


@types.get("/{volume_type}", policy="volume_extension:type_get", reply=VOLUME_TYPE)
async def show(volume_type: VolumeType) -> VolumeType:
    """Show a volume type."""
    return volume_type


@types.put("/{volume_type}", policy="volume_extension:type_update", body=UPDATE, reply=CHANGED)
async def update(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> VolumeType:
    """Change the name, description or publicity of a volume type."""
    await rules.update(request.context, tx, volume_type, body)
    return volume_type


@types.delete("/{volume_type}", policy="volume_extension:type_delete", status=202)
async def delete(request: Request, tx: AsyncSession, volume_type: VolumeType) -> Reply:
    """Delete a volume type of which there are no volumes."""
    await rules.delete(request.context, tx, volume_type)
    return Reply()
