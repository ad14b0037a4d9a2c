"""Metadata of volumes: all of it, or one item. From 3.15 on with an ETag, which a change may ask for."""

from typing import Any

from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.etags import answered, require_match
from cloudd.block.models import Volume, VolumeMetadata
from cloudd.block.volumes import change
from cloudd.block.volumes.find import metadata_of
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http import types as t

ALL = t.Record({"metadata": f.TEXTS})
ONE = t.Record({"meta": f.TEXTS})
SENT = Shape(None, Field("metadata", f.METADATA, required=True))
ITEM = Shape(None, Field("meta", f.METADATA, required=True))
READ, CREATE, UPDATE, DELETE = (f"volume:{verb}_volume_metadata" for verb in ("get", "create", "update", "delete"))
resource = API.resource("/volumes/{volume}/metadata")


async def _all(tx: Any, volume: Volume) -> dict[str, str]:
    return (await metadata_of(tx, [volume.id])).get(volume.id, {})


@resource.get(policy=READ, answer=ALL, many=False)
async def index(request: Request, tx: Any, volume: Volume) -> Reply:
    """Show a volume's metadata."""
    return answered(request, {"metadata": await _all(tx, volume)})


@resource.post(policy=CREATE, body=SENT, answer=ALL)
async def create(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> Reply:
    """Add to a volume's metadata."""
    require_match(request, {"metadata": await _all(tx, volume)})
    await change.set_metadata(request.context, tx, volume, body["metadata"])
    return answered(request, {"metadata": await _all(tx, volume)})


@resource.put(policy=UPDATE, body=SENT, answer=ALL, use="create")
async def replace(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> Reply:
    """Replace a volume's metadata."""
    require_match(request, {"metadata": await _all(tx, volume)})
    await change.set_metadata(request.context, tx, volume, body["metadata"], only=True)
    return answered(request, {"metadata": await _all(tx, volume)})


@resource.get("/{key}", policy=READ, answer=ONE)
async def show(request: Request, tx: Any, volume: Volume, key: str) -> Reply:
    """Show one item of a volume's metadata."""
    row = await tx.get(VolumeMetadata, (volume.id, key))
    if row is None:
        raise NotFound(f"Metadata item was not found: volume {volume.id} has no metadata with key {key}.")
    return answered(request, {"meta": {row.key: row.value}})


@resource.put("/{key}", policy=UPDATE, body=ITEM, answer=ONE, use="create")
async def update(request: Request, tx: Any, volume: Volume, key: str, body: dict[str, Any]) -> Reply:
    """Set one item of a volume's metadata."""
    if list(body["meta"]) != [key]:
        raise BadRequest(f"Request body and URI mismatch: the body must have just the item {key}.")
    require_match(request, {"metadata": await _all(tx, volume)})
    await change.set_metadata(request.context, tx, volume, body["meta"])
    return answered(request, {"meta": body["meta"]})


@resource.delete("/{key}", policy=DELETE, status=200, answer=t.NOTHING)
async def delete(request: Request, tx: Any, volume: Volume, key: str) -> None:
    """Remove one item of a volume's metadata."""
    await change.drop_metadata(request.context, tx, volume, key)
