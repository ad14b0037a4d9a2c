"""Images: what servers boot from. This is the face for the other modules."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.parts import Parts
from cloudd.core.rows import plain
from cloudd.core.rows.among import among
from cloudd.image import blobs, cache, data, images, limits, states, stores
from cloudd.image.models import Image, visible

__all__ = ["Image", "create_for_data", "create_for_server", "drop", "get", "local_path", "many", "named", "open_data",
           "require_properties", "store_file"]


async def get(context: Context, tx: AsyncSession, image_id: str) -> Image:
    """An image that the caller may show. Raises NotFound."""
    return await images.find(tx, context, image_id)


async def many(context: Context, tx: AsyncSession, image_ids: Iterable[str]) -> dict[str, Image]:
    """Those of the images that there are and that the caller may show, by id."""
    rows = await plain.read(tx, Image, visible(context).where(among(Image.id, image_ids)))
    return {row.id: row for row in rows}


async def named(context: Context, tx: AsyncSession, name: str) -> list[Image]:
    """The images of a name that the caller may show, at most two."""
    return list((await tx.execute(visible(context).where(Image.name == name).limit(2))).scalars())


def open_data(parts: Parts, image: Image) -> AsyncIterator[bytes]:
    """The data of an active image, from its beginning."""
    return cache.read(parts, image)


def local_path(parts: Parts, image: Image) -> Path | None:
    """The very file of an image's data, to be read only; None when no store has it as a file."""
    there = parts.service(stores.Stores).by_name
    paths = [there[row.store].local_path(row.key) for row in image.locations if row.store in there]
    return next((path for path in paths if path is not None and path.exists()), None)


async def create_for_server(context: Context, tx: AsyncSession, name: str, properties: dict[str, str | None], *,
                            image_id: str | None = None, disk_format: str = "qcow2", min_disk: int = 0,
                            min_ram: int = 0) -> Image:
    """The record of an image that a server's disk will become: private, `saving` until `store_file` or `drop`."""
    values = {"name": name, "disk_format": disk_format, "min_disk": min_disk, "min_ram": min_ram, **properties}
    return await create_for_data(context, tx, {**values, "id": image_id} if image_id else values)


async def create_for_data(context: Context, tx: AsyncSession, values: dict[str, Any]) -> Image:
    """The record of an image whose data is being made: bare and private unless `values` say else, `saving` until `store_file` or
    `drop`. What is no member of images is a property."""
    image = await images.create(tx, context, {"visibility": "private", "container_format": "bare", **values})
    await states.IMAGE.enter(tx, image, "upload")
    return image


def require_properties(settings: Any, names: Iterable[str]) -> None:
    """Raise OverQuota for more properties than one image may have, whoever makes it."""
    limits.properties(settings, names)


async def store_file(parts: Parts, context: Context, image_id: str, path: Path) -> None:
    """Move a finished disk image in as the data of a `saving` image. Done twice, or for a deleted image, it does nothing."""
    async with parts.database.read() as tx:
        image = await tx.get(Image, image_id)
    if image is None or image.status != states.SAVING:
        path.unlink(missing_ok=True)
        return
    stored = await data.adopt(parts, image, path)
    async with parts.database.write() as tx:
        image = await tx.get(Image, image_id)
        if image is not None and image.status == states.SAVING:
            await data.finish(tx, context, image, stored)
            return
    await blobs.drop(parts, stored.store, stored.key)


async def drop(context: Context, tx: AsyncSession, image_id: str) -> None:
    """Forget an image whose server could not give its data."""
    image = await tx.get(Image, image_id)
    if image is not None and image.status == states.SAVING:
        await images.delete(tx, context, image)
