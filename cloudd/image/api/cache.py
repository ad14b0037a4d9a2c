"""The cache as operators see it: what is in it, what is queued for it, and emptying it."""

from typing import Any

from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Request
from cloudd.core.http import types as t
from cloudd.image import cache
from cloudd.image.api import API
from cloudd.image.cache import Cache
from cloudd.image.models import Image, ImageCached

CACHE = API.resource("/cache")
ENTRY = t.Record({"image_id": t.Text(), "hits": t.Int(), "size": t.Int(), "last_accessed": t.Number(), "last_modified": t.Number()})
ENTRIES = t.Record({"cached_images": t.List(ENTRY), "queued_images": t.List(t.Text())})
PRUNED = t.Record({"total_files_pruned": t.Int(), "total_bytes_pruned": t.Int()})
HEADER = "X-Image-Cache-Clear-Target"


def _on(request: Request) -> None:
    if not request.service(Cache).most:
        raise NotFound("Caching via API is not supported at this site: [image] cache_max_gb is 0.")


def view(row: ImageCached) -> dict[str, Any]:
    return {"image_id": row.image_id, "hits": row.hits, "size": row.size, "last_accessed": row.used_at.timestamp() if row.hits else 0,
            "last_modified": row.created_at.timestamp()}


@CACHE.get(policy="cache_list", answer=ENTRIES)
async def index(request: Request, tx: Any) -> dict[str, Any]:
    """List what is cached and what is queued for it."""
    _on(request)
    return {"cached_images": [view(row) for row in await cache.entries(tx)], "queued_images": await cache.queued(tx)}


async def _find(tx: Any, image_id: str) -> Image:
    image = await tx.get(Image, image_id)
    if image is None:
        raise NotFound(f"Image {image_id} not found.", type="ImageNotFound")
    return image


@CACHE.put("/{image_id}", policy="cache_image", status=202)
async def queue(request: Request, tx: Any, image_id: str) -> None:
    """Queue an image for the cache."""
    _on(request)
    await cache.queue(tx, request.context, await _find(tx, image_id))


@CACHE.delete("/{image_id}", policy="cache_delete", live=True)
async def delete(request: Request, image_id: str) -> None:
    """Drop an image from the cache, or from the queue for it."""
    _on(request)
    async with request.parts.database.write() as tx:
        if image_id not in await cache.queued(tx) and await tx.get(ImageCached, image_id) is None:
            await _find(tx, image_id)
        await cache.unqueue(tx, [image_id])
    await cache.drop(request.parts, [image_id])


@CACHE.delete(policy="cache_delete", live=True)
async def clear(request: Request) -> None:
    """Empty the cache, the queue, or both, as the header says."""
    _on(request)
    what = request.raw.headers.get(HEADER, "").lower()
    if what not in ("", "cache", "queue"):
        raise BadRequest(f"If provided {HEADER.lower()!r} must be 'cache', 'queue' or empty string.")
    async with request.parts.database.write() as tx:
        if what in ("", "queue"):
            await cache.unqueue(tx, await cache.queued(tx))
        rows = await cache.entries(tx)
    if what in ("", "cache"):
        await cache.drop(request.parts, [row.image_id for row in rows])


@CACHE.post("/clean", policy="cache_clean", live=True, answer=t.Record({}))
async def clean(request: Request) -> dict[str, Any]:
    """Drop entries that are not whole or belong to no image."""
    _on(request)
    await cache.clean(request.parts)
    return {}


@CACHE.post("/prune", policy="cache_prune", live=True, answer=PRUNED)
async def prune(request: Request) -> dict[str, Any]:
    """Drop what was unused for longest until the cache is as small as the settings want it."""
    _on(request)
    files, size = await cache.prune(request.parts)
    return {"total_files_pruned": files, "total_bytes_pruned": size}


@CACHE.get("/nodes/{image_id}", policy="list_cached_nodes", answer=t.List(t.Text()))
async def nodes(request: Request, tx: Any, image_id: str) -> list[str]:
    """List the nodes that have an image cached: this one, or none."""
    _on(request)
    await _find(tx, image_id)
    return [request.base_url] if await tx.get(ImageCached, image_id) else []
