"""Importing: data that was staged, or that lies at an address, becomes an image's data by a job; a task tells how it goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import fetch, ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.image import blobs, images, states
from cloudd.image.models import Image, ImageTask

METHODS = ("glance-direct", "web-download", "glance-download", "copy-image")
KEEP = timedelta(hours=48)
IMPORTING, FAILED = "os_glance_importing_to_stores", "os_glance_failed_import"


def staged_key(image_id: str) -> str:
    """Where staged data lies in the staging store."""
    return f"staged-{image_id}"


def unpacked_key(image_id: str) -> str:
    return f"unpacked-{image_id}"


def converted_key(image_id: str) -> str:
    return f"converted-{image_id}"


@dataclass
class Tokens:
    """`parts.service(Tokens)`: users' tokens for imports from other clouds, by task. In memory only: a restart ends such imports."""

    of: dict[str, str] = field(default_factory=dict)

    def forget(self, task_id: str) -> None:
        self.of.pop(task_id, None)


async def begin(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], where: list[str],
                allowed: tuple[str, ...], endpoint: str | None = None, kind: str = "api_image_import") -> ImageTask:
    """Start an import to the stores `where`; the image is `importing` from here on. Raises BadRequest, Conflict."""
    method = body["method"]["name"]
    _check_method(image, body["method"], allowed)
    await _check_alone(tx, image)
    wanted = states.UPLOADING if method == "glance-direct" else states.QUEUED
    if image.status != wanted:
        raise Conflict(f"Image status is '{image.status}': for the import method {method} it has to be '{wanted}'"
                       + (" (stage the data first)." if method == "glance-direct" else "."), type="Conflict")
    await states.IMAGE.enter(tx, image, "import")
    return await _ask(tx, context, image, body, where, "image.import", kind, method=method, uri=body["method"].get("uri"),
                      endpoint=endpoint, request=dict(body["method"]), roles=sorted(context.roles))


def _check_method(image: Image, method: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    if method["name"] not in METHODS:
        raise BadRequest(f"Unknown import method name '{method['name']}': there are {', '.join(METHODS)}.")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None and method["name"] != "glance-download":
            raise BadRequest(f"'{name}' needs to be set before import.")
    if method["name"] == "web-download":
        uri = method.get("uri")
        if not isinstance(uri, str):
            raise BadRequest("'uri' needs to be given to the method web-download.")
        fetch.check_url(uri, allowed)
    if method["name"] == "glance-download":
        if not method.get("glance_region") or not method.get("glance_image_id"):
            raise BadRequest("'glance_region' and 'glance_image_id' need to be given to the method glance-download.")
        if not ids.is_uuid(method["glance_image_id"]):
            raise BadRequest(f"Remote image id does not look like a UUID: {method['glance_image_id']}")


async def _check_alone(tx: AsyncSession, image: Image) -> None:
    if any(row.kind in ("image.import", "image.copy") for row in await jobs.unfinished(tx, image.id)):
        raise Conflict(f"New operation on image '{image.id}' is not permitted as prior operation is still in progress.")


async def begin_copy(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], where: list[str]) -> ImageTask | None:
    """Start to copy an active image to the stores `where`; None when all have it. Raises BadRequest, Conflict."""
    if image.status != states.ACTIVE:
        raise Conflict("Only images with status active can be targeted for copying", type="Conflict")
    await _check_alone(tx, image)
    there = [name for name in where if name in image.stores]
    if there and not body.get("all_stores"):
        raise BadRequest(f"Image is already present at store '{there[0]}'.")
    if not (lacking := [name for name in where if name not in there]):
        return None
    return await _ask(tx, context, image, body, lacking, "image.copy", "api_image_import")


async def _ask(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], where: list[str], job: str,
               kind: str, **inputs: Any) -> ImageTask:
    image.set_properties({**image.properties, IMPORTING: ",".join(where), FAILED: ""})
    image.updated_at = context.now()
    task = await _task(tx, context, image, body, where, kind)
    keys = {name: await blobs.note(tx, image, name) for name in where}
    await jobs.ask(tx, context, job, locks=[image.id], image=image.id, task=task.id, blobs=keys,
                   all=body.get("all_stores_must_succeed") is not False, **inputs)
    await images.tell(tx, context, image, "image.prepare")
    return task


async def _task(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], where: list[str],
                kind: str) -> ImageTask:
    moment = context.now()
    request = {"image_id": image.id, "import_req": dict(body), "backend": where} if kind == "api_image_import" else body["input"]
    task = ImageTask(id=ids.new_uuid(), image_id=image.id, type=kind, status="pending", input=request, result=None,
                     message="", project_id=context.project_id, user_id=context.user_id, request_id=context.request_id,
                     created_at=moment, updated_at=moment, expires_at=None)
    tx.add(task)
    await tx.flush()
    return task


def progress(image: Image, left: list[str], failed: list[str]) -> None:
    """Show on the image which stores are still to come, and which failed."""
    image.set_properties({**image.properties, IMPORTING: ",".join(left), FAILED: ",".join(failed)})


async def note(tx: AsyncSession, task_id: str, context: Context, status: str, message: str = "") -> None:
    """Write down how a task goes; an ended one is kept for two days."""
    task = await tx.get(ImageTask, task_id)
    if task is None:
        return
    task.status, task.message, task.updated_at = status, message, context.now()
    if status in ("success", "failure"):
        task.expires_at = context.now() + KEEP
        task.result = {"image_id": task.image_id} if status == "success" else None
