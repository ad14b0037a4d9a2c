"""What a store must do: keep blobs under keys, whole or not at all."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


class StoreError(Exception):
    """The store could not do it; the message says what to mend."""


class StoreUnreachable(StoreError):
    """The store does not answer at the moment; trying again later may help."""


class BlobMissing(StoreError):
    """No blob lies under this key."""


class StoreFull(StoreError):
    """No room is left for the data."""


@dataclass(frozen=True)
class Usage:
    """Room of the store in bytes."""

    total: int
    free: int


class Writer(ABC):
    """A blob being written. Nothing is to be seen under its key before `commit`; `abort` (or a crash) leaves nothing."""

    @abstractmethod
    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises StoreFull, StoreError."""

    @abstractmethod
    async def head(self, size: int) -> bytes:
        """The first bytes written so far, for the format inspector."""

    @abstractmethod
    async def commit(self) -> int:
        """Put the blob on stable storage, then under its key at once. Returns its size in bytes."""

    @abstractmethod
    async def abort(self) -> None:
        """Forget what was written. May be called after `commit`, then changes nothing."""


class Store(ABC):
    """A place for blobs. Keys are ids made by cloudd: letters, digits, dashes.

    `kind` is the driver's name, `name` that of this store in the settings. `read_only`: nothing can be written, and keys are
    what users named. `exclusive`: whatever lies there is ours, so that what no row knows can be dropped.
    """

    kind: ClassVar[str]
    description: ClassVar[str]
    read_only: ClassVar[bool] = False
    exclusive: ClassVar[bool] = True
    name: str

    @abstractmethod
    async def open(self) -> None:
        """Make sure that the store can be used and drop what a crash left half-written. Raises StoreError."""

    @abstractmethod
    async def writer(self, key: str) -> Writer:
        """Begin a blob; committing replaces what lay under `key`."""

    @abstractmethod
    def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a blob from `offset` on. Raises BlobMissing."""

    @abstractmethod
    async def size(self, key: str) -> int:
        """Size in bytes. Raises BlobMissing."""

    @abstractmethod
    async def adopt(self, key: str, path: Path) -> int:
        """Move a local file in as the blob `key`; returns its size."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is fine."""

    @abstractmethod
    async def keys(self) -> list[str]:
        """All blobs, for the comparison with the database."""

    @abstractmethod
    async def usage(self) -> Usage | None:
        """How much room there is; None where nobody counts it. Raises StoreError when the store does not answer."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""

    @abstractmethod
    def url(self, key: str) -> str:
        """Where a blob lies, as an address without secrets."""

    def key_of(self, url: str) -> str | None:
        """The key behind an address of this store; None for other addresses, and where nobody may come with an address."""
        return None

    @abstractmethod
    def properties(self) -> dict[str, str]:
        """What operators are told of the store; no secrets."""

    def local_path(self, key: str) -> Path | None:
        """The very file of a blob, to be read only, where the store has such files."""
        return None
