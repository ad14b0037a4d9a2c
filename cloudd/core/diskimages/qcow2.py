"""qcow2, versions 2 and 3. Bounds are those that QEMU itself holds to."""

import struct

from cloudd.core.diskimages.content import HEAD, Content, Found, UnsafeImage

MAGIC = b"QFI\xfb"
HEADER = struct.Struct(">4sIQIIQIIQQIIQ")          # 72 bytes: all of version 2
MORE = struct.Struct(">QQQII")                     # version 3: features, refcount order, header length
DATA_FILE, EXTENDED_L2, KNOWN = 1 << 2, 1 << 4, 0b11111
END, DATA_FILE_NAME, ENCRYPTION = 0, 0x44415441, 0x0537BE77
MOST_L1, MOST_REFCOUNTS, MOST_SNAPSHOTS, SNAPSHOT = 32 << 20, 8 << 20, 65536, 40
FLATTEN = "flatten it first: qemu-img convert -O qcow2 IN OUT."


def read(content: Content) -> Found:
    (_, version, backing, backing_length, cluster_bits, virtual, crypt, l1_entries, l1, refcounts, refcount_clusters, snapshots,
     snapshot_table) = HEADER.unpack(content.read(0, HEADER.size, "qcow2 header"))
    if version not in (2, 3):
        raise UnsafeImage(f"The qcow2 image is of version {version}; versions 2 and 3 are served.")
    if backing or backing_length:
        raise UnsafeImage(f"The qcow2 image names a backing file; {FLATTEN}")
    if crypt:
        raise UnsafeImage("The qcow2 image is encrypted; encrypted images are not served.")
    if not 9 <= cluster_bits <= 21:
        raise UnsafeImage(f"The qcow2 image has clusters of 2^{cluster_bits} bytes; 2^9 to 2^21 are possible.")
    cluster = 1 << cluster_bits
    features, length = _version_3(content, cluster) if version == 3 else (0, HEADER.size)
    _check_extensions(content, length, cluster)
    _check_l1(content, virtual, cluster, bool(features & EXTENDED_L2), l1, l1_entries)
    _check_table(content, refcounts, refcount_clusters * cluster, cluster, MOST_REFCOUNTS, "refcount table")
    if snapshots > MOST_SNAPSHOTS:
        raise UnsafeImage(f"The qcow2 image claims {snapshots} snapshots; {MOST_SNAPSHOTS} are possible.")
    if snapshots:
        _check_table(content, snapshot_table, snapshots * SNAPSHOT, cluster, MOST_SNAPSHOTS * 1024, "snapshot table")
    return Found("qcow2", virtual)


def _version_3(content: Content, cluster: int) -> tuple[int, int]:
    """Features and length of the header."""
    features, _, _, order, length = MORE.unpack(content.read(HEADER.size, MORE.size, "qcow2 header"))
    if features & DATA_FILE:
        raise UnsafeImage(f"The qcow2 image names an external data file; {FLATTEN}")
    if features & ~KNOWN:
        raise UnsafeImage(f"The qcow2 image needs features that nobody here knows (incompatible features {features:#x}).")
    if order > 6:
        raise UnsafeImage(f"The qcow2 image has refcounts of 2^{order} bits; 2^6 are possible.")
    if not HEADER.size + MORE.size <= length <= cluster or length % 8:
        raise UnsafeImage(f"The qcow2 image has a header of {length} bytes; 104 to a cluster ({cluster}) are possible.")
    if length > 104 and content.read(104, 1, "qcow2 header")[0] > 1:
        raise UnsafeImage("The qcow2 image is compressed in an unknown way; zlib and zstd are known.")
    return features, length


def _check_extensions(content: Content, position: int, cluster: int) -> None:
    """Header extensions lie between the header and the first cluster's end; one of them names the data file."""
    end = min(cluster, HEAD, content.size)
    while position + 8 <= end:
        kind, length = struct.unpack(">II", content.read(position, 8, "header extensions"))
        if kind == END:
            return
        if kind == DATA_FILE_NAME:
            raise UnsafeImage(f"The qcow2 image names an external data file; {FLATTEN}")
        if kind == ENCRYPTION:
            raise UnsafeImage("The qcow2 image is encrypted; encrypted images are not served.")
        position += 8 + (length + 7) // 8 * 8
        if position > end:
            raise UnsafeImage(f"The qcow2 image has a header extension of {length} bytes, which does not end in its first cluster.")


def _check_l1(content: Content, virtual: int, cluster: int, extended: bool, offset: int, entries: int) -> None:
    span = cluster * (cluster // (16 if extended else 8))
    if entries < (virtual + span - 1) // span:
        raise UnsafeImage(f"The qcow2 image claims {virtual} bytes, for which its L1 table of {entries} entries is too small.")
    if entries:
        _check_table(content, offset, entries * 8, cluster, MOST_L1, "L1 table")


def _check_table(content: Content, offset: int, length: int, cluster: int, most: int, what: str) -> None:
    """Writers may leave the last cluster unfilled, so a table may end anywhere in it."""
    if length > most:
        raise UnsafeImage(f"The qcow2 image has a {what} of {length} bytes; {most} are possible.")
    if offset % cluster:
        raise UnsafeImage(f"The qcow2 image is damaged: its {what} at {offset} does not begin a cluster.")
    whole = (content.size + cluster - 1) // cluster * cluster
    if offset < cluster or offset >= content.size or offset + length > whole:
        raise UnsafeImage(f"The qcow2 image is damaged or cut short: its {what} ({length} bytes at {offset}) is not within its "
                          f"{content.size} bytes.")
