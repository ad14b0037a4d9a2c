"""Which format an image is of: all are asked, and only one may say yes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloudd.core.diskimages import discs, parallels, qcow2, vdi, vhd, vhdx, vmdk
from cloudd.core.diskimages.content import HEAD, TAIL, WINDOW, Content, Found, UnsafeImage, Watcher, Window


@dataclass(frozen=True)
class Format:
    """`matches` only looks for the mark; `read` raises UnsafeImage for what must not be opened."""

    name: str
    matches: Callable[[Content], bool]
    read: Callable[[Content], Found]
    wanted: Callable[[bytes], tuple[Window, ...]] = lambda head: ()


def starts(*marks: bytes) -> Callable[[Content], bool]:
    return lambda content: content.head.startswith(marks)


def refused(why: str) -> Callable[[Content], Found]:
    def read(content: Content) -> Found:
        raise UnsafeImage(f"{why} Send another: qemu-img convert -O qcow2 IN OUT.")
    return read


FORMATS = (
    Format("qcow2", starts(qcow2.MAGIC), qcow2.read),
    Format("vmdk", starts(vmdk.MAGIC), vmdk.read),
    Format("vmdk descriptor", vmdk.is_descriptor, refused("The vmdk image is a descriptor that names other files; a complete "
                                                          "image is monolithicSparse or streamOptimized.")),
    Format("vmdk extent", starts(b"COWD", b"\xbe\xba\xfe\xca\0\0\0\0"), refused("The image is a single extent of an ESX server's "
                                                                               "vmdk, whose descriptor is another file.")),
    Format("vhd", starts(vhd.MAGIC), vhd.read),
    Format("fixed vhd", vhd.is_fixed, vhd.read_fixed),
    Format("vhdx", starts(vhdx.MAGIC), vhdx.read, vhdx.wanted),
    Format("vdi", vdi.matches, vdi.read),
    Format("ploop", starts(*parallels.MAGICS), parallels.read),
    Format("iso", discs.is_iso, discs.read_iso),
    Format("gpt", discs.is_partitioned, discs.read_partitioned),
    Format("luks", starts(b"LUKS\xba\xbe", b"SKUL\xba\xbe"), refused("The image is a LUKS container; encrypted images are not served.")),
    Format("qed", starts(b"QED\0"), refused("Images of the format qed are not served.")),
)
# Who lies in whom by nature: a disc that boots as a disk too has a partition table, a fixed VHD is a disk with a footer behind.
HOLDS = {"iso": {"gpt"}, "fixed vhd": {"gpt", "iso"}}


def inspect(content: Content) -> Found:
    """What an image is. Raises UnsafeImage for a hostile one, and for one that is two things at once."""
    matching = {one.name: one for one in FORMATS if one.matches(content)}
    for name, inner in HOLDS.items():
        if name in matching:
            matching = {other: one for other, one in matching.items() if other not in inner}
    if len(matching) > 1:
        raise UnsafeImage(f"The image is of several formats at once ({', '.join(sorted(matching))}); what it holds would depend on "
                          "who reads it.")
    return next((one.read(content) for one in matching.values()), Found("raw", content.size))


def wanted(head: bytes) -> tuple[Window, ...]:
    """The pieces behind the head that the format of this head needs."""
    start = Content(head, b"", len(head))
    return tuple(window for one in FORMATS if one.matches(start) for window in one.wanted(head))


def watch() -> Watcher:
    """For a stream: feed it all, then ask what it was."""
    return Watcher(wanted, inspect)


def inspect_file(path: Path) -> Found:
    """What a file is; reads only the pieces that matter. Raises UnsafeImage, OSError. To be run in a thread."""
    handle = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        head = os.pread(handle, HEAD, 0)
        windows = {offset: os.pread(handle, min(length, WINDOW), offset) for offset, length in wanted(head) if offset < size}
        return inspect(Content(head, os.pread(handle, TAIL, max(0, size - TAIL)), size, windows))
    finally:
        os.close(handle)
