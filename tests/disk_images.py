"""Headers of disk images made by hand, field by field, so that tests can make any of them wrong. The defaults are sound."""

import struct
import uuid

SECTOR, CLUSTER, MIB = 512, 1 << 16, 1 << 20
QCOW2 = struct.Struct(">4sIQIIQIIQQIIQQQQII")
FIELDS = ("magic", "version", "backing", "backing_length", "cluster_bits", "size", "crypt", "l1_entries", "l1", "refcounts",
          "refcount_clusters", "snapshots", "snapshot_table", "incompatible", "compatible", "autoclear", "order", "length")
DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="{kind}"

# Extent description
{extents}

# The Disk Data Base
ddb.virtualHWVersion = "4"
"""


def qcow2(extensions: bytes = b"", data: bytes = b"", **fields: int) -> bytes:
    """One of 16 MiB: header, refcount table, refcount block, L1 table, each a cluster; `data` is behind."""
    sound = {"magic": b"QFI\xfb", "version": 3, "cluster_bits": 16, "size": 16 * MIB, "l1_entries": 1, "l1": 3 * CLUSTER,
             "refcounts": CLUSTER, "refcount_clusters": 1, "order": 4, "length": 104}
    values = {**dict.fromkeys(FIELDS, 0), **sound, **fields}
    header = QCOW2.pack(*(values[name] for name in FIELDS)) + extensions
    clusters = (header, struct.pack(">Q", 2 * CLUSTER), struct.pack(">H", 1) * 4, bytes(8))
    return b"".join(cluster.ljust(CLUSTER, b"\0") for cluster in clusters) + data


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")


def qcow2_with_backing(name: str = "/etc/shadow") -> bytes:
    text = name.encode()
    image = bytearray(qcow2(backing=512, backing_length=len(text)))
    image[512:512 + len(text)] = text
    return bytes(image)


def qcow2_with_data_file(name: str = "/etc/shadow", incompatible: int = 4) -> bytes:
    return qcow2(extension(0x44415441, name.encode()), incompatible=incompatible, autoclear=2)


def vmdk(kind: str = "monolithicSparse", extents: str = 'RW 32768 SPARSE "disk.vmdk"', text: str | None = None, capacity: int = 32768,
         version: int = 1, descriptor: int = 1, sectors: int = 20, grain: int = 128, entries: int = 512, directory: int = 26,
         size: int = 64 * 1024) -> bytes:
    """A sparse one of 16 MiB without data."""
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", version, 3, capacity, grain, descriptor, sectors, entries, 21, directory, 64, 0,
                         b"\n \r\n", 0)
    words = (DESCRIPTOR.format(kind=kind, extents=extents) if text is None else text).encode()
    return (header.ljust(SECTOR, b"\0") + words).ljust(size, b"\0")


def vmdk_with_footer(**footer: int) -> bytes:
    """A streamOptimized one, whose grain directory is told at its end."""
    start = vmdk("streamOptimized", directory=(1 << 64) - 1)
    again = bytearray(vmdk("streamOptimized", **{"directory": 26, **footer})[:SECTOR])
    marker = struct.pack("<QII", 1, 0, 3).ljust(SECTOR, b"\0")
    return start + marker + bytes(again) + bytes(SECTOR)


def vhd_footer(kind: int = 2, size: int = MIB, where: int = (1 << 64) - 1, version: int = 0x10000, geometry: int = 0xFFFF10FF,
               fix: bool = True) -> bytes:
    """`geometry`: cylinders in two bytes, heads and sectors in one; the greatest means that the size counts."""
    fields = struct.pack(">8sIIQI4sI4sQQII", b"conectix", 2, version, where, 0, b"test", 1, b"Wi2k", size, size, geometry, kind)
    return _summed(fields + bytes(4) + bytes(16), 64, 512, fix)


def vhd(kind: int = 3, size: int = 16 * MIB, entries: int = 8, block: int = 2 * MIB, table: int = 1536, parent: bytes = bytes(16),
        geometry: int = 0xFFFF10FF, fix: bool = True) -> bytes:
    """A dynamic one without data: footer, header, block table, footer."""
    footer = vhd_footer(kind, size, 512, geometry=geometry, fix=fix)
    header = struct.pack(">8sQQIIII16sI", b"cxsparse", (1 << 64) - 1, table, 0x10000, entries, block, 0, parent, 0)
    return footer + _summed(header, 36, 1024, fix) + (b"\xff" * 4 * min(entries, 64)).ljust(512, b"\xff") + footer


def fixed_vhd(data: bytes = bytes(MIB), **fields: int) -> bytes:
    return data + vhd_footer(**{"size": len(data), **fields})


def _summed(data: bytes, position: int, length: int, fix: bool) -> bytes:
    whole = bytearray(data.ljust(length, b"\0"))
    whole[position:position + 4] = struct.pack(">I", ~sum(whole) & 0xFFFFFFFF if fix else 1)
    return bytes(whole)


def vdi(kind: int = 1, version: int = 0x10001, size: int = 16 * MIB, block: int = MIB, blocks: int = 16, allocated: int = 0,
        table: int = 512, data: int = 1024, link: bytes = bytes(16), parent: bytes = bytes(16)) -> bytes:
    header = struct.pack("<64s4sIIII256sII3II4xQIIII16s16s16s16s", b"<<< test >>>\n", b"\x7f\x10\xda\xbe", version, 400, kind, 0, b"",
                         table, data, 0, 0, 0, 512, size, block, 0, blocks, allocated, b"i" * 16, bytes(16), link, parent)
    return header.ljust(512, b"\0") + b"\xff" * 512


METADATA, BLOCKS = "8B7CA206-4790-4B9A-B8FE-575F050F886E", "2DC27766-F623-4200-9D64-115E9BFD4A08"
PARAMETERS, DISK_SIZE = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
PHYSICAL, DISK_ID = "CDA348C7-445D-4471-9CC9-E9885251C556", "BECA12AB-B2E6-4523-93EF-C309E000C746"
LOGICAL, PARENT = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F", "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"


def vhdx(size: int = 16 * MIB, block: int = 8 * MIB, flags: int = 0, logical: int = 512, where: int = 2 * MIB, count: int | None = None,
         items: tuple[tuple[str, bytes], ...] = (), regions: int | None = None, second: bytes | None = None, sums: bool = False) -> bytes:
    """A dynamic one without data. `items` are further metadata; `second` the second region table, else the same as the first;
    `sums`: with the checksums (slow to make) that QEMU wants to see."""
    guid = {name: uuid.UUID(name).bytes_le for name in (METADATA, BLOCKS)}
    table = struct.pack("<4sIII", b"regi", 0, 2 if regions is None else regions, 0)
    table += struct.pack("<16sQII", guid[BLOCKS], 3 * MIB, MIB, 1) + struct.pack("<16sQII", guid[METADATA], where, MIB, 1)
    table = table.ljust(64 * 1024, b"\0")
    facts = ((PARAMETERS, struct.pack("<II", block, flags)), (DISK_SIZE, struct.pack("<Q", size)),
             (LOGICAL, struct.pack("<I", logical)), (PHYSICAL, struct.pack("<I", 4096)), (DISK_ID, b"i" * 16), *items)
    entries, data = b"", b""
    for name, value in facts:
        entries += struct.pack("<16sIIII", uuid.UUID(name).bytes_le, 64 * 1024 + len(data), len(value), 4, 0)
        data += value
    metadata = struct.pack("<8sHH", b"metadata", 0, len(facts) if count is None else count).ljust(32, b"\0") + entries
    header = struct.pack("<4sIQ16s16s16sHHIQ", b"head", 0, 1, b"f" * 16, b"d" * 16, bytes(16), 0, 1, MIB, MIB).ljust(4096, b"\0")
    header, table = (_with_crc(header), _with_crc(table)) if sums else (header, table)
    head = b"".join(part.ljust(64 * 1024, b"\0") for part in (b"vhdxfile", header, header, table, table if second is None else second))
    return head.ljust(2 * MIB, b"\0") + (metadata.ljust(64 * 1024, b"\0") + data).ljust(MIB, b"\0") + bytes(MIB)


def _with_crc(data: bytes) -> bytes:
    """With its CRC-32C in the second four bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xFF] ^ crc >> 8
    return data[:4] + struct.pack("<I", crc ^ 0xFFFFFFFF) + data[8:]


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC = [_crc_of(byte) for byte in range(256)]


def ploop(version: int = 2, tracks: int = 2048, entries: int = 16, sectors: int = 32768, data: int = 1) -> bytes:
    return struct.pack("<16sIIIIIQIIIQ", b"WithouFreSpacExt", version, 16, 64, tracks, entries, sectors, 0, data, 0, 0) + bytes(4096)


def iso(size: int = MIB) -> bytes:
    descriptor = b"\x01CD001\x01".ljust(80, b"\0") + struct.pack("<I", size // 2048) + bytes(44) + struct.pack("<H", 2048)
    return (bytes(32 * 1024) + descriptor).ljust(size, b"\0")


def mbr(*entries: tuple[int, int, int], data: bytes = bytes(MIB), start: bytes = b"\0\x02\0") -> bytes:
    """A partition table of (boot flag, type, first sector) before `data`."""
    table = b"".join(struct.pack("<B3sB3sII", active, start, kind, bytes(3), first, 100) for active, kind, first in entries)
    head = bytearray(data[:SECTOR].ljust(SECTOR, b"\0"))
    head[446:512] = table.ljust(64, b"\0") + b"\x55\xaa"
    return bytes(head) + data[SECTOR:]


GPT = (0, 0xEE, 1)
