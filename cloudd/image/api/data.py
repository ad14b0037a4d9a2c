"""Image data in and out. Streams: no transaction is held while bytes move."""

import re
from typing import Any

from aiohttp import web

from cloudd.core.errors import BadRequest, Conflict, Forbidden, RangeNotSatisfiable, UnsupportedMedia
from cloudd.core.http import Request
from cloudd.drivers.store.base import Store
from cloudd.image import cache, data, states
from cloudd.image.api import API, target
from cloudd.image.models import Image
from cloudd.image.stores import Stores

FILE = API.resource("/images/{image}/file", target=target, stream=True)
PIECE = 256 * 1024
STORE_HEADER = "X-Image-Meta-Store"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@FILE.put(policy="upload_image", status=204)
async def upload(request: Request, image: Image) -> None:
    """Send an image's data."""
    if request.raw.content_type != "application/octet-stream":
        raise UnsupportedMedia(f"The content type {request.raw.content_type} is not served here: send application/octet-stream.")
    if image.status != states.QUEUED:
        raise Conflict(f"Image status transition from {image.status} to saving is not allowed: image {image.id} has data already.",
                       type="InvalidImageStatusTransition")
    chunks = request.raw.content.iter_chunked(PIECE)
    await data.upload(request.parts, request.context, image, chunks, _named_store(request), request.raw.content_length)


def _named_store(request: Request) -> Store:
    """The store that the upload asks for, or the default one."""
    name = request.raw.headers.get(STORE_HEADER)
    if not name:
        return request.driver(Store)
    try:
        return request.service(Stores).writable(name)
    except Conflict as exc:
        raise BadRequest(exc.message) from exc


@FILE.get(policy="download_image")
async def download(request: Request, image: Image) -> web.StreamResponse:
    """Fetch an image's data, or a range of it."""
    if image.status == states.DEACTIVATED and not request.context.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.", type="Forbidden")
    if not image.locations or image.status not in (states.ACTIVE, states.DEACTIVATED):
        return web.Response(status=204)
    source = await cache.find_source(request.parts, image)
    start, end, status = _range(request.raw, source.size)
    response = web.StreamResponse(status=status, headers=_headers(image, start, end, source.size, status))
    response.headers["X-Openstack-Request-Id"] = request.context.request_id
    await response.prepare(request.raw)
    if request.raw.method != "HEAD":
        whole = status == 200 and cache.wanted(request.parts, image, source)
        async for chunk in (cache.keep_while_reading(request.parts, image, source) if whole else
                            source.store.read(source.key, start, end - start)):
            await response.write(chunk)
    await response.write_eof()
    return response


def _headers(image: Image, start: int, end: int, size: int, status: int) -> dict[str, Any]:
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(end - start), "Accept-Ranges": "bytes"}
    if image.checksum:
        headers["Content-MD5"] = image.checksum
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return headers


def _range(raw: web.Request, size: int) -> tuple[int, int, int]:
    """(start, end, status) that a Range header asks for; Glance took Content-Range for the same once.

    With If-Range all is sent (RFC 9110, 13.1.5): no validator is ever given out that could be meant by it.
    """
    text = raw.headers.get("Range") or raw.headers.get("Content-Range")
    if not text or "If-Range" in raw.headers:
        return 0, size, 200
    if found := _CONTENT_RANGE.fullmatch(text):
        start, end = int(found[1]), int(found[2]) + 1
    elif (found := _RANGE.fullmatch(text)) and (found[1] or found[2]):
        start = int(found[1]) if found[1] else max(0, size - int(found[2]))
        end = int(found[2]) + 1 if found[1] and found[2] else size
    else:
        raise RangeNotSatisfiable(f"The range {text!r} cannot be read: one range is served, as in bytes=0-1023.")
    if start >= size or end <= start:
        error = RangeNotSatisfiable(f"The range {text!r} is not within the image's {size} bytes.")
        error.headers["Content-Range"] = f"bytes */{size}"
        raise error
    return start, min(end, size), 206
