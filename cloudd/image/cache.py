"""The cache: images of stores elsewhere, once more on this machine's disk. An entry is whole and proved, or not there.

Data is written beside its place and renamed when all of it has come and its hash is right; only then there is a row. What a
local store has is linked, not copied. Compute keeps base images of its own, which are made for disks; this one serves downloads
and imports, and gives compute its file.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, jobs, log
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.core.parts import Parts
from cloudd.core.tables import JobRow
from cloudd.core.work import streams
from cloudd.drivers.store.base import StoreError
from cloudd.drivers.store.file import FileStore
from cloudd.image import data, states, stores
from cloudd.image.models import Image, ImageCached
from cloudd.image.stores import Source

LOG = log.get("cloudd.images")
JOB = "image.cache"


@dataclass
class Cache:
    """`parts.service(Cache)`. `lock` keeps files and rows in step."""

    store: FileStore
    most: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


async def find_source(parts: Parts, image: Image) -> Source:
    """The best copy of an image: a local one, what is cached, then those elsewhere. Raises NotFound, Unavailable."""
    cached = await _cached(parts, image)
    return cached or await stores.find_source(parts, image)


async def _cached(parts: Parts, image: Image) -> Source | None:
    cache, known = parts.service(Cache), parts.service(stores.Stores).by_name
    local = any(known[row.store].local_path(row.key) for row in image.locations if row.store in known)
    if not cache.most or local:
        return None
    async with parts.database.read() as tx:
        entry = await tx.get(ImageCached, image.id)
    if entry is None or image.os_hash_value not in (None, entry.checksum):
        return None
    try:
        if await cache.store.size(image.id) != entry.size:
            return None
    except StoreError:
        return None
    async with parts.database.write() as tx:
        row = await tx.get(ImageCached, image.id)
        if row is not None:
            row.hits, row.used_at = row.hits + 1, clock.now()
    return Source(cache.store, image.id, entry.size)


async def read(parts: Parts, image: Image) -> AsyncIterator[bytes]:
    """An image's data from its beginning. Raises NotFound, Unavailable, StoreError."""
    source = await find_source(parts, image)
    async for chunk in source.store.read(source.key):
        yield chunk


def wanted(parts: Parts, image: Image, source: Source) -> bool:
    """Whether what is read from `source` is worth keeping: from elsewhere, never changing, and not too large."""
    cache = parts.service(Cache)
    elsewhere = source.store is not cache.store and source.store.local_path("x") is None
    return elsewhere and image.os_hash_value is not None and source.size <= cache.most


async def keep_while_reading(parts: Parts, image: Image, source: Source) -> AsyncIterator[bytes]:
    """All of a source's data, kept in the cache on its way; a reader who goes, or a full disk, leaves no entry."""
    cache = parts.service(Cache)
    digest = hashlib.new(image.os_hash_algo or data.HASH)
    writer = await cache.store.writer(image.id)
    broken = False
    try:
        async for chunk in source.store.read(source.key):
            if not broken:
                try:
                    await asyncio.gather(writer.write(chunk), asyncio.to_thread(digest.update, chunk))
                except StoreError as exc:
                    broken = True
                    LOG.warning("the image cache cannot be written", image=image.id, error=str(exc))
            yield chunk
        if not broken:
            await _settle_or_tell(parts, image, writer.commit, digest.hexdigest())
    finally:
        await asyncio.shield(writer.abort())


async def _settle_or_tell(parts: Parts, image: Image, commit: Callable[[], Awaitable[int]], checksum: str) -> None:
    """For readers, to whom the cache is nothing."""
    try:
        await _settle(parts, image, commit, checksum)
    except (Conflict, StoreError) as exc:
        LOG.warning("an image was read but not cached", image=image.id, error=str(exc))


