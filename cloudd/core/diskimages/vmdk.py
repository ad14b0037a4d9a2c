"""VMware's disks in one file: monolithicSparse and streamOptimized. All other kinds are spread over files that they name."""

import re
import struct

from cloudd.core.diskimages.content import Content, Found, UnsafeImage

MAGIC = b"KDMV"
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")        # 79 bytes: up to the compression algorithm
AT_END = (1 << 64) - 1                             # the grain directory is told by a footer
FOOTER, MARKER = 1536, struct.Struct("<QII496s")
END_OF_STREAM, FOOTER_MARKER = 0, 3
SECTOR, MOST_DESCRIPTOR, MOST_L1 = 512, 64 * 1024, 32 << 20
KINDS = ("monolithicsparse", "streamoptimized")
EXTENT = re.compile(r'(?:rw|rdonly|noaccess)\s+\d+\s+(\S+)\s+"([^"]*)"(?:\s+\d+)?', re.IGNORECASE)
FIELD = re.compile(r"([A-Za-z][\w.]*)\s*=\s*(.*)")


def is_descriptor(content: Content) -> bool:
    """A text that QEMU would take for a vmdk: it names the files that hold the data."""
    text = content.head[:MOST_DESCRIPTOR]
    if text[:64].lstrip().lower().startswith(b"# disk descriptorfile"):
        return True
    readable = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in text[:SECTOR])
    return bool(text) and readable and b"createtype" in text.lower()


def read(content: Content) -> Found:
    fields = _header(content.read(0, HEADER.size, "vmdk header"))
    version, capacity, descriptor, sectors, directory = fields[1], fields[3], fields[5], fields[6], fields[9]
    if version not in (1, 2, 3):
        raise UnsafeImage(f"The vmdk image is of version {version}; versions 1 to 3 are served.")
    if capacity == 0:
        raise UnsafeImage("The vmdk image has no size: readers would look for its data in the files that its descriptor names.")
    if descriptor != 1 or not 0 < sectors * SECTOR <= MOST_DESCRIPTOR:
        raise UnsafeImage(f"The vmdk image has its descriptor ({sectors} sectors) at sector {descriptor}; it belongs at sector 1 and "
                          f"has at most {MOST_DESCRIPTOR // SECTOR}.")
    _check_descriptor(content.read(SECTOR, sectors * SECTOR, "vmdk descriptor"))
    _check_grains(content, fields, directory != AT_END)
    if directory == AT_END:
        _check_footer(content, fields)
    return Found("vmdk", capacity * SECTOR)


def _header(data: bytes) -> tuple:
    return HEADER.unpack(data[:HEADER.size])


def _check_grains(content: Content, fields: tuple, here: bool) -> None:
    capacity, grain, entries, directory, overhead = fields[3], fields[4], fields[7], fields[9], fields[10]
    if not 1 <= grain <= 128 * 1024 or grain & (grain - 1):
        raise UnsafeImage(f"The vmdk image has grains of {grain} sectors; powers of two are possible.")
    if not 0 < entries <= 512:
        raise UnsafeImage(f"The vmdk image has grain tables of {entries} entries; 512 are possible.")
    tables = -(-capacity // (grain * entries))
    if tables * 4 > MOST_L1:
        raise UnsafeImage(f"The vmdk image claims {capacity * SECTOR} bytes, for which its directory had to have {tables} entries.")
    if overhead * SECTOR > content.size:
        raise UnsafeImage(f"The vmdk image is cut short: its metadata has {overhead * SECTOR} bytes, and {content.size} came.")
    if here:
        content.table(directory * SECTOR, tables * 4, "grain directory")


def _check_footer(content: Content, fields: tuple) -> None:
    """It stands in for the header, so it may not say anything else. Three sectors: a marker, the header again, the end."""
    data = content.read(content.size - FOOTER, FOOTER, "vmdk footer") if content.size >= FOOTER else b""
    if not data or data[SECTOR:SECTOR + 4] != MAGIC:
        raise UnsafeImage("The vmdk image is cut short: it has no footer.")
    footer = _header(data[SECTOR:])
    if footer[:8] != fields[:8]:
        raise UnsafeImage("The footer of the vmdk image contradicts its header.")
    if footer[9] == AT_END:
        raise UnsafeImage("The footer of the vmdk image sends on to another footer.")
    _check_grains(content, footer, True)
    first, last = MARKER.unpack(data[:SECTOR]), MARKER.unpack(data[-SECTOR:])
    if first[1:] != (0, FOOTER_MARKER, bytes(496)) or last != (0, 0, END_OF_STREAM, bytes(496)):
        raise UnsafeImage("The vmdk image is damaged: the marks around its footer are wrong.")


def _check_descriptor(data: bytes) -> None:
    """Line by line: what is not understood is refused."""
    kind, extents = "", []
    for line in (line.strip() for line in data.split(b"\0")[0].decode("latin-1").split("\n")):
        if not line or line.startswith("#"):
            continue
        if extent := EXTENT.fullmatch(line):
            extents.append((extent[1].lower(), extent[2]))
        elif pair := FIELD.fullmatch(line):
            name, value = pair[1].lower(), pair[2].strip().strip('"').lower()
            kind = kind or (value if name == "createtype" else "")
            _check_field(name, value, kind)
        else:
            raise UnsafeImage(f"The descriptor of the vmdk image has a line that nobody here knows: {line[:80]!r}.")
    if kind not in KINDS:
        raise UnsafeImage(f"The vmdk image is of the kind {kind[:32] or 'unknown'}; monolithicSparse and streamOptimized are served.")
    if [how for how, _ in extents] != ["sparse"] or any(mark in extents[0][1] for mark in "/\\:"):
        raise UnsafeImage("The vmdk image names further files: it has to have one sparse extent, which is itself.")


def _check_field(name: str, value: str, kind: str) -> None:
    if name == "createtype" and value != kind:
        raise UnsafeImage("The vmdk image says twice of what kind it is, and not the same.")
    if name == "parentfilenamehint" or (name == "parentcid" and value not in ("ffffffff", "0")):
        raise UnsafeImage("The vmdk image names a parent, whose changes it holds; merge them first: qemu-img convert -O vmdk IN OUT.")
