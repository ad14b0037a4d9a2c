"""ISO 9660 and UDF, and disks with a partition table. Nothing in them names a file of the host."""

import struct

from cloudd.core.diskimages.content import Content, Found

DESCRIPTOR, MARKS = 32 * 1024, (b"CD001", b"NSR02", b"NSR03", b"BEA01")
PRIMARY = 1
ENTRIES, ENTRY = 446, struct.Struct("<B3sB3sII")
PROTECTIVE = 0xEE


def is_iso(content: Content) -> bool:
    return content.head[DESCRIPTOR + 1:DESCRIPTOR + 6] in MARKS


def read_iso(content: Content) -> Found:
    descriptor = content.head[DESCRIPTOR:DESCRIPTOR + 2048]
    if descriptor[0] != PRIMARY or len(descriptor) < 132:
        return Found("iso", content.size)
    blocks, size = struct.unpack_from("<I", descriptor, 80)[0], struct.unpack_from("<H", descriptor, 128)[0]
    return Found("iso", min(blocks * size, content.size) or content.size)


def is_partitioned(content: Content) -> bool:
    """Kernels and FAT file systems bear the same mark as a partition table does."""
    head = content.head
    if len(head) < 512 or head[510:512] != b"\x55\xaa" or head[514:518] == b"HdrS":
        return False
    return not (head[0x10] == 2 and head[0x15] == 0xF8)


def read_partitioned(content: Content) -> Found:
    """To Glance such a disk is raw."""
    return Found("raw", content.size, _why_wrong([ENTRY.unpack_from(content.head, ENTRIES + 16 * number) for number in range(4)]))


def _why_wrong(entries: list[tuple]) -> str:
    """What no partitioning tool writes; data that only looks like a disk does."""
    for number, (active, start, kind, _, first, _) in enumerate(entries, 1):
        if active not in (0, 0x80):
            return f"partition {number} has the boot flag {active:#x}"
        if kind == PROTECTIVE and (start != b"\x00\x02\x00" or first != 1):
            return f"the protective partition {number} of a GPT does not begin at the second sector"
    used = [number for number, entry in enumerate(entries, 1) if entry[2]]
    if not used:
        return "no partition is in it"
    if any(entry[2] == PROTECTIVE for entry in entries) and used != [1]:
        return "there are partitions beside the protective one of a GPT"
    return ""
