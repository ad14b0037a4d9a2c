"""VHDX (Hyper-V). Its tables are found by tables: the region table tells where the metadata table is, and that where the items are."""

import struct
import uuid

from cloudd.core.diskimages.content import Content, Found, UnsafeImage, Window

MAGIC = b"vhdxfile"
REGIONS, REGIONS_SIZE = (192 * 1024, 256 * 1024), 64 * 1024
REGION, ITEM = struct.Struct("<16sQII"), struct.Struct("<16sIIII")
MOST_ENTRIES, LOOKED_AT, MIB, MOST_SIZE = 2047, 128 * 1024, 1 << 20, 64 << 40
METADATA, BLOCKS = "8B7CA206-4790-4B9A-B8FE-575F050F886E", "2DC27766-F623-4200-9D64-115E9BFD4A08"
PARAMETERS, DISK_SIZE = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
DISK_ID, LOGICAL = "BECA12AB-B2E6-4523-93EF-C309E000C746", "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"
PHYSICAL, PARENT = "CDA348C7-445D-4471-9CC9-E9885251C556", "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"
HAS_PARENT, REQUIRED_REGION, REQUIRED_ITEM = 1 << 1, 1, 1 << 2
Regions = dict[str, tuple[int, int]]


def _name(guid: bytes) -> str:
    return str(uuid.UUID(bytes_le=guid)).upper()


def wanted(head: bytes) -> tuple[Window, ...]:
    try:
        regions = _regions(head)
    except UnsafeImage:
        return ()
    return ((regions[METADATA][0], LOOKED_AT),)


def _regions(head: bytes) -> Regions:
    """Offset and length of both regions, the same in both copies of the table; one of them may be damaged."""
    copies = [_region_table(head[start:start + REGIONS_SIZE]) for start in REGIONS if head[start:start + 4] == b"regi"]
    if not copies or any(copy != copies[0] for copy in copies):
        raise UnsafeImage("The VHDX image has no region table, or two that contradict each other.")
    for name, what in ((METADATA, "metadata"), (BLOCKS, "block table")):
        if name not in copies[0]:
            raise UnsafeImage(f"The VHDX image tells no region of its {what}.")
        offset, length = copies[0][name]
        if offset < MIB or offset % MIB or length % MIB or not length:
            raise UnsafeImage(f"The VHDX image has its {what} ({length} bytes at {offset}) where none can be.")
    return copies[0]


def _region_table(table: bytes) -> Regions:
    if len(table) < REGIONS_SIZE:
        raise UnsafeImage("The VHDX image is cut short: its region table is not whole.")
    _, _, count, _ = struct.unpack_from("<4sIII", table)
    if count > MOST_ENTRIES:
        raise UnsafeImage(f"The VHDX image claims {count} regions; {MOST_ENTRIES} are possible.")
    found: Regions = {}
    for number in range(min(count, (REGIONS_SIZE - 16) // REGION.size)):
        guid, offset, length, flags = REGION.unpack_from(table, 16 + number * REGION.size)
        name = _name(guid)
        if name in found or (name not in (METADATA, BLOCKS) and flags & REQUIRED_REGION):
            raise UnsafeImage(f"The VHDX image has a region that is told twice, or that nobody here knows: {name}.")
        found[name] = (offset, length)
    return found


def read(content: Content) -> Found:
    content.read(0, REGIONS[1] + REGIONS_SIZE, "VHDX header")
    regions = _regions(content.head)
    start, length = regions[METADATA]
    content.table(start, length, "metadata")
    items = _items(content, start)
    if PARENT in items:
        raise UnsafeImage("The VHDX image names its parent, whose changes it holds; merge them first.")
    (block, flags), (size,) = _item(content, items, PARAMETERS, "<II"), _item(content, items, DISK_SIZE, "<Q")
    (logical,) = _item(content, items, LOGICAL, "<I")
    if flags & HAS_PARENT:
        raise UnsafeImage("The VHDX image is a differencing one, which needs its parent; merge them first.")
    if not MIB <= block <= 256 * MIB or block & (block - 1) or logical not in (512, 4096):
        raise UnsafeImage(f"The VHDX image has blocks of {block} and sectors of {logical} bytes, which cannot be.")
    if size > MOST_SIZE or size % logical:
        raise UnsafeImage(f"The VHDX image claims {size} bytes; {MOST_SIZE} are possible.")
    _check_blocks(content, regions[BLOCKS], -(-size // block), (logical << 23) // block)
    return Found("vhdx", size)


def _check_blocks(content: Content, region: tuple[int, int], blocks: int, ratio: int) -> None:
    """One entry a block, and one for the bitmap of each `ratio` blocks."""
    entries = blocks + max(0, blocks - 1) // max(1, ratio)
    if entries * 8 > region[1]:
        raise UnsafeImage(f"The VHDX image claims {blocks} blocks, for which its block table of {region[1]} bytes is too small.")
    content.table(*region, "block table")


def _items(content: Content, start: int) -> dict[str, tuple[int, int]]:
    """Where the metadata items are."""
    magic, _, count = struct.unpack("<8sHH", content.read(start, 12, "metadata table"))
    if magic != b"metadata" or count > MOST_ENTRIES:
        raise UnsafeImage("The VHDX image is damaged: its metadata table has the wrong mark or too many entries.")
    table = content.read(start + 32, count * 32, "metadata table")
    found = {}
    for number in range(count):
        guid, offset, length, flags, _ = ITEM.unpack_from(table, number * 32)
        name = _name(guid)
        if name in found:
            raise UnsafeImage(f"The VHDX image tells an item twice: {name}.")
        if name not in (PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL, PHYSICAL, PARENT) and flags & REQUIRED_ITEM:
            raise UnsafeImage(f"The VHDX image has metadata that nobody here knows: {name}.")
        found[name] = (start + offset, length)
    return found


def _item(content: Content, items: dict[str, tuple[int, int]], name: str, form: str) -> tuple[int, ...]:
    if name not in items or items[name][1] != struct.calcsize(form):
        raise UnsafeImage("The VHDX image is damaged: its metadata does not tell sizes of the disk, its blocks and its sectors.")
    return struct.unpack(form, content.read(*items[name], "metadata"))
