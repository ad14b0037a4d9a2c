"""The life of a blob: noted before it is written, known by a location afterwards, dropped when nobody has it."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids, jobs
from cloudd.core.parts import Parts
from cloudd.image.models import Image, ImageBlob, ImageLocation
from cloudd.image.stores import Stores


async def note(tx: AsyncSession, image: Image, store: str) -> str:
    """The key of a blob that is about to be written; a crash will not lose sight of it."""
    key = ids.new_uuid()
    tx.add(ImageBlob(store=store, key=key, image_id=image.id))
    await tx.flush()
    return key


async def noted(tx: AsyncSession, store: str, key: str) -> bool:
    """Whether a blob is on its way still: neither dropped nor an image's."""
    query = select(ImageBlob.key).where(ImageBlob.store == store, ImageBlob.key == key)
    return (await tx.execute(query)).scalar() is not None


async def settle(tx: AsyncSession, image: Image, store: str, key: str) -> None:
    """The blob is whole: it is a location of the image from here on. Done twice it changes nothing."""
    if any((row.store, row.key) == (store, key) for row in image.locations):
        return
    position = 1 + max((row.position for row in image.locations), default=-1)
    image.locations.append(ImageLocation(store=store, key=key, position=position, facts={}))
    await forget(tx, store, key)


async def forget(tx: AsyncSession, store: str, key: str) -> None:
    await tx.execute(delete(ImageBlob).where(ImageBlob.store == store, ImageBlob.key == key))


async def let_go(tx: AsyncSession, image: Image, location: ImageLocation) -> tuple[str, str]:
    """Take a location from an image; what lies there is noted, for a job to `drop` it."""
    image.locations.remove(location)
    await tx.merge(ImageBlob(store=location.store, key=location.key, image_id=image.id))    # two images may share a web address
    await tx.flush()
    return location.store, location.key


async def drop(parts: Parts, store: str, key: str) -> None:
    """Remove a blob from its store, then from the notes. One of a store that the settings have no longer stays noted."""
    known = parts.service(Stores).by_name.get(store)
    if known is None:
        return
    if not known.read_only:
        await known.delete(key)
    async with parts.database.write() as tx:
        await forget(tx, store, key)


async def leftovers(parts: Parts) -> list[tuple[str, str]]:
    """(store, key) of all that no image has and no job works on: what was noted and left, and what nobody ever noted."""
    stores = parts.service(Stores)
    async with parts.database.read() as tx:
        at_work = await jobs.locked(tx)
        notes = (await tx.execute(select(ImageBlob))).scalars().all()
        known = {(store, key) for store, key in await tx.execute(select(ImageLocation.store, ImageLocation.key))}
    kept = known | {(row.store, row.key) for row in notes if row.image_id in at_work}
    found = {(row.store, row.key) for row in notes if row.store in stores.by_name}
    for store in stores.by_name.values():
        if store.exclusive and not store.read_only:
            found |= {(store.name, key) for key in await store.keys()}
    return sorted(found - kept)

