"""Brings staged or fetched data into the store as the data of an image."""

import contextlib
from dataclasses import asdict

from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.store.base import BlobMissing
from cloudd.image import blobs, data, images, imports, inspect, states
from cloudd.image.jobs import copies, fetched, plugin_steps
from cloudd.image.models import Image
from cloudd.image.staging import Staging


async def download(run: Run) -> None:
    """For data that is elsewhere: into the staging area."""
    await plugin_steps.image_of(run)
    async with run.write() as tx:
        await imports.note(tx, run.input["task"], run.context, "processing")
    if run.input["method"] == "web-download":
        await fetched.to_staging(run, run.input["uri"], run.parts.settings.image.import_hosts)
    elif run.input["method"] == "glance-download":
        await fetched.from_other_glance(run)


async def remove_staged(run: Run) -> None:
    await run.parts.service(Staging).store.delete(imports.staged_key(run.input["image"]))
    await fetched.give_back(run)


async def take(run: Run) -> None:
    """Inspect, sum and store the staged data, in each store that was asked for."""
    image, staging = await plugin_steps.image_of(run), run.parts.service(Staging).store
    key = plugin_steps.data_key(run)
    try:
        size = await staging.size(key)
    except BlobMissing as exc:
        raise NotFound(f"The staged data of image {image.id} is not there any more.") from exc
    done, failed = await copies.fill(run, image, lambda: staging.read(key), _tell, inspect.rules(run.parts.settings.image),
                                     size, signed=True)
    run.memory["stored"] = [asdict(stored) for stored in done]
    run.memory["failed"] = failed


async def _tell(run: Run, stored: data.Stored | None, left: list[str], failed: list[str]) -> None:
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is not None:
            imports.progress(image, left, failed)


async def finish(run: Run) -> None:
    for key in (imports.staged_key, imports.unpacked_key, imports.converted_key):
        await run.parts.service(Staging).store.delete(key(run.input["image"]))
    run.parts.service(imports.Tokens).forget(run.input["task"])
    first, *rest = (data.Stored(**stored) for stored in run.memory["stored"])
    async with run.save() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is None:
            raise NotFound(f"Image {run.input['image']} was deleted while it was imported.")
        imports.progress(image, [], run.memory["failed"])
        plugin_steps.inject(run, image)
        await data.finish(tx, run.context, image, first)
        for stored in rest:
            await blobs.settle(tx, image, stored.store, stored.key)
        await imports.note(tx, run.input["task"], run.context, "success")


async def back_to_queued(run: Run, error: BaseException) -> None:
    """The image can be tried again; the task, and the image's own property, say that and why it failed."""
    await copies.remove(run)
    run.parts.service(imports.Tokens).forget(run.input["task"])
    message = getattr(error, "message", str(error))
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is not None and image.status == states.IMPORTING:
            await states.IMAGE.enter(tx, image, "import failed")
            imports.progress(image, [], run.memory.get("failed") or list(run.input["blobs"]))
            await images.tell(tx, run.context, image, "image.import.error")
        with contextlib.suppress(NotFound):
            await imports.note(tx, run.input["task"], run.context, "failure", message)


IMPORT = Job("image.import", [
    Step(download, undo=remove_staged, deadline="transfer"),
    Step(plugin_steps.unpack, undo=plugin_steps.remove_made, deadline="disks"),
    Step(plugin_steps.convert, undo=plugin_steps.remove_made, deadline="disks"),
    Step(take, undo=copies.remove, deadline="transfer"),
    Step(finish),
], on_fail=back_to_queued, limit=4)
