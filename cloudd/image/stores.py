"""The stores of this cloud, by name, the better ones first; and which of an image's copies is read."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from cloudd.core import log
from cloudd.core.errors import Conflict, NotFound, Unavailable
from cloudd.core.parts import Parts
from cloudd.drivers.store.base import BlobMissing, Store, StoreError, StoreUnreachable
from cloudd.image.models import Image, ImageLocation

LOG = log.get("cloudd.images")


@dataclass
class Stores:
    """`parts.service(Stores)`. The default one is `parts.driver(Store)` as well."""

    by_name: dict[str, Store]

    def named(self, name: str) -> Store:
        """Raises Conflict for one that is not there, as Glance does."""
        if name not in self.by_name:
            raise Conflict(f"There is no store {name}; there are: {', '.join(self.by_name)}.", type="UnknownStore")
        return self.by_name[name]

    def writable(self, name: str) -> Store:
        store = self.named(name)
        if store.read_only:
            raise Conflict(f"The store {name} is read-only; data can go to: {', '.join(self.writable_names())}.", type="UnknownStore")
        return store

    def writable_names(self) -> list[str]:
        return [name for name, store in self.by_name.items() if not store.read_only]

    def sorted(self, names: Iterable[str]) -> list[str]:
        """Names in the order of the settings; those that the settings have no longer come last."""
        order = list(self.by_name)
        return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    def weight(self, name: str) -> int:
        """How much a store is preferred for reading: more is better."""
        return len(self.by_name) - list(self.by_name).index(name) - 1

    def copies(self, image: Image) -> list[tuple[Store, str]]:
        """Where an image's data can be read, the best copy first. Raises NotFound, Unavailable when there is none."""
        if not image.locations:
            raise NotFound(f"Image {image.id} has no data.")
        known = [row for row in image.locations if row.store in self.by_name]
        if not known:
            raise Unavailable(f"The data of image {image.id} lies in {', '.join(image.stores)}, which the settings have no longer.")
        known.sort(key=lambda row: -self.weight(row.store))
        return [(self.by_name[row.store], row.key) for row in known]

    def url(self, location: ImageLocation) -> str:
        """A location's address; one of a store that is gone is told by the store's name."""
        store = self.by_name.get(location.store)
        return store.url(location.key) if store else f"{location.store}://{location.key}"


@dataclass(frozen=True)
class Source:
    """A copy that answered: its store, key and size in bytes."""

    store: Store
    key: str
    size: int


async def find_source(parts: Parts, image: Image) -> Source:
    """The best copy that is there. Raises NotFound, Unavailable."""
    error: StoreError | None = None
    for store, key in parts.service(Stores).copies(image):
        try:
            return Source(store, key, await store.size(key))
        except StoreError as exc:
            LOG.warning("a copy of an image cannot be read", image=image.id, store=store.name, error=str(exc))
            error = exc if error is None or isinstance(exc, StoreUnreachable) else error
    if isinstance(error, BlobMissing):
        raise NotFound(f"The data of image {image.id} is missing in the store.") from error
    raise Unavailable(f"The data of image {image.id} cannot be read: {error}.") from error


async def read(parts: Parts, image: Image) -> AsyncIterator[bytes]:
    """An image's data from its beginning, from the best copy that is there. Raises NotFound, Unavailable, StoreError."""
    source = await find_source(parts, image)
    async for chunk in source.store.read(source.key):
        yield chunk