async def fetch(parts: Parts, image: Image, cancelled: asyncio.Event) -> None:
    """Bring an image into the cache. Raises Conflict when its data is not what it should be, StoreError."""
    cache = parts.service(Cache)
    if image.size and image.size > cache.most:
        raise Conflict(f"The image has {image.size} bytes; the cache holds at most {cache.most} (cache_max_gb).")
    source = await stores.find_source(parts, image)
    path = source.store.local_path(source.key)
    if path is not None and image.os_hash_value and await cache.store.link(image.id, path):
        await _settle(parts, image, lambda: cache.store.size(image.id), image.os_hash_value)
        return
    digest = hashlib.new(image.os_hash_algo or data.HASH)
    writer = await cache.store.writer(image.id)
    try:
        await streams.pour(_until(cancelled, streams.batches(source.store.read(source.key))), writer.write, streams.summing(digest))
        if not cancelled.is_set():
            await _settle(parts, image, writer.commit, digest.hexdigest())
    finally:
        await asyncio.shield(writer.abort())


async def _until(cancelled: asyncio.Event, batches: AsyncIterator[bytearray]) -> AsyncIterator[bytearray]:
    async for batch in batches:
        if cancelled.is_set():
            return
        yield batch


async def _settle(parts: Parts, image: Image, commit: Callable[[], Awaitable[int]], checksum: str) -> None:
    """Make what was written an entry, then make room. Raises Conflict for data that is not the image's."""
    if image.os_hash_value not in (None, checksum):
        raise Conflict(f"The data of image {image.id} has another hash than the image: {checksum}.")
    async with parts.service(Cache).lock:
        size = await commit()
        async with parts.database.write() as tx:
            if await tx.get(Image, image.id) is not None:
                now = clock.now()
                await tx.merge(ImageCached(image_id=image.id, size=size, checksum=checksum, hits=0, created_at=now, used_at=now))
    await prune(parts)


async def drop(parts: Parts, image_ids: list[str]) -> int:
    """Forget entries; returns how many there were."""
    cache = parts.service(Cache)
    async with cache.lock:
        async with parts.database.write() as tx:
            gone = await tx.execute(delete(ImageCached).where(ImageCached.image_id.in_(image_ids)))
        for image_id in image_ids:
            await cache.store.delete(image_id)
    return gone.rowcount


async def prune(parts: Parts) -> tuple[int, int]:
    """Drop what was unused for longest until the rest fits; returns how many entries and bytes went."""
    cache, files, size = parts.service(Cache), 0, 0
    async with parts.database.read() as tx:
        total = (await tx.execute(select(func.coalesce(func.sum(ImageCached.size), 0)))).scalar_one()
        rows = (await tx.execute(select(ImageCached).order_by(ImageCached.used_at))).scalars().all() if total > cache.most else []
    for row in rows:
        if total - size <= cache.most:
            break
        await drop(parts, [row.image_id])
        files, size = files + 1, size + row.size
    return files, size


async def clean(parts: Parts) -> None:
    """Drop files without a row, rows without a file, and what belongs to no image any more."""
    cache = parts.service(Cache)
    async with cache.lock:
        there = set(await cache.store.keys())
        async with parts.database.write() as tx:
            alive = set((await tx.execute(select(ImageCached.image_id).join(Image, Image.id == ImageCached.image_id))).scalars())
            whole = there & alive
            await tx.execute(delete(ImageCached).where(ImageCached.image_id.not_in(whole)))
        for key in there - whole:
            await cache.store.delete(key)


async def entries(tx: AsyncSession) -> list[ImageCached]:
    return list((await tx.execute(select(ImageCached).order_by(ImageCached.image_id))).scalars())


async def queue(tx: AsyncSession, context: Context, image: Image) -> None:
    """Have a job fetch an image. Raises BadRequest."""
    if image.status != states.ACTIVE:
        raise BadRequest("Only images with status active can be targeted for queueing")
    await jobs.ask(tx, context, JOB, locks=[f"cache {image.id}"], resource=image.id, merge=True, image=image.id)


async def queued(tx: AsyncSession) -> list[str]:
    """The images that are still to be fetched."""
    query = select(JobRow.resource_id).where(JobRow.kind == JOB, JobRow.state.in_(jobs.OPEN), JobRow.cancel.is_(False))
    return sorted({image_id for image_id in (await tx.execute(query)).scalars() if image_id})


async def unqueue(tx: AsyncSession, image_ids: list[str]) -> None:
    for image_id in image_ids:
        await jobs.cancel(tx, image_id, (JOB,))
