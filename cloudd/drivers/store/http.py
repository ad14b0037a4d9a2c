"""Data that lies at web addresses elsewhere: read only, through the guarded client. A key is an address."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cloudd.core import fetch
from cloudd.core.errors import CloudError
from cloudd.drivers.store.base import BlobMissing, Store, StoreError, StoreUnreachable, Usage, Writer

CHUNK = 256 * 1024


class HttpStore(Store):
    kind = "http"
    description = "Data at web addresses elsewhere"
    read_only = True
    exclusive = False

    def __init__(self, address: str, name: str, settings: Any):
        """Raises ValueError: it has no address of its own."""
        if address:
            raise ValueError(f"an http store takes no address: write {name}=http:")
        self.name, self.allowed = name, settings.image.import_hosts

    async def open(self) -> None:
        """There is nothing to open."""

    async def close(self) -> None:
        """Nothing is held."""

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Servers that know no ranges are read from the beginning; what is not wanted is left away."""
        skip, left = offset, length
        if left == 0:
            return
        try:
            async with fetch.get(key, allowed=self.allowed) as response:
                async for chunk in response.content.iter_chunked(CHUNK):
                    kept, skip = chunk[skip:], max(0, skip - len(chunk))
                    if left is not None:
                        kept, left = kept[:left], left - len(kept[:left])
                    if kept:
                        yield kept
                    if left == 0:
                        return
        except CloudError as exc:
            raise self._meant(exc) from exc

    async def size(self, key: str) -> int:
        """What the server says of the length; the address is asked for, and its body left unread."""
        try:
            async with fetch.get(key, allowed=self.allowed) as response:
                if response.content_length is None:
                    raise StoreError(f"{key} does not tell its size")
                return response.content_length
        except CloudError as exc:
            raise self._meant(exc) from exc

    def _meant(self, error: CloudError) -> StoreError:
        if "answered 404" in error.message or "answered 410" in error.message:
            return BlobMissing(error.message)
        return StoreUnreachable(error.message)

    async def writer(self, key: str) -> Writer:
        raise StoreError(f"nothing can be written to the store {self.name}")

    async def adopt(self, key: str, path: Path) -> int:
        raise StoreError(f"nothing can be written to the store {self.name}")

    async def delete(self, key: str) -> None:
        """What lies elsewhere stays there."""

    async def keys(self) -> list[str]:
        return []

    async def usage(self) -> Usage | None:
        return None

    def url(self, key: str) -> str:
        return key

    def key_of(self, url: str) -> str | None:
        return url if url.partition("://")[0].lower() in ("http", "https") else None

    def properties(self) -> dict[str, str]:
        return {}
