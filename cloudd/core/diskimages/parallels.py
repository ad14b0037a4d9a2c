"""Parallels' expanding disks, which Glance calls ploop."""

import struct

from cloudd.core.diskimages.content import Content, Found, UnsafeImage

MAGICS = (b"WithoutFreeSpace", b"WithouFreSpacExt")
HEADER = struct.Struct("<16sIIIIIQIIIQ")
SECTOR = 512


def read(content: Content) -> Found:
    magic, version, _, _, tracks, entries, sectors, _, data, _, _ = HEADER.unpack(content.read(0, HEADER.size, "ploop header"))
    if version != 2:
        raise UnsafeImage(f"The ploop image is of version {version}; version 2 is served.")
    if magic == MAGICS[0]:
        sectors &= 0xFFFFFFFF
    if not 0 < tracks < 1 << 22:
        raise UnsafeImage(f"The ploop image has clusters of {tracks} sectors, which cannot be.")
    if entries * tracks < sectors:
        raise UnsafeImage(f"The ploop image claims {sectors * SECTOR} bytes, for which its table of {entries} entries is too small.")
    content.table(HEADER.size, entries * 4, "block table")
    if data * SECTOR > content.size:
        raise UnsafeImage("The ploop image is cut short: its data begins behind its end.")
    return Found("ploop", sectors * SECTOR)
