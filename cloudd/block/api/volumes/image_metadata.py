"""What a volume has from its image: shown, changed by actions."""

from typing import Any

from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.models import ImageMetadata, Volume
from cloudd.block.volumes.change import require_touchable
from cloudd.block.volumes.find import image_metadata_of
from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t

RULE = "volume_extension:volume_image_metadata:"
TEXTS = t.Map(t.Text(0, 65_535), keys=f.KEY)
SET = Shape("os-set_image_metadata", Field("metadata", TEXTS, required=True))
UNSET = Shape("os-unset_image_metadata", Field("key", t.Text(1, 255), required=True))
ANSWER = t.Record({"metadata": f.TEXTS})
actions = API.resource("/volumes/{volume}/action", status=200)


async def _all(tx: Any, volume: Volume) -> dict[str, Any]:
    return {"metadata": (await image_metadata_of(tx, [volume.id])).get(volume.id, {})}


@actions.post(action="os-show_image_metadata", policy=RULE + "show", answer=ANSWER)
async def show(request: Request, tx: Any, volume: Volume) -> dict[str, Any]:
    """Show what a volume has from its image."""
    return await _all(tx, volume)


@actions.post(action="os-set_image_metadata", policy=RULE + "set", body=SET, answer=ANSWER)
async def set_items(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> dict[str, Any]:
    """Add to it."""
    require_touchable(volume, "Updating")
    for key, value in body["metadata"].items():
        await tx.merge(ImageMetadata(volume_id=volume.id, key=key, value=value))
    await tx.flush()
    return await _all(tx, volume)


@actions.post(action="os-unset_image_metadata", policy=RULE + "remove", body=UNSET, answer=t.NOTHING)
async def unset_item(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Remove an item of it."""
    require_touchable(volume, "Deleting")
    row = await tx.get(ImageMetadata, (volume.id, body["key"]))
    if row is None:
        raise NotFound(f"Glance metadata for volume/snapshot {volume.id} cannot be found: it has no {body['key']}.")
    await tx.delete(row)
