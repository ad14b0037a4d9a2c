"""The files that domains boot from."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ImageSource = Path | Callable[[], AsyncIterator[bytes]]
"""A file of the caller's that stays untouched, or a function that opens the image's data anew each time."""


@dataclass(frozen=True)
class DiskFile:
    """A file that a domain can be given. `size` is what a guest sees, `allocated` what it takes on this machine."""

    path: str
    format: str
    size: int
    allocated: int = 0


class Disks(ABC):
    """The image cache, and one directory of files a server. Makers return what is there when it is there already."""

    @abstractmethod
    async def cache_image(self, image_id: str, source: ImageSource, format: str) -> DiskFile:
        """Bring an image here, checked and flattened. Callers for one image share one fetch. Raises BadImage.

        `format` is Glance's disk_format. Only raw, iso, aki, ari and ami come byte for byte.
        """

    @abstractmethod
    async def cached_images(self) -> frozenset[str]: ...

    @abstractmethod
    async def drop_image(self, image_id: str) -> None:
        """Forget a cached image. Disks made from it keep what they need."""

    @abstractmethod
    async def create_root_disk(self, server_id: str, image_id: str, size_bytes: int, name: str = "root") -> DiskFile:
        """A disk that begins as the cached image; `size_bytes` 0 leaves it the image's size, less than that is refused."""

    @abstractmethod
    async def create_blank_disk(self, server_id: str, name: str, size_bytes: int, content: str = "",
                                label: str = "") -> DiskFile:
        """An empty disk; content "ext4", "vfat" or "swap" makes it one."""

    @abstractmethod
    async def create_config_drive(self, server_id: str, files: Mapping[str, bytes]) -> DiskFile:
        """A CD labelled config-2 with these files; made anew each time."""

    @abstractmethod
    async def link_image(self, server_id: str, name: str, image_id: str) -> DiskFile:
        """The cached image itself, read-only, kept for this server: a kernel, a ramdisk, an ISO."""

    @abstractmethod
    async def find(self, server_id: str, name: str) -> DiskFile | None:
        """A file of this server's: root, rescue, ephemeral0, swap, config, kernel, ramdisk…"""

    @abstractmethod
    async def usage(self, server_id: str) -> tuple[DiskFile, ...]: ...

    @abstractmethod
    async def resize(self, server_id: str, name: str, size_bytes: int) -> DiskFile:
        """Grow a disk of a domain that is off; for a running one: `Hypervisor.resize_disk`. Never shrinks."""

    @abstractmethod
    async def delete(self, server_id: str, name: str | None = None) -> None:
        """Delete one of the server's files, or without a name all that it has."""

    @abstractmethod
    async def owners(self) -> frozenset[str]:
        """The servers that have files here, for repair."""
