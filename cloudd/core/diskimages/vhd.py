"""VHD (Virtual PC, Hyper-V 2008): fixed, which is a raw disk with a footer behind it, and dynamic."""

import struct

from cloudd.core.diskimages.content import Content, Found, UnsafeImage

MAGIC, DYNAMIC_MAGIC = b"conectix", b"cxsparse"
FOOTER = struct.Struct(">8sIIQIIIIQQIII16s")       # up to the disk's id
DYNAMIC = struct.Struct(">8sQQIIII16sI")           # up to the parent's time
FIXED_KIND, DYNAMIC_KIND, DIFFERENCING = 2, 3, 4
MOST_GEOMETRY = 65535 * 16 * 255
SIZE, DYNAMIC_SIZE, MOST_ENTRIES, MOST_BLOCK = 512, 1024, (2 << 40) // (512 * 1024), 256 << 20


def is_fixed(content: Content) -> bool:
    """A fixed VHD shows only at its end, where guests may write as well: the footer has to be right in all."""
    footer = content.tail[-SIZE:]
    if len(footer) < SIZE or not footer.startswith(MAGIC) or content.head.startswith(MAGIC):
        return False
    fields = FOOTER.unpack_from(footer)
    return fields[11] == FIXED_KIND and fields[9] == content.size - SIZE


def read_fixed(content: Content) -> Found:
    return Found("vhd", _size(_footer(content.tail[-SIZE:])))


def _size(footer: tuple) -> int:
    """QEMU goes by cylinders, heads and sectors where it does not know the maker, unless they are the most that there can be."""
    cylinders, heads, sectors = footer[10] >> 16, footer[10] >> 8 & 0xFF, footer[10] & 0xFF
    geometry = cylinders * heads * sectors
    return max(footer[9], 0 if geometry == MOST_GEOMETRY else geometry * 512)


def read(content: Content) -> Found:
    footer = _footer(content.read(0, SIZE, "VHD header"))
    kind, where, size = footer[11], footer[3], _size(footer)
    if kind == DIFFERENCING:
        raise UnsafeImage("The VHD image is a differencing one, which names its parent; merge them first.")
    if kind != DYNAMIC_KIND:
        raise UnsafeImage(f"The VHD image is of the kind {kind}; fixed and dynamic ones are served.")
    header = content.read(where, DYNAMIC_SIZE, "VHD dynamic header")
    magic, _, table, _, entries, block, checksum, parent, _ = DYNAMIC.unpack_from(header)
    if magic != DYNAMIC_MAGIC:
        raise UnsafeImage("The VHD image is damaged: its dynamic header has the wrong mark.")
    _check_sum(header, 36, checksum)
    if any(parent):
        raise UnsafeImage("The VHD image names a parent; merge them first.")
    if not 512 <= block <= MOST_BLOCK or block & (block - 1):
        raise UnsafeImage(f"The VHD image has blocks of {block} bytes; powers of two up to {MOST_BLOCK} are possible.")
    if entries > MOST_ENTRIES or entries * block < size:
        raise UnsafeImage(f"The VHD image claims {size} bytes in {entries} blocks of {block}, which cannot be.")
    content.table(table, entries * 4, "block table")
    return Found("vhd", size)


def _footer(data: bytes) -> tuple:
    fields = FOOTER.unpack_from(data)
    if fields[2] >> 16 != 1:
        raise UnsafeImage(f"The VHD image is of version {fields[2] >> 16}; version 1 is served.")
    _check_sum(data, 64, fields[12])
    return fields


def _check_sum(data: bytes, position: int, told: int) -> None:
    """The complement of the sum of all bytes but its own four."""
    if (sum(data) - sum(data[position:position + 4])) ^ 0xFFFFFFFF != told:
        raise UnsafeImage("The VHD image is damaged: a checksum is wrong.")
