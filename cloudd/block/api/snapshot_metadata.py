"""Metadata of snapshots: all of it, or one item."""

from typing import Any

from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.models import Snapshot, SnapshotMetadata
from cloudd.block.snapshots import change
from cloudd.block.snapshots.find import metadata_of
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t

ALL = t.Record({"metadata": f.TEXTS})
ONE = t.Record({"meta": f.TEXTS})
SENT = Shape(None, Field("metadata", f.METADATA, required=True))
ITEM = Shape(None, Field("meta", f.METADATA, required=True))
READ, UPDATE, DELETE = (f"volume:{verb}_snapshot_metadata" for verb in ("get", "update", "delete"))
resource = API.resource("/snapshots/{snapshot}/metadata")


async def _all(tx: Any, snapshot: Snapshot) -> dict[str, Any]:
    return {"metadata": (await metadata_of(tx, [snapshot.id])).get(snapshot.id, {})}


@resource.get(policy=READ, answer=ALL, many=False)
async def index(request: Request, tx: Any, snapshot: Snapshot) -> dict[str, Any]:
    """Show a snapshot's metadata."""
    return await _all(tx, snapshot)


@resource.post(policy=UPDATE, body=SENT, answer=ALL)
async def create(request: Request, tx: Any, snapshot: Snapshot, body: dict[str, Any]) -> dict[str, Any]:
    """Add to a snapshot's metadata."""
    await change.set_metadata(request.context, tx, snapshot, body["metadata"])
    return await _all(tx, snapshot)


@resource.put(policy=UPDATE, body=SENT, answer=ALL, use="create")
async def replace(request: Request, tx: Any, snapshot: Snapshot, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a snapshot's metadata."""
    await change.set_metadata(request.context, tx, snapshot, body["metadata"], only=True)
    return await _all(tx, snapshot)


@resource.get("/{key}", policy=READ, answer=ONE)
async def show(request: Request, tx: Any, snapshot: Snapshot, key: str) -> dict[str, Any]:
    """Show one item of a snapshot's metadata."""
    row = await tx.get(SnapshotMetadata, (snapshot.id, key))
    if row is None:
        raise NotFound(f"Metadata item was not found: snapshot {snapshot.id} has no metadata with key {key}.")
    return {"meta": {row.key: row.value}}


@resource.put("/{key}", policy=UPDATE, body=ITEM, answer=ONE, use="create")
async def update(request: Request, tx: Any, snapshot: Snapshot, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set one item of a snapshot's metadata."""
    if list(body["meta"]) != [key]:
        raise BadRequest(f"Request body and URI mismatch: the body must have just the item {key}.")
    await change.set_metadata(request.context, tx, snapshot, body["meta"])
    return {"meta": body["meta"]}


@resource.delete("/{key}", policy=DELETE, status=200, answer=t.NOTHING)
async def delete(request: Request, tx: Any, snapshot: Snapshot, key: str) -> None:
    """Remove one item of a snapshot's metadata."""
    await change.drop_metadata(request.context, tx, snapshot, key)
