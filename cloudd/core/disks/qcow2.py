"""qcow2 files that hold no data yet, written without any tool: a process for each would take longer than all the rest.

By qemu.org docs/interop/qcow2.txt. Headers of ours are read here too; those of others are core/diskimages' to judge.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

MAGIC = b"QFI\xfb"
HEADER = ">4sIQIIQIIQQIIQQQQII"
HEADER_LENGTH = 104
BACKING_FORMAT, CRYPTO_HEADER = 0xE2792ACA, 0x0537BE77
LUKS = 2
EXTENDED_L2 = 1 << 4
CLUSTER_BITS, LAYER_CLUSTER_BITS = 16, 17


def empty_qcow2(size: int) -> bytes:
    """A valid image without any data, for whoever reads images."""
    cluster = 1 << CLUSTER_BITS
    return b"".join(piece.ljust(-(-len(piece) // cluster) * cluster, b"\0") for piece in _written(size, CLUSTER_BITS))


def make_layer(path: Path, size: int, beneath: str = "", format: str = "raw", crypto: bytes = b"") -> None:
    """A disk that takes writes: one of 4 KiB copies no more than that from beneath. `crypto`: the LUKS header of an encrypted one."""
    cluster, at = 1 << LAYER_CLUSTER_BITS, 0
    with path.open("xb") as file:
        for piece in _written(size, LAYER_CLUSTER_BITS, EXTENDED_L2, beneath, format, crypto):
            file.seek(at)
            file.write(piece.rstrip(b"\0"))
            at += -(-len(piece) // cluster) * cluster
        file.truncate(at)


def grow(handle: int, size: int) -> bool:
    """Lengthen the disk of an open file that nobody else has open; False where only QEMU's own tool can."""
    head = os.pread(handle, HEADER_LENGTH, 0)
    bits, entries = struct.unpack(">I", head[20:24])[0], struct.unpack(">I", head[36:40])[0]
    entry = 16 if int.from_bytes(head[72:80], "big") & EXTENDED_L2 else 8
    if entries * (1 << bits) // entry * (1 << bits) < size:
        return False
    os.pwrite(handle, size.to_bytes(8, "big"), 24)
    os.fsync(handle)
    return True


def size_of(path: Path) -> int:
    """What a file of ours says that its disk's size is."""
    with path.open("rb") as file:
        return int.from_bytes(file.read(32)[24:], "big")


def crypto_header(path: Path) -> bytes:
    """The LUKS header in a file of ours."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
        offset, length = struct.unpack(">QQ", dict(_extensions(head))[CRYPTO_HEADER])
        file.seek(offset)
        return file.read(length)


def stand_on(path: Path, beneath: str, format: str) -> None:
    """Have the header of a file of ours name another file beneath. For people who look: whoever opens it is told what is beneath."""
    with path.open("r+b", buffering=0) as file:
        head = file.read(1 << 16)
        start = int.from_bytes(head[100:104], "big")
        parts = [(kind, data) for kind, data in _extensions(head) if kind != BACKING_FORMAT]
        parts += [(BACKING_FORMAT, format.encode())] if beneath else []
        tail, name = _packed(parts), beneath.encode()
        place = struct.pack(">QI", start + len(tail) if name else 0, len(name))
        os.pwrite(file.fileno(), head[:8] + place + head[20:start] + tail + name + bytes(1), 0)


def _extensions(head: bytes) -> Iterator[tuple[int, bytes]]:
    at = int.from_bytes(head[100:104], "big")
    while at + 8 <= len(head):
        kind, length = struct.unpack(">II", head[at:at + 8])
        if not kind:
            return
        yield kind, head[at + 8:at + 8 + length]
        at += 8 + -(-length // 8) * 8


def _packed(parts: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0") for kind, data in parts) + bytes(8)


def _written(size: int, bits: int, features: int = 0, beneath: str = "", format: str = "", crypto: bytes = b"") -> list[bytes]:
    """What begins a cluster each: header, table and block of reference counts, the first table, the LUKS header."""
    cluster = 1 << bits
    entry = 16 if features & EXTENDED_L2 else 8
    entries = -(-size // (cluster // entry * cluster))
    entries = max(entries, cluster // 8 if features & EXTENDED_L2 else 1)            # layers have room to grow by their size alone
    tables, secret = -(-entries * 8 // cluster), -(-len(crypto) // cluster)
    parts = [(BACKING_FORMAT, format.encode())] if beneath else []
    parts += [(CRYPTO_HEADER, struct.pack(">QQ", (3 + tables) * cluster, len(crypto)))] if crypto else []
    extensions = _packed(parts)
    name = beneath.encode()
    header = struct.pack(HEADER, MAGIC, 3, HEADER_LENGTH + len(extensions) if name else 0, len(name), bits, size, LUKS if crypto else 0,
                         entries, 3 * cluster, cluster, 1, 0, 0, features, 0, 0, 4, HEADER_LENGTH)
    counts = struct.pack(">H", 1) * (3 + tables + secret)
    return [header + extensions + name, struct.pack(">Q", 2 * cluster), counts, bytes(tables * cluster), crypto]
