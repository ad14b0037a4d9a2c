"""Brings an image into the cache."""

from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step
from cloudd.image import cache, states
from cloudd.image.models import Image


async def fetch(run: Run) -> None:
    async with run.read() as tx:
        image = await tx.get(Image, run.input["image"])
    if image is None or image.status != states.ACTIVE:
        raise NotFound(f"Image {run.input['image']} is not active any more; it is not cached.")
    await cache.fetch(run.parts, image, run.cancelled)


CACHE = Job(cache.JOB, [Step(fetch, deadline="transfer")], limit=2)
