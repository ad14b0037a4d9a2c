"""Removes data: all of an image whose record is gone, or one of the copies of an image."""

from cloudd.core.jobs import Job, Run, Step
from cloudd.image import blobs, cache
from cloudd.image.imports import staged_key
from cloudd.image.staging import Staging


async def remove_staged(run: Run) -> None:
    await run.parts.service(Staging).store.delete(staged_key(run.input["image"]))


async def remove_cached(run: Run) -> None:
    await cache.drop(run.parts, [run.input["image"]])


async def remove_blobs(run: Run) -> None:
    """A store that does not answer keeps its data until the next start: it stays noted."""
    for store, key in run.input["blobs"]:
        await blobs.drop(run.parts, store, key)


DELETE_DATA = Job("image.delete_data", steps=[Step(remove_staged), Step(remove_cached), Step(remove_blobs)])
REMOVE_COPY = Job("image.remove_copy", steps=[Step(remove_blobs)])
