"""What the daemon starts and stops of images: the stores."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from cloudd.core import log, options
from cloudd.core.context import internal
from cloudd.core.http.api import Api
from cloudd.core.module import DriverError, Module, load_driver
from cloudd.drivers.certificates.base import Certificates
from cloudd.drivers.certificates.directory import DirectoryCertificates
from cloudd.drivers.store.base import Store, StoreError, StoreUnreachable, Writer
from cloudd.drivers.store.file import FileStore
from cloudd.image import data, jobs
from cloudd.image.api import API, cache, images, imports, locations, members, metadefs, metadefs_contents, metadefs_schemas, schemas, stores
from cloudd.image.api import data as data_api
from cloudd.image.cache import Cache, clean
from cloudd.image.imports import Tokens
from cloudd.image.metadefs import load_shipped
from cloudd.image.progress import Progress
from cloudd.image.staging import Staging
from cloudd.image.stores import Stores

LOG = log.get("cloudd.images")
REGISTERED = (jobs, cache, images, imports, locations, members, metadefs, metadefs_contents, metadefs_schemas, data_api, stores)


class ImageModule(Module):
    name = "image"
    apis: ClassVar[tuple[Api, ...]] = (API, schemas.VERSIONS)

    async def open(self) -> None:
        settings = self.parts.settings
        directory = Path(settings.image.store_dir or Path(settings.server.state_dir) / "images")
        staging = FileStore(directory.with_name(f"{directory.name}-staging"))
        await self._open_store(staging)
        self.stores = Stores({store.name: store for store in self._make_stores(directory)})
        for store in self.stores.by_name.values():
            await self._open_store(store)
        self.parts.services[Stores] = self.stores
        self.parts.drivers[Store] = self.stores.writable(settings.image.default_store)
        self.parts.services[Staging] = Staging(staging)
        self.parts.services[Tokens] = Tokens()
        self.parts.services[Progress] = Progress()
        self.parts.services[Certificates] = DirectoryCertificates(settings.image.certificates_dir)
        await self._open_cache(directory)
        await data.recover(self.parts)
        async with self.parts.database.write() as tx:
            await load_shipped(tx, internal())

    async def _open_cache(self, directory: Path) -> None:
        store = FileStore(directory.with_name(f"{directory.name}-cache"), "cache")
        await self._open_store(store)
        self.parts.services[Cache] = Cache(store, self.parts.settings.image.cache_max_gb << 30)
        await clean(self.parts)

    def _make_stores(self, directory: Path) -> Iterator[Store]:
        yield FileStore(directory)
        for text in self.parts.settings.image.stores:
            name, driver, address = options.store(text)
            try:
                yield load_driver("store", driver)(address, name, self.parts.settings)
            except ValueError as exc:
                raise DriverError(f"[image] stores: {name}: {exc}") from exc

    async def _open_store(self, store: Store) -> None:
        """One that does not answer yet does not stop the cloud; one that is wrongly set up does."""
        self.parts.deadlines.guard(store, Store, "store", StoreError, makes=Writer)
        try:
            await store.open()
        except StoreUnreachable as exc:
            LOG.warning("an image store does not answer", store=store.name, error=str(exc))
        except StoreError as exc:
            raise DriverError(f"image store {store.name}: {exc}") from exc

    async def stop(self) -> None:
        for store in self.stores.by_name.values():
            await store.close()

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"images": self._room}

    async def _room(self) -> None:
        for store in self.stores.by_name.values():
            usage = await store.usage()
            if usage is not None and usage.free < 1 << 28:
                raise StoreError(f"the image store {store.name} has only {usage.free >> 20} MiB left")

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("image", "glance", "/image"),)
