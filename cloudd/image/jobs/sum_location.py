"""Computes the hashes of data that an image got by its location, and proves those that were given with it."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from cloudd.core import diskimages, log
from cloudd.core.errors import Conflict, NotFound, UnsupportedMedia
from cloudd.core.jobs import Job, Run, Step
from cloudd.core.work import streams
from cloudd.image import data, imports, inspect, locations, states, stores
from cloudd.image.models import Image

LOG = log.get("cloudd.images")


async def sum_up(run: Run) -> None:
    """Read it all; an image that is deleted meanwhile ends it."""
    async with run.write() as tx:
        image = await locations.still_there(tx, run.input["image"])
        await imports.note(tx, run.input["task"], run.context, "processing")
    algorithm = run.input["given"].get("os_hash_algo", data.HASH)
    digests: tuple[Any, ...] = (hashlib.md5(usedforsecurity=False), hashlib.new(algorithm))
    watcher = diskimages.watch()
    await streams.pour(_watched(run, streams.batches(stores.read(run.parts, image)), watcher), *map(streams.summing, digests))
    checksum, value = (digest.hexdigest() for digest in digests)
    if (wanted := run.input["given"].get("os_hash_value", value)) != value:
        raise Conflict(f"os_hash_value: ({wanted}) not matched with actual os_hash_value: ({value})")
    run.memory["sums"] = {"checksum": checksum, "os_hash_algo": algorithm, "os_hash_value": value,
                          "virtual_size": _virtual_size(run, image, watcher)}


def _virtual_size(run: Run, image: Image, watcher: diskimages.Watcher) -> int | None:
    """What lies elsewhere is not refused here, since it may change at any time: who makes a disk of it looks again."""
    try:
        return inspect.check(watcher, image.disk_format, image.container_format, inspect.rules(run.parts.settings.image))
    except UnsupportedMedia as exc:
        LOG.warning("an image's location has data that is no image", image=image.id, why=exc.message)
        return None


async def _watched(run: Run, batches: AsyncIterator[bytearray], watcher: diskimages.Watcher) -> AsyncIterator[bytearray]:
    """The same batches, until the job is cancelled."""
    async for batch in batches:
        watcher.feed(batch)
        if run.cancelled.is_set():
            raise NotFound(f"Image {run.input['image']} was deleted while its location was added.")
        yield batch


async def finish(run: Run) -> None:
    async with run.save() as tx:
        image = await locations.still_there(tx, run.input["image"])
        for name, value in run.memory["sums"].items():
            setattr(image, name, value)
        if image.status == states.IMPORTING:
            await locations.activate(tx, run.context, image, "activate")
        await imports.note(tx, run.input["task"], run.context, "success")


async def back_to_queued(run: Run, error: BaseException) -> None:
    """What was to be proved first is queued again and, as in Glance, keeps its web address until it gets other data; what was
    active already stays so, without hashes."""
    message = getattr(error, "message", str(error))
    async with run.write() as tx:
        image = await tx.get(Image, run.input["image"])
        if image is not None:
            image.os_hash_algo = None
            if image.status == states.IMPORTING:
                await states.IMAGE.enter(tx, image, "import failed")
                image.size = None
        with contextlib.suppress(NotFound):
            await imports.note(tx, run.input["task"], run.context, "failure", message)


SUM = Job("image.sum_location", [Step(sum_up, deadline="transfer"), Step(finish)], on_fail=back_to_queued, limit=4)
