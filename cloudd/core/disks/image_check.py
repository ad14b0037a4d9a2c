"""Looks into an image before any tool opens it: qemu-img would already have opened what an image names (OSSA-2024-001).

The module that gave the image has looked as well; this is the last door before qemu-img, for images that came otherwise.
"""

from pathlib import Path

from cloudd.core import diskimages
from cloudd.core.diskimages import UnsafeImage

VERBATIM = frozenset({"raw", "iso", "aki", "ari", "ami", ""})
QEMU_NAME = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels"}
MOST_VIRTUAL = 1 << 46


def check(path: Path, format: str) -> None:
    """Raises UnsafeImage when the file is not of this format, or must not be opened. Kernels and the like are only bytes to QEMU."""
    if format in VERBATIM and format not in ("raw", "iso"):
        return
    if format not in QEMU_NAME and format not in VERBATIM:
        raise UnsafeImage(f"images of format {format} cannot become disks here")
    found = diskimages.inspect_file(path)
    if found.format != (format or "raw"):
        raise UnsafeImage(f"the image is said to be {format}, but its content is {found.format}")
    if found.virtual_size > MOST_VIRTUAL:
        raise UnsafeImage(f"the image claims a disk of {found.virtual_size} bytes; {MOST_VIRTUAL} are possible")


def virtual_size(path: Path) -> int:
    """Without any tool: what an image says, else the length of the file."""
    try:
        return diskimages.inspect_file(path).virtual_size
    except UnsafeImage:
        return path.stat().st_size
