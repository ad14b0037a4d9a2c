"""Volumes: made, listed, shown, changed, deleted."""

from dataclasses import replace
from typing import Any

from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.volumes import query
from cloudd.block.api.volumes.shapes import VOLUME_CHANGE, VOLUME_NEW
from cloudd.block.api.volumes.view import BRIEF, MADE, VOLUME, Seen, see
from cloudd.block.models import Volume
from cloudd.block.volumes import change
from cloudd.block.volumes import create as volumes_create
from cloudd.block.volumes import delete as volumes_delete
from cloudd.block.volumes.find import find
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t

SUMMARY = Shape(None, Field("volume-summary", t.Record({"total_count": t.Int(), "total_size": t.Int()}), until="3.35"),
                Field("volume-summary", t.Record({"total_count": t.Int(), "total_size": t.Int(), "metadata": t.Map(t.List(t.Text()))}),
                      since=v.SUMMARY_METADATA))
resource = API.resource("/volumes")


@API.loader("volume")
async def load(request: Request, tx: Any, volume_id: str) -> Volume:
    return await find(tx, request.context, volume_id)


@resource.get(policy="volume:get_all", reply=BRIEF, listing=query.LISTING)
async def index(request: Request, tx: Any) -> Page:
    """List volumes, briefly."""
    return await query.page(request, tx)


@resource.get("/detail", policy="volume:get_all", reply=VOLUME, listing=query.LISTING)
async def detail(request: Request, tx: Any) -> Page:
    """List volumes with all that is known of them."""
    found = await query.page(request, tx)
    return replace(found, rows=await see(request, tx, found.rows))


@resource.get("/summary", policy="volume:get_all", since=v.SUMMARY, answer=SUMMARY, many=False)
async def summary(request: Request, tx: Any) -> dict[str, Any]:
    """Tell how many volumes there are, and how large they are together."""
    count, size, metadata = await query.summary(request, tx)
    told: dict[str, Any] = {"total_count": count, "total_size": size}
    return {"volume-summary": {**told, "metadata": metadata} if request.has(v.SUMMARY_METADATA) else told}


@resource.get("/{volume}", policy="volume:get", reply=VOLUME)
async def show(request: Request, tx: Any, volume: Volume) -> Seen:
    """Show a volume."""
    return (await see(request, tx, [volume]))[0]


@resource.post(policy="volume:create", body=VOLUME_NEW, status=202, reply=MADE)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Seen:
    """Make a volume."""
    if body.get("multiattach"):
        raise BadRequest("multiattach parameter has been removed. The default behavior is to use multiattach enabled volume types. Contact "
                         "your administrator to create a multiattach enabled volume type and use it to create multiattach volumes.")
    for name, kind in (("group_id", "Group"), ("consistencygroup_id", "Group"), ("backup_id", "Backup")):
        if body.get(name):
            raise NotFound(f"{kind} {body[name]} could not be found.")
    image = body.get("image_id") or body.get("imageRef")
    if image:
        request.require("volume:create_from_image")
    volume = await volumes_create.create(request.context, tx, volumes_create.Order(
        size=f.size(body.get("size")), name=_either(body, "name"), description=_either(body, "description"), image=image,
        snapshot_id=body.get("snapshot_id"), source_id=body.get("source_volid"), volume_type=body.get("volume_type"),
        zone=body.get("availability_zone"), metadata=body.get("metadata") or {}, hints=body.get("hints") or {},
        may_multiattach=request.allows("volume:multiattach"), images_of_servers=request.has(v.EMPTY_IMAGE)))
    return (await see(request, tx, [volume]))[0]


def _either(body: dict[str, Any], name: str) -> str | None:
    """A member that may be sent under its old name, too."""
    return body.get(name) if name in body else body.get(f"display_{name}")


@resource.put("/{volume}", policy="volume:update", body=VOLUME_CHANGE, reply=MADE)
async def update(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> Seen:
    """Change what is only written down of a volume."""
    values = {name: _either(body, name) for name in ("name", "description") if name in body or f"display_{name}" in body}
    await change.update(request.context, tx, volume, metadata=body.get("metadata"), **values)
    return (await see(request, tx, [volume]))[0]


@resource.delete("/{volume}", policy="volume:delete", status=202)
async def delete(request: Request, tx: Any, volume: Volume) -> None:
    """Delete a volume, with its snapshots if that is asked."""
    force = request.has(v.DELETE_FORCE) and f.flag(request, "force")
    if force:
        request.require("volume:force_delete", volume)
    await volumes_delete.delete(request.context, tx, volume, cascade=f.flag(request, "cascade"), force=force)
