"""The steps of an import that the settings may switch on."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from cloudd.core import tasks
from cloudd.core.errors import Conflict, NotFound, Unavailable
from cloudd.core.jobs import Run
from cloudd.drivers.store.base import Store
from cloudd.image import imports, inspect, plugins, signatures
from cloudd.image.models import Image
from cloudd.image.staging import Staging


async def image_of(run: Run) -> Image:
    async with run.read() as tx:
        image = await tx.get(Image, run.input["image"])
    if image is None:
        raise _deleted(run)
    return image


def _deleted(run: Run) -> NotFound:
    return NotFound(f"Image {run.input['image']} was deleted while it was imported.")


def data_key(run: Run) -> str:
    """Where in the staging area the data is, as far as it has been worked on."""
    return run.memory.get("data") or imports.staged_key(run.input["image"])


async def _asked(run: Run, plugin: str) -> Image | None:
    """The image, if the plugin is for it. A signed one has to stay what its owner signed."""
    if plugin not in run.parts.settings.image.import_plugins:
        return None
    image = await image_of(run)
    return None if signatures.is_signed(image) else image


def _staged(run: Run) -> tuple[Store, Path]:
    store = run.parts.service(Staging).store
    path = store.local_path(data_key(run))
    if path is None or not path.exists():
        raise NotFound(f"The staged data of image {run.input['image']} is not there any more.")
    return store, path


async def unpack(run: Run) -> None:
    """A gzip or zip of one image becomes the image."""
    image = await _asked(run, plugins.DECOMPRESSION)
    if image is None:
        return
    store, source = _staged(run)
    if not await asyncio.to_thread(plugins.is_packed, image, source):
        return
    key = imports.unpacked_key(image.id)
    part = _part(source, key)
    most = run.parts.settings.image.max_image_size
    try:
        await asyncio.to_thread(plugins.unpack, source, part, most, run.cancelled.is_set)
        await store.adopt(key, part)
    except OSError as exc:
        raise Unavailable(f"The staging area does not take the unpacked image: {exc.strerror}.") from exc
    finally:
        part.unlink(missing_ok=True)
    run.memory["data"] = key


async def convert(run: Run) -> None:
    """The image in the format that the settings want for all; its record says so from here on."""
    image = await _asked(run, plugins.CONVERSION)
    if image is None:
        return
    store, source = _staged(run)
    settings = run.parts.settings.image
    key, target = imports.converted_key(image.id), settings.conversion_format
    part = _part(source, key)
    try:
        work = plugins.convert(image, source, part, target, inspect.rules(settings))
        if not await _unless_cancelled(run, work):
            return
        await store.adopt(key, part)
    finally:
        part.unlink(missing_ok=True)
    run.memory["data"] = key
    async with run.save() as tx:
        row = await tx.get(Image, image.id)
        if row is None:
            raise _deleted(run)
        run.memory.setdefault("before", {"disk_format": row.disk_format, "container_format": row.container_format,
                                         "properties": row.properties})
        row.disk_format, row.container_format = target, "bare"


def _part(source: Path, key: str) -> Path:
    """A name that the store forgets when it is opened; nobody else works on this image."""
    part = source.with_name(f".{key}.made.part")
    part.unlink(missing_ok=True)
    return part


async def _unless_cancelled(run: Run, work: Coroutine[Any, Any, bool]) -> bool:
    """A long work ends when its image is deleted."""
    task = tasks.start(f"convert image {run.input['image']}", work)
    called_off = tasks.start("wait for the end", run.cancelled.wait())
    try:
        await asyncio.wait({task, called_off}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Conflict(f"The import of image {run.input['image']} was called off.")
        return task.result()
    finally:
        called_off.cancel()
        task.cancel()
        await asyncio.wait({task})


async def remove_made(run: Run) -> None:
    """Undo of both: what was made of the staged data."""
    for key in (imports.unpacked_key(run.input["image"]), imports.converted_key(run.input["image"])):
        await run.parts.service(Staging).store.delete(key)
    run.memory.pop("data", None)


def inject(run: Run, image: Image) -> None:
    """The operator's properties, onto images of all but some."""
    settings = run.parts.settings.image
    if plugins.INJECTION not in settings.import_plugins or set(run.input.get("roles", ())) & set(settings.inject_ignore_roles):
        return
    image.set_properties({**image.properties, **settings.injected()})
