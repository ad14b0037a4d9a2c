"""VirtualBox's disks."""

import struct

from cloudd.core.diskimages.content import Content, Found, UnsafeImage

MAGIC = b"\x7f\x10\xda\xbe"
HEADER = struct.Struct("<64s4sIIII256sII3II4xQIIII16s16s16s16s")
DYNAMIC, STATIC, BLOCK, MOST_BLOCKS = 1, 2, 1 << 20, 0x1FFFFFFF


def matches(content: Content) -> bool:
    return content.head[0x40:0x44] == MAGIC


def read(content: Content) -> Found:
    fields = HEADER.unpack(content.read(0, HEADER.size, "VDI header"))
    version, kind, table, data = fields[2], fields[4], fields[7], fields[8]
    sector, size, block, blocks, allocated = fields[12], fields[13], fields[14], fields[16], fields[17]
    link, parent = fields[20], fields[21]
    if version != 0x00010001:
        raise UnsafeImage(f"The VDI image is of version {version >> 16}.{version & 0xFFFF}; version 1.1 is served.")
    if kind not in (DYNAMIC, STATIC) or any(link) or any(parent):
        raise UnsafeImage("The VDI image is a differencing one, which names its parent; merge them first: VBoxManage clonemedium.")
    if sector != 512 or block != BLOCK or table % 512 or data % 512:
        raise UnsafeImage("The VDI image is laid out strangely: it has to have sectors of 512 bytes and blocks of 1 MiB.")
    if blocks > MOST_BLOCKS or allocated > blocks or size > blocks * BLOCK:
        raise UnsafeImage(f"The VDI image claims {size} bytes in {blocks} blocks of 1 MiB, {allocated} of them in use, which cannot be.")
    content.table(table, blocks * 4, "block table")
    return Found("vdi", size)
