"""Data from elsewhere into the staging area: what lies at an address, and the image of another Glance."""

from typing import Any
from urllib.parse import urlsplit

import orjson

from cloudd.core import fetch
from cloudd.core.errors import BadRequest, NotFound, Unavailable
from cloudd.core.jobs import Run
from cloudd.core.work import streams
from cloudd.image import data, imports, limits, progress
from cloudd.image.imports import Tokens
from cloudd.image.models import Image
from cloudd.image.staging import Staging

PIECE = 256 * 1024
COPIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")          # as Glance does; the others are the other cloud's


async def to_staging(run: Run, url: str, allowed: tuple[str, ...], headers: dict[str, str] | None = None) -> int:
    """Stage what lies at an address, from its beginning (a part of it is never used). Returns its size."""
    parts, image_id = run.parts, run.input["image"]
    writer = await parts.service(Staging).store.writer(imports.staged_key(image_id))
    try:
        async with fetch.get(url, allowed=allowed, headers=headers) as response:
            with progress.told(parts, image_id, response.content_length) as coming:
                batches = streams.batches(coming.count(response.content.iter_chunked(PIECE)))
                await streams.pour(data.counted(batches, parts.settings.image.max_image_size), writer.write)
        return await writer.commit()
    finally:
        await writer.abort()


async def from_other_glance(run: Run) -> None:
    """Stage the image of another Glance, and take over its formats and what it says to the hypervisor."""
    url, allowed = _address(run)
    token = run.parts.service(Tokens).of.get(run.input["task"])
    if token is None:
        raise Unavailable("cloudd was restarted, and does not keep tokens: start the import again.")
    headers = {"X-Auth-Token": token}
    facts = await _facts(url, allowed, headers)
    size = await to_staging(run, f"{url}/file", allowed, headers)
    if size != facts["size"]:
        raise BadRequest(f"{size} bytes came from {url}, where the image has {facts['size']}.")
    await _take_over(run, facts)


def _address(run: Run) -> tuple[str, tuple[str, ...]]:
    """The other image's address. Endpoints of the catalog are operators' words, so their hosts may be inside."""
    endpoint = run.input["endpoint"]
    if not endpoint:
        method = run.input["request"]
        raise NotFound(f"The catalog has no {method['glance_service_interface']} endpoint of images in the region "
                       f"{method['glance_region']}.")
    root = endpoint.rstrip("/").removesuffix("/v2")
    return f"{root}/v2/images/{run.input['request']['glance_image_id']}", (urlsplit(endpoint).netloc,)


async def _facts(url: str, allowed: tuple[str, ...], headers: dict[str, str]) -> dict[str, Any]:
    answer = await fetch.ask(url, allowed=allowed, headers=headers)
    if answer.status != 200:
        raise NotFound(f"{url} answered {answer.status}.")
    try:
        facts = orjson.loads(answer.body)
        known = {name: facts[name] for name in ("status", "size", "disk_format", "container_format")}
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise BadRequest(f"{url} did not answer as Glance does.") from exc
    if known["status"] != "active":
        raise BadRequest(f"Source image status should be active instead of {known['status']}")
    return {**known, "properties": {name: str(value) for name, value in facts.items() if name.startswith(COPIED)}}


async def _take_over(run: Run, facts: dict[str, Any]) -> None:
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is None:
            raise NotFound(f"Image {run.input['image']} was deleted while it was imported.")
        run.memory.setdefault("before", {"disk_format": image.disk_format, "container_format": image.container_format,
                                         "properties": image.properties})
        image.disk_format, image.container_format = facts["disk_format"], facts["container_format"]
        before = set(image.properties)
        image.set_properties({**image.properties, **facts["properties"]})
        limits.properties(run.parts.settings, image.properties, before)


async def give_back(run: Run) -> None:
    """What an image said of itself before it was to become another's."""
    if not (before := run.memory.get("before")):
        return
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is not None:
            image.disk_format, image.container_format = before["disk_format"], before["container_format"]
            image.set_properties(before["properties"])
