"""Importing: data that was staged, or that lies at an address, becomes an image's data by a job; a task tells how it goes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import fetch, ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.image import images, states
from cloudd.image.models import Image, ImageTask

METHODS = ("glance-direct", "web-download")
KEEP = timedelta(hours=48)
IMPORTING, FAILED = "os_glance_importing_to_stores", "os_glance_failed_import"


def staged_key(image_id: str) -> str:
    """Where staged data lies in the staging store."""
    return f"staged-{image_id}"


async def begin(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], store: str,
                allowed: tuple[str, ...]) -> ImageTask:
    """Start an import; the image is `importing` from here on. Raises BadRequest, Conflict."""
    method = body["method"]["name"]
    if method not in METHODS:
        raise BadRequest(f"Unknown import method name '{method}': there are {', '.join(METHODS)}.")
    _check_stores(body, store)
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise BadRequest(f"'{name}' needs to be set before import.")
    if method == "web-download":
        uri = body["method"].get("uri")
        if not isinstance(uri, str):
            raise BadRequest("'uri' needs to be given to the method web-download.")
        fetch.check_url(uri, allowed)
    wanted = states.UPLOADING if method == "glance-direct" else states.QUEUED
    if image.status != wanted:
        raise Conflict(f"Image status is '{image.status}': for the import method {method} it has to be '{wanted}'"
                       + (" (stage the data first)." if method == "glance-direct" else "."), type="Conflict")
    await states.IMAGE.enter(tx, image, "import")
    image.set_properties({**image.properties, IMPORTING: store, FAILED: ""})
    image.updated_at = context.now()
    task = await _task(tx, context, image, body, store)
    await jobs.ask(tx, context, "image.import", locks=[image.id], image=image.id, task=task.id, method=method,
                   uri=body["method"].get("uri"))
    await images.tell(tx, context, image, "image.prepare")
    return task


def _check_stores(body: Mapping[str, Any], store: str) -> None:
    asked = body.get("stores") or []
    if asked and body.get("all_stores"):
        raise BadRequest("all_stores and stores exclude each other.")
    if other := [name for name in asked if name != store]:
        raise Conflict(f"There is no store {other[0]}; there is: {store}.")


async def _task(tx: AsyncSession, context: Context, image: Image, body: Mapping[str, Any], store: str) -> ImageTask:
    moment = context.now()
    request = {"image_id": image.id, "import_req": dict(body), "backend": [store]}
    task = ImageTask(id=ids.new_uuid(), image_id=image.id, type="api_image_import", status="pending", input=request, result=None,
                     message="", project_id=context.project_id, user_id=context.user_id, request_id=context.request_id,
                     created_at=moment, updated_at=moment, expires_at=None)
    tx.add(task)
    await tx.flush()
    return task


async def note(tx: AsyncSession, task_id: str, context: Context, status: str, message: str = "") -> None:
    """Write down how a task goes; an ended one is kept for two days."""
    task = await tx.get(ImageTask, task_id)
    if task is None:
        return
    task.status, task.message, task.updated_at = status, message, context.now()
    if status in ("success", "failure"):
        task.expires_at = context.now() + KEEP
        task.result = {"image_id": task.image_id} if status == "success" else None
