"""Copies the data of an active image to further stores."""

import contextlib
from dataclasses import replace

from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.store.base import StoreError
from cloudd.image import blobs, data, imports, inspect, stores
from cloudd.image.jobs import copies
from cloudd.image.models import Image


async def copy(run: Run) -> None:
    """Read the best copy once for each store."""
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        await imports.note(tx, run.input["task"], run.context, "processing")
    if image is None:
        raise NotFound(f"Image {run.input['image']} was deleted while it was copied.")
    rules = replace(inspect.rules(run.parts.settings.image), match=False, partitions=False)     # it was taken as what it is
    done, failed = await copies.fill(run, image, lambda: stores.read(run.parts, image), _tell, rules, image.size)
    if bad := [stored.store for stored in done if image.os_hash_value and image.os_hash_algo == data.HASH
               and stored.os_hash_value != image.os_hash_value]:
        raise StoreError(f"what was copied to {', '.join(bad)} is not what the image was made of: its data is damaged")
    run.memory["stored"], run.memory["failed"] = {stored.store: stored.key for stored in done}, failed


async def _tell(run: Run, stored: data.Stored | None, left: list[str], failed: list[str]) -> None:
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is None:
            raise NotFound(f"Image {run.input['image']} was deleted while it was copied.")
        imports.progress(image, left, failed)


async def finish(run: Run) -> None:
    async with run.save() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is None:
            raise NotFound(f"Image {run.input['image']} was deleted while it was copied.")
        imports.progress(image, [], run.memory["failed"])
        for store, key in run.memory["stored"].items():
            await blobs.settle(tx, image, store, key)
        image.updated_at = run.context.now()
        await imports.note(tx, run.input["task"], run.context, "success")


async def say_why(run: Run, error: BaseException) -> None:
    """The image stays as it was before; the task, and the image's own property, say what failed."""
    await copies.remove(run)
    message = getattr(error, "message", str(error))
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is not None:
            imports.progress(image, [], run.memory.get("failed") or list(run.input["blobs"]))
        with contextlib.suppress(NotFound):
            await imports.note(tx, run.input["task"], run.context, "failure", message)


COPY = Job("image.copy", [Step(copy, undo=copies.remove, deadline="transfer"), Step(finish)], on_fail=say_why, limit=4)
