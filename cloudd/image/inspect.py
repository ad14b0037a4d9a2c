"""What a disk image really is, read from its first bytes; never from what the request calls it.

Refused is what names another file (qcow2 backing and data files, vmdk extents), since whoever opens the image would open
that file as well (OSSA-2015-014, OSSA-2022-002, OSSA-2024-001). Formats: qemu.org `docs/interop/qcow2.txt`, VMware's "Virtual
Disk Format 5.0", Microsoft's VHD and VHDX specifications.
"""

import struct
from dataclasses import dataclass

from cloudd.core.errors import BadRequest

HEAD = 256 * 1024
_QCOW2 = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_EXTERNAL_DATA = 1 << 2


@dataclass(frozen=True)
class Found:
    """`format` as Glance names it (`raw` for anything unknown) and the disk's size in bytes as the guest sees it."""

    format: str
    virtual_size: int | None = None


def inspect(head: bytes, size: int) -> Found:
    """Look at the first bytes (HEAD of them are enough) of an image of `size` bytes. Raises BadRequest for a hostile one."""
    for magic, offset, reader in _READERS:
        if head[offset:offset + len(magic)] == magic:
            return reader(head, size)
    return Found("raw", size)


def check_declared(declared: str | None, found: Found) -> None:
    """Raise BadRequest when the content is not of the format that the image record claims."""
    same = {"ami", "ari", "aki", "raw"}
    if declared is None or declared == found.format or (declared in same and found.format == "raw"):
        return
    if declared in same and found.format == "iso":           # an ISO is bootable as a raw disk
        return
    if declared == "ploop" and found.format == "raw":
        return
    raise BadRequest(f"Image content does not match disk_format {declared}: it is {found.format}. "
                     f"Create the image with disk_format {found.format}.", type="ImageFormatMismatch")


def _qcow2(head: bytes, size: int) -> Found:
    if len(head) < _QCOW2.size:
        raise BadRequest("The qcow2 image is cut short: its header is not whole.")
    (_, version, backing, _, _, virtual, crypt, _, _, _, _, _, _, incompatible, _, _, _, length) = _QCOW2.unpack_from(head)
    if version not in (2, 3):
        raise BadRequest(f"The qcow2 image is of version {version}; versions 2 and 3 are served.")
    if backing:
        raise BadRequest("The qcow2 image names a backing file; flatten it first: qemu-img convert -O qcow2 IN OUT.")
    if version == 3 and incompatible & _EXTERNAL_DATA:
        raise BadRequest("The qcow2 image names an external data file; flatten it first: qemu-img convert -O qcow2 IN OUT.")
    if crypt:
        raise BadRequest("The qcow2 image is encrypted; encrypted images are not served.")
    return Found("qcow2", virtual)


def _vmdk(head: bytes, size: int) -> Found:
    start = struct.unpack_from("<Q", head, 28)[0] * 512 if len(head) >= 36 else 0
    descriptor = head[start:start + 20 * 512].split(b"\0")[0].decode("latin-1") if start else ""
    kind = next((line.split("=", 1)[1].strip().strip('"') for line in descriptor.splitlines() if line.startswith("createType")),
                None)
    if kind not in ("monolithicSparse", "streamOptimized"):
        raise BadRequest(f"The vmdk image is of the kind {kind or 'unknown'}; monolithicSparse and streamOptimized are served.")
    return Found("vmdk", struct.unpack_from("<Q", head, 12)[0] * 512)


def _vmdk_text(head: bytes, size: int) -> Found:
    raise BadRequest("The vmdk image is a descriptor that names other files; send a monolithicSparse or streamOptimized one.")


def _vhd(head: bytes, size: int) -> Found:
    return Found("vhd", struct.unpack_from(">Q", head, 48)[0] if len(head) >= 56 else None)


def _vdi(head: bytes, size: int) -> Found:
    return Found("vdi", struct.unpack_from("<Q", head, 0x170)[0] if len(head) >= 0x178 else None)


def _plain(name: str):
    return lambda head, size: Found(name, size)


def _luks(head: bytes, size: int) -> Found:
    raise BadRequest("The image is a LUKS container; encrypted images are not served.")


_READERS = (
    (b"QFI\xfb", 0, _qcow2), (b"KDMV", 0, _vmdk), (b"# Disk DescriptorFile", 0, _vmdk_text), (b"conectix", 0, _vhd),
    (b"vhdxfile", 0, _plain("vhdx")), (b"\x7f\x10\xda\xbe", 0x40, _vdi), (b"CD001", 0x8001, _plain("iso")),
    (b"LUKS\xba\xbe", 0, _luks), (b"QED\0", 0, lambda head, size: _refuse("qed")),
)


def _refuse(name: str) -> Found:
    raise BadRequest(f"Images of the format {name} are not served; convert it: qemu-img convert -O qcow2 IN OUT.")
