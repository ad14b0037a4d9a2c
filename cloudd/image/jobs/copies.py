"""Putting one image's data into several stores, as imports and copies do: keys are in the job's input, so again is over again."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from cloudd.core import log
from cloudd.core.errors import Unavailable
from cloudd.core.jobs import Run
from cloudd.drivers.store.base import StoreError
from cloudd.image import blobs, data, progress, signatures
from cloudd.image.inspect import Rules
from cloudd.image.models import Image
from cloudd.image.stores import Stores

LOG = log.get("cloudd.images")
Tell = Callable[[Run, data.Stored | None, list[str], list[str]], Awaitable[None]]


async def fill(run: Run, image: Image, source: Callable[[], AsyncIterator[bytes]], tell: Tell,
               rules: Rules, total: int | None, signed: bool = False) -> tuple[list[data.Stored], list[str]]:
    """Put what `source` gives into every store of the job; returns what was stored and which stores failed.

    `tell` hears after each store of (stored or None, stores left, stores failed). Raises Unavailable when one failed although
    all have to succeed, or when all failed; UnsupportedMedia for a hostile image.
    """
    done: list[data.Stored] = []
    failed: list[str] = []
    for name, key in run.input["blobs"].items():
        stored = None
        try:
            where = run.parts.service(Stores).writable(name)
            verifier = await signatures.verifier(run.parts, image) if signed else None
            with progress.told(run.parts, image.id, total) as coming:
                stored = await data.store(where, image, coming.count(source()), rules, key, verifier)
            done.append(stored)
        except StoreError as exc:
            LOG.warning("a store did not take an image", image=image.id, store=name, error=str(exc))
            failed.append(name)
            run.memory["failed"] = failed
            if run.input["all"] or len(failed) == len(run.input["blobs"]):
                raise Unavailable(f"The store {name} did not take the image: {exc}.") from exc
            await _drop(run, name, key)
        left = [other for other in run.input["blobs"] if other not in failed and other not in [one.store for one in done]]
        await tell(run, stored, left, failed)
    return done, failed


async def remove(run: Run) -> None:
    """Undo of a step that filled stores: none has anything of it."""
    for name, key in run.input["blobs"].items():
        await _drop(run, name, key)


async def _drop(run: Run, store: str, key: str) -> None:
    with contextlib.suppress(StoreError):                     # noted: the next start tries again
        await blobs.drop(run.parts, store, key)
