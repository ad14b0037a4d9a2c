"""What the daemon starts and stops of images: the store."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import ClassVar

from cloudd.core.context import internal
from cloudd.core.http.api import Api
from cloudd.core.module import DriverError, Module, load_driver
from cloudd.drivers.store.base import Store, StoreError
from cloudd.drivers.store.file import FileStore
from cloudd.image import data, jobs
from cloudd.image.api import API, images, imports, members, metadefs, metadefs_contents, metadefs_schemas, schemas
from cloudd.image.api import data as data_api
from cloudd.image.metadefs import load_shipped
from cloudd.image.staging import Staging

REGISTERED = (jobs, images, imports, members, metadefs, metadefs_contents, metadefs_schemas, data_api)


class ImageModule(Module):
    name = "image"
    apis: ClassVar[tuple[Api, ...]] = (API, schemas.VERSIONS)

    async def open(self) -> None:
        settings = self.parts.settings
        directory = Path(settings.image.store_dir or Path(settings.server.state_dir) / "images")
        store: Store = load_driver("store", settings.image.driver)(directory)
        staging = FileStore(directory.with_name(f"{directory.name}-staging"))
        try:
            await store.open()
            await staging.open()
        except StoreError as exc:
            raise DriverError(str(exc)) from exc
        self.parts.drivers[Store] = store
        self.parts.services[Staging] = Staging(staging)
        await data.recover(self.parts)
        async with self.parts.database.write() as tx:
            await load_shipped(tx, internal())

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"images": self._room}

    async def _room(self) -> None:
        usage = await self.parts.driver(Store).usage()
        if usage.free < 1 << 28:
            raise StoreError(f"the image store has only {usage.free >> 20} MiB left")

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("image", "glance", "/image"),)
