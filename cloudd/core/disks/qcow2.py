"""qcow2 files that hold no data yet, written without any tool: a process for each would take longer than all the rest."""

import struct

MAGIC = b"QFI\xfb"
CLUSTER = 1 << 16
L2_SPAN = CLUSTER * CLUSTER // 8                        # bytes of disk beneath one entry of the first table


def empty_qcow2(size: int) -> bytes:
    """A valid image without any data: header, reference counts, first table; each begins a cluster."""
    entries = max(1, -(-size // L2_SPAN))
    table_clusters = -(-entries * 8 // CLUSTER)
    fields = (MAGIC, 3, 0, 0, 16, size, 0, entries, 3 * CLUSTER, CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104)
    header = struct.pack(">4sIQIIQIIQQIIQQQQII", *fields)
    counts = struct.pack(">H", 1) * (3 + table_clusters)
    clusters = (header, struct.pack(">Q", 2 * CLUSTER), counts, bytes(table_clusters * CLUSTER))
    return b"".join(cluster.ljust(CLUSTER, b"\0") for cluster in clusters)
