"""Extra specs of volume types over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.api import API
from cloudd.block.api.types.types import SEE_ALL_SPECS, SPECS
from cloudd.block.api.types.values import KEY, SPEC, VALUE
from cloudd.block.models import VolumeType
from cloudd.block.types import rules, specs
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.shapes import named
from cloudd.core.http.types import Map, Record, Text

RULE = "volume_extension:types_extra_specs:{}"
SENT = Shape(None, Field("extra_specs", Map(VALUE, keys=KEY), required=True))
ALL = Record({"extra_specs": Map(Text(null=True))})
ONE = Map(Text(null=True))
resource = API.resource("/types/{volume_type}/extra_specs")


def seen(request: Request, row: VolumeType) -> dict[str, str]:
    """What the caller may see."""
    have = request.params[SPECS].get(row.id, {})
    return have if request.allows(SEE_ALL_SPECS) else {key: value for key, value in have.items() if key in specs.VISIBLE}


async def put(request: Request, tx: AsyncSession, row: VolumeType, wanted: dict[str, Any], verb: str) -> None:
    await rules.require_unused(tx, row, "Extra specs cannot be changed.")
    await specs.put(tx, row, wanted)
    await events.record(tx, request.context, f"volume_type_extra_specs.{verb}", row.id, specs=wanted)


@resource.get("", policy=RULE.format("index"), answer=ALL, many=False)
async def index(request: Request, volume_type: VolumeType) -> dict[str, Any]:
    """List the extra specs of a volume type, those that the caller may see."""
    return {"extra_specs": seen(request, volume_type)}


@resource.post("", policy=RULE.format("create"), body=SENT, answer=ALL)
async def create(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> dict[str, Any]:
    """Add extra specs to a volume type, or change them."""
    await put(request, tx, volume_type, body["extra_specs"], "create")
    return body


@resource.get("/{key}", policy=RULE.format("show"), answer=ONE)
async def show(request: Request, volume_type: VolumeType, key: str) -> dict[str, str]:
    """Show one extra spec."""
    have = seen(request, volume_type)
    if key not in have:
        raise specs.missing(volume_type, key)
    return {key: have[key]}


@resource.put("/{key}", policy=RULE.format("update"), body=SPEC, answer=ONE)
async def update(request: Request, tx: AsyncSession, volume_type: VolumeType, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set one extra spec."""
    await put(request, tx, volume_type, named(body, key), "update")
    return body


@resource.delete("/{key}", policy=RULE.format("delete"), status=202)
async def delete(request: Request, tx: AsyncSession, volume_type: VolumeType, key: str) -> Reply:
    """Delete one extra spec."""
    await rules.require_unused(tx, volume_type, "Extra specs cannot be changed.")
    await specs.drop(tx, volume_type, key)
    await events.record(tx, request.context, "volume_type_extra_specs.delete", volume_type.id, key=key)
    return Reply()
