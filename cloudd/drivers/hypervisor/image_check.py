"""Looks into an image before any tool opens it.

Images come from users. Formats that can name other files of this machine (qcow2 backing and data files, VMDK extents)
are refused here, by their headers alone, since qemu-img would already have opened what they name (OSSA-2024-001).
"""

import re
import struct
from pathlib import Path

from cloudd.drivers.hypervisor.base import BadImage

VERBATIM = frozenset({"raw", "iso", "aki", "ari", "ami", ""})
QEMU_NAME = {"qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "qed": "qed", "ploop": "parallels"}
MAGIC = {"qcow2": b"QFI\xfb", "vmdk": b"KDMV", "vhdx": b"vhdxfile", "vdi": None, "vhd": None}
QCOW2_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQ")     # up to autoclear features; version 2 ends 32 bytes before
DATA_FILE = 1 << 2                                     # incompatible feature: the data lies in another file
VMDK_SAFE = {b"monolithicSparse", b"streamOptimized"}


def check(path: Path, format: str) -> None:
    """Raises BadImage when the file is not of this format, or reaches outside itself."""
    if format in VERBATIM:
        return
    if format not in QEMU_NAME:
        raise BadImage(f"this hypervisor cannot boot images of format {format}")
    with path.open("rb") as file:
        head = file.read(65536)
    magic = MAGIC.get(format)
    if magic and not head.startswith(magic):
        raise BadImage(f"the image is said to be {format}, but its content is not")
    if format == "qcow2":
        _check_qcow2(head)
    elif format == "vmdk":
        _check_vmdk(head)


def virtual_size(path: Path) -> int:
    """Without any tool: what a qcow2 says, else the length of the file."""
    with path.open("rb") as file:
        head = file.read(QCOW2_HEADER.size)
    if head.startswith(MAGIC["qcow2"]) and len(head) == QCOW2_HEADER.size:
        return QCOW2_HEADER.unpack(head)[5]
    return path.stat().st_size


def _check_qcow2(head: bytes) -> None:
    if len(head) < QCOW2_HEADER.size:
        raise BadImage("the image is too short for a qcow2")
    fields = QCOW2_HEADER.unpack(head[:QCOW2_HEADER.size])
    version, backing_offset, encryption, incompatible = fields[1], fields[2], fields[6], fields[13]
    if version not in (2, 3):
        raise BadImage(f"the image is a qcow2 of unknown version {version}")
    if backing_offset:
        raise BadImage("the image has a backing file; convert it to a complete image first")
    if version == 3 and incompatible & DATA_FILE:
        raise BadImage("the image keeps its data in another file; convert it to a complete image first")
    if encryption:
        raise BadImage("the image is encrypted inside; that is not supported")


def _check_vmdk(head: bytes) -> None:
    kind = re.search(rb'createType\s*=\s*"([^"]*)"', head)
    if not kind or kind.group(1) not in VMDK_SAFE:
        told = kind.group(1).decode("ascii", "replace") if kind else "none"
        raise BadImage(f"a vmdk image must be monolithicSparse or streamOptimized, not {told}")
    extents = re.findall(rb'^(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\S+)', head, re.MULTILINE)
    if len(extents) > 1 or any(extent != b"SPARSE" for extent in extents):
        raise BadImage("the vmdk image refers to further files")
