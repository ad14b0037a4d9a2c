"""Image data: into the store while its checksums are computed, out of it in ranges. Nothing waits in memory."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import diskimages, jobs, log, outage
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, CloudError, Gone, TooLarge, Unavailable
from cloudd.core.parts import Parts
from cloudd.core.work.streams import BATCH, batches, pour, summing
from cloudd.drivers.store.base import Store, StoreError, StoreFull
from cloudd.image import blobs, images, inspect, progress, quotas, signatures, states
from cloudd.image.imports import converted_key, staged_key, unpacked_key
from cloudd.image.models import Image
from cloudd.image.staging import Staging

if TYPE_CHECKING:
    from cloudd.image.verifying import Verifier

LOG = log.get("cloudd.images")
HASH = "sha512"


@dataclass(frozen=True)
class Stored:
    """What a finished upload came to."""

    store: str
    key: str
    size: int
    virtual_size: int | None
    checksum: str
    os_hash_value: str


async def upload(parts: Parts, context: Context, image: Image, chunks: AsyncIterable[bytes], where: Store,
                 length: int | None = None) -> None:
    """Take the data of a queued image; afterwards it is active, or queued again and nothing is left of the data.

    Raises Conflict (not queued), UnsupportedMedia (a hostile image or another format than declared), TooLarge, Unavailable.
    """
    for name in ("disk_format", "container_format"):
        if getattr(image, name) is None:
            raise BadRequest(f"Properties {name} must be set prior to saving data. Set it: openstack image set.")
    signed = await signatures.verifier(parts, image)
    async with parts.database.write() as tx:
        image = await images.find(tx, context, image.id)
        await quotas.require(tx, context, parts.settings.server.region, image_size_total=quotas.mib(length))
        await states.IMAGE.enter(tx, image, "upload")
        await quotas.require(tx, context, parts.settings.server.region, image_count_uploading=0)
        key = await blobs.note(tx, image, where.name)
    try:
        with progress.told(parts, image.id, length) as coming:
            stored = await store(where, image, coming.count(chunks), inspect.rules(parts.settings.image), key, signed)
        await asyncio.shield(_activate(parts, context, image.id, stored))
    except BaseException as exc:
        await asyncio.shield(outage.outlived("drop an upload", lambda: _drop_upload(parts, image.id, where.name, key)))
        if isinstance(exc, StoreError):
            raise _words(exc, image) from exc
        raise


async def _drop_upload(parts: Parts, image_id: str, store: str, key: str) -> None:
    """An activation that was cut off may have been done all the same: then the data is not noted any more, and stays."""
    async with parts.database.write() as tx:
        if not await blobs.noted(tx, store, key):
            return
        await _failed(tx, image_id, states.SAVING, "upload failed")
    with contextlib.suppress(StoreError):                     # noted: the next start tries again
        await blobs.drop(parts, store, key)


def _words(error: StoreError, image: Image) -> CloudError:
    if isinstance(error, StoreFull):
        return TooLarge(f"Image storage media is full: {error}. Nothing of image {image.id} was kept.")
    return Unavailable(f"The image store does not work: {error}.")


async def store(where: Store, image: Image, chunks: AsyncIterable[bytes], rules: inspect.Rules, key: str,
                signed: "Verifier | None" = None) -> Stored:
    """Put data into a store while it is summed, inspected and held against its signature; when that fails, nothing stays.

    Raises UnsupportedMedia, TooLarge, BadRequest (not what was signed), StoreError.
    """
    writer = await where.writer(key)
    try:
        md5, sha512 = hashlib.md5(usedforsecurity=False), hashlib.new(HASH)
        digests = (md5, sha512, signed.digest) if signed else (md5, sha512)
        watcher = diskimages.watch()
        await pour(looked_at(batches(chunks), watcher, rules.most), writer.write, *(summing(digest) for digest in digests))
        virtual_size = inspect.check(watcher, image.disk_format, image.container_format, rules)
        if signed:
            await asyncio.to_thread(signed.check)
        await writer.commit()
        return Stored(where.name, key, watcher.size, virtual_size, md5.hexdigest(), sha512.hexdigest())
    finally:
        await asyncio.shield(writer.abort())


async def looked_at(data: AsyncIterable[bytearray], watcher: diskimages.Watcher, most: int) -> AsyncIterator[bytearray]:
    """The same batches, which the watcher has seen. Raises TooLarge."""
    async for batch in counted(data, most):
        watcher.feed(batch)
        yield batch


async def stage(parts: Parts, context: Context, image: Image, chunks: AsyncIterable[bytes], most: int,
                length: int | None = None) -> None:
    """Keep data in the staging area until it is imported; the image is `uploading`. On a failure it is queued again."""
    async with parts.database.write() as tx:
        image = await images.find(tx, context, image.id)
        await quotas.require(tx, context, parts.settings.server.region, image_stage_total=quotas.mib(length))
        await states.IMAGE.enter(tx, image, "stage")
        await quotas.require(tx, context, parts.settings.server.region, image_count_uploading=0)
    writer = await parts.service(Staging).store.writer(staged_key(image.id))
    try:
        with progress.told(parts, image.id, length) as coming:
            await pour(counted(batches(coming.count(chunks)), most), writer.write)
            size = await writer.commit()
        async with parts.database.write() as tx:
            row = await tx.get(Image, image.id)
            if row is not None:
                row.size, row.updated_at = size, context.now()
    except BaseException as exc:
        await asyncio.shield(outage.outlived("drop staged data", lambda: _drop_staged(parts, image.id)))
        if isinstance(exc, StoreError):
            raise _words(exc, image) from exc
        raise
    finally:
        await asyncio.shield(writer.abort())


async def counted(data: AsyncIterable[bytearray], most: int) -> AsyncIterator[bytearray]:
    """The same batches. Raises TooLarge when they come to more than `most`."""
    size = 0
    async for batch in data:
        size += len(batch)
        if size > most:
            raise TooLarge(f"The image is larger than the {most} bytes that this cloud takes (max_image_size).")
        yield batch


async def _drop_staged(parts: Parts, image_id: str) -> None:
    async with parts.database.write() as tx:
        await _failed(tx, image_id, states.UPLOADING, "stage failed")


async def _failed(tx: AsyncSession, image_id: str, status: str, move: str) -> None:
    image = await tx.get(Image, image_id)
    if image is not None and image.status == status:
        await states.IMAGE.enter(tx, image, move)


async def _activate(parts: Parts, context: Context, image_id: str, stored: Stored) -> None:
    async with parts.database.write() as tx:
        image = await tx.get(Image, image_id)
        if image is None:
            raise Gone(f"Image {image_id} was deleted while its data came in; the data was dropped.")
        await finish(tx, context, image, stored)


async def finish(tx: AsyncSession, context: Context, image: Image, stored: Stored) -> None:
    """The record of an image whose data is in the store."""
    await states.IMAGE.enter(tx, image, "activate")
    image.locations.clear()                                   # those that a failed location import left
    await blobs.settle(tx, image, stored.store, stored.key)
    image.size = stored.size
    image.virtual_size, image.checksum = stored.virtual_size, stored.checksum
    image.os_hash_algo, image.os_hash_value = HASH, stored.os_hash_value
    image.updated_at = context.now()
    await tx.flush()
    await images.tell(tx, context, image, "image.upload")
    await images.tell(tx, context, image, "image.activate")


async def adopt(parts: Parts, image: Image, path: Path) -> Stored:
    """Move a local file that cloudd itself made (a snapshot) into the default store; returns what to `finish` with."""
    where = parts.driver(Store)
    async with parts.database.write() as tx:
        key = await blobs.note(tx, image, where.name)
    checksum, value, watcher = await asyncio.to_thread(_digest_file, path)
    virtual_size = inspect.check(watcher, image.disk_format, image.container_format, replace(inspect.rules(parts.settings.image),
                                                                                              partitions=False))
    size = await where.adopt(key, path)
    return Stored(where.name, key, size, virtual_size, checksum, value)


def _digest_file(path: Path) -> tuple[str, str, diskimages.Watcher]:
    md5, sha512, watcher = hashlib.md5(usedforsecurity=False), hashlib.new(HASH), diskimages.watch()
    with path.open("rb") as handle:
        while data := handle.read(BATCH):
            md5.update(data)
            sha512.update(data)
            watcher.feed(data)
    return md5.hexdigest(), sha512.hexdigest(), watcher


async def recover(parts: Parts) -> None:
    """Before requests come: no image is left `saving`, no blob lies about without an image."""
    async with parts.database.write() as tx:
        at_work = await jobs.locked(tx)                       # a snapshot under way goes on
        saving = (await tx.execute(select(Image).where(Image.status == states.SAVING))).scalars().all()
        for image in [one for one in saving if one.id not in at_work]:
            await states.IMAGE.enter(tx, image, "upload failed")
    for store, key in await blobs.leftovers(parts):
        try:
            await blobs.drop(parts, store, key)
        except StoreError as exc:
            LOG.warning("what was left of an image cannot be removed yet", store=store, key=key, error=str(exc))
    await _recover_staged(parts)


async def _recover_staged(parts: Parts) -> None:
    """An image is `uploading` exactly as long as its staged data is whole."""
    staging = parts.service(Staging).store
    there = set(await staging.keys())
    async with parts.database.write() as tx:
        at_work = await jobs.locked(tx)
        rows = (await tx.execute(select(Image).where(Image.status == states.UPLOADING))).scalars().all()
        for image in rows:
            if staged_key(image.id) not in there:
                await states.IMAGE.enter(tx, image, "stage failed")
    wanted = {staged_key(image.id) for image in rows} | {key(lock) for lock in at_work for key in (staged_key, unpacked_key, converted_key)}
    for key in there - wanted:
        await staging.delete(key)
