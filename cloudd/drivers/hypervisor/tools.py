"""The machine's tools, whose complaints become this kind of driver's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudd.core import confined
from cloudd.core.confined import ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import qemu_img
from cloudd.drivers.hypervisor.base import BadImage, HypervisorError


@contextmanager
def said() -> Iterator[None]:
    try:
        yield
    except UnsafeImage as exc:
        raise BadImage(str(exc)) from exc
    except ToolError as exc:
        raise HypervisorError(str(exc)) from exc


async def run(*command: str) -> bytes:
    with said():
        return await confined.run(*command, limits=qemu_img.QUICK)


async def make_filesystem(path: Path, content: str, label: str) -> None:
    """Fill a raw file with an empty file system or swap area."""
    command = {"ext4": ("mkfs.ext4", "-q", "-F", "-L", label[:16]), "vfat": ("mkfs.vfat", "-n", label[:11]),
               "swap": ("mkswap", "-L", label[:15])}.get(content)
    if command is None:
        raise HypervisorError(f"disks cannot be made as {content}; possible are ext4, vfat and swap")
    if not label:
        command = command[:-2]
    with said():
        await confined.run(*command, str(path), limits=qemu_img.COPY)
