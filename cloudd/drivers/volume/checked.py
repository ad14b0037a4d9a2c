"""What all drivers refuse alike."""

import re

from cloudd.core.disks.files import SAFE
from cloudd.drivers.volume.base import VolumeError, VolumeMissing

REFERENCE = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.+@-]{0,199}")
SECTOR = 512


def safe(id_: str) -> str:
    """Ids become names in the back end."""
    if not SAFE.fullmatch(id_):
        raise VolumeError(f"{id_!r} cannot be an id: letters, digits, dashes and underscores, at most 64")
    return id_


def reference(name: str) -> str:
    """A name of something to manage: never a path. Whatever cannot be one is not there."""
    if not REFERENCE.fullmatch(name):
        raise VolumeMissing(f"there is nothing called {name!r} to manage")
    return name


def least(size: int, needed: int) -> None:
    """A copy has room for all of its source."""
    if size < needed:
        raise VolumeError(f"a volume of {size} bytes is too small for it: it needs {needed}")


def whole(size: int) -> int:
    """Sizes are whole sectors."""
    if size <= 0 or size % SECTOR:
        raise VolumeError(f"{size} bytes cannot be the size of a volume: it is a multiple of {SECTOR}")
    return size


def grows(old: int, new: int) -> None:
    if whole(new) < old:
        raise VolumeError(f"a volume of {old} bytes cannot be made one of {new}: volumes do not shrink")
