"""What is done to imported data before it is stored, where the settings want it: unpacked, converted. Staged data stays as it came
until the import ends; what is made of it lies beside it, so each step may run again.
"""

import asyncio
import gzip
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import orjson

from cloudd.core import confined, diskimages
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.errors import BadRequest, TooLarge, UnsupportedMedia
from cloudd.image import inspect
from cloudd.image.inspect import Rules
from cloudd.image.models import Image

DECOMPRESSION, CONVERSION, INJECTION = "image_decompression", "image_conversion", "inject_image_metadata"
QEMU_NAME = {"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels"}
LEFT_ALONE = ("aki", "ari", "ami", "iso")
LOOKING = Limits(memory_bytes=1 << 30, cpu_seconds=30, wall_seconds=120)
LIMITS = Limits(memory_bytes=2 << 30, cpu_seconds=3600, wall_seconds=6 * 3600)
PIECE, SLACK = 1 << 20, 64 << 20
GZIP, ZIP, ZIP_END = b"\x1f\x8b\x08", b"PK\x03\x04", struct.Struct("<4sHHHHIIH")


# -- unpacking ------------------------------------------------------------------------------------------------------------


def is_packed(image: Image, path: Path) -> bool:
    """Whether data is a packed image; for a `compressed` container, and for kernels, it is to stay so."""
    if image.container_format == "compressed" or image.disk_format in ("aki", "ari", "ami"):
        return False
    with path.open("rb") as file:
        return file.read(4).startswith((GZIP, ZIP))


def unpack(source: Path, target: Path, most: int, stopped: Callable[[], bool]) -> None:
    """Unpack the one file of a gzip or zip archive. To be run in a thread. Raises BadRequest, TooLarge."""
    try:
        with _opened(source) as packed, target.open("xb") as file:
            while not stopped() and (piece := packed.read(PIECE)):
                if file.tell() + len(piece) > most:
                    raise TooLarge(f"The image is larger than the {most} bytes that this cloud takes (max_image_size) once it is unpacked.")
                file.write(piece)
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise BadRequest(f"The packed image cannot be unpacked: {exc}.") from exc


@contextmanager
def _opened(source: Path) -> Iterator[gzip.GzipFile | IO[bytes]]:
    with source.open("rb") as file:
        if file.read(4).startswith(GZIP):
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as packed:
                yield packed
            return
        _check_one_file(file)
        with zipfile.ZipFile(file) as archive, archive.open(archive.infolist()[0]) as packed:
            yield packed


def _check_one_file(file: IO[bytes]) -> None:
    """Before anything reads its whole directory into memory."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 65536 - ZIP_END.size))
    tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < ZIP_END.size:
        raise BadRequest("The packed image cannot be unpacked: the zip archive is cut short.")
    _, _, _, here, entries, length, _, _ = ZIP_END.unpack_from(tail, place)
    if here != 1 or entries != 1 or length > 65536:
        raise BadRequest(f"The packed image cannot be unpacked: the zip archive has {entries} files, and one is an image.")


# -- converting -----------------------------------------------------------------------------------------------------------


async def convert(image: Image, source: Path, part: Path, target: str, rules: Rules) -> bool:
    """Write data in another format to `part`; False when it is to stay as it is. Raises UnsupportedMedia, TooLarge, BadRequest."""
    if image.container_format != "bare" or image.disk_format in LEFT_ALONE:
        return False
    try:
        found = await asyncio.to_thread(diskimages.inspect_file, source)
    except UnsafeImage as exc:
        raise UnsupportedMedia(str(exc), type="UnsafeImage") from exc
    inspect.judge(found, image.disk_format, image.container_format, replace(rules, match=True))
    if target == image.disk_format or (image.disk_format == "ploop" and found.format == "raw"):
        return False
    if target == "raw" and found.virtual_size > rules.most:
        raise TooLarge(f"The image is larger than the {rules.most} bytes that this cloud takes (max_image_size) once it is raw.")
    format = QEMU_NAME[image.disk_format or "raw"]
    _check_told(orjson.loads(await _qemu(source, part, "info", "-f", format, "--output=json", str(source), limits=LOOKING)))
    limits = replace(LIMITS, file_bytes=found.virtual_size + found.virtual_size // 64 + SLACK)
    await _qemu(source, part, "convert", "-f", format, "-O", target, str(source), str(part), limits=limits, room=part.parent)
    return True


def _check_told(told: dict[str, Any]) -> None:
    """What the inspector would have refused, asked of the tool once more before it reads all."""
    facts = (told.get("format-specific") or {}).get("data") or {}
    if told.get("backing-filename") or facts.get("data-file") or told.get("encrypted"):
        raise UnsupportedMedia("The image names another file or is encrypted; flatten it first: qemu-img convert -O qcow2 IN OUT.",
                               type="UnsafeImage")


async def _qemu(source: Path, part: Path, *command: str, **how: Any) -> bytes:
    """The words of a failure are for the image's owner, and where files lie on this machine is not."""
    try:
        return await confined.run("qemu-img", *command, **how)
    except ToolError as exc:
        words = str(exc).replace(str(source), "IMAGE").replace(str(part), "TARGET").replace(f"{source.parent}/", "")
        raise BadRequest(f"The image cannot be converted: {words}.") from exc
