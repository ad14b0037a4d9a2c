"""What this cloud asks of the data of images, over what `core.diskimages` refuses by itself: that it is what its record says."""

from dataclasses import dataclass

from cloudd.core import diskimages
from cloudd.core.diskimages import Found, UnsafeImage
from cloudd.core.errors import UnsupportedMedia
from cloudd.settings import Image as ImageSettings

AS_RAW = ("raw", "ami", "ari", "aki")                     # taken byte for byte by who boots them
UNSEEN = ("ploop",)                                       # directories of files, packed by some tool: any data is possible


@dataclass(frozen=True)
class Rules:
    """`[image]` of the settings, as far as it is about data. `match`: only what the record says; `partitions`: sound tables."""

    most: int
    most_virtual: int
    match: bool
    partitions: bool


def rules(settings: ImageSettings) -> Rules:
    return Rules(settings.max_image_size, settings.max_virtual_size, settings.require_format_match, settings.check_partitions)


def check(watcher: diskimages.Watcher, declared: str | None, container: str | None, asked: Rules) -> int | None:
    """The virtual size of data that has come whole; None where nobody knows. Raises UnsupportedMedia, as Glance does."""
    try:
        found = watcher.found()
    except UnsafeImage as exc:
        raise UnsupportedMedia(str(exc), type="UnsafeImage") from exc
    return judge(found, declared, container, asked)


def judge(found: Found, declared: str | None, container: str | None, asked: Rules) -> int | None:
    """The virtual size, if what was found may be an image of this record."""
    if found.virtual_size > asked.most_virtual:
        raise UnsupportedMedia(f"The {found.format} image claims a disk of {found.virtual_size} bytes; this cloud takes at most "
                               f"{asked.most_virtual} (max_virtual_size).", type="UnsafeImage")
    if container != "bare":                                  # a package of its own form: its parts are looked at where they are used
        return found.virtual_size if agrees(declared, found) else None
    if asked.partitions and found.partitions and declared in AS_RAW:
        raise UnsupportedMedia(f"The image has a partition table that is not sound: {found.partitions}. Mend it (sgdisk --verify), or "
                               "have the operator switch check_partitions off.", type="UnsafeImage")
    if agrees(declared, found):
        return found.virtual_size
    if asked.match:
        raise UnsupportedMedia(f"Image content does not match disk_format {declared}: it is {found.format}. "
                               f"Create the image with disk_format {found.format}.", type="ImageFormatMismatch")
    return None


def agrees(declared: str | None, found: Found) -> bool:
    """Kernels and ramdisks are bytes of any kind that is none of the others."""
    return (declared in (None, found.format) or (declared in AS_RAW and found.format == "raw")
            or (declared in UNSEEN and found.format == "raw"))
