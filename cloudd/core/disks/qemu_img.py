"""qemu-img, always with limits: what it reads may have been made to harm. Formats are told, never guessed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudd.core import confined
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage

QUICK = Limits(1 << 30, 30, 120)
COPY = Limits(2 << 30, 3600, 6 * 3600)
SLACK = 1 << 20


async def info(path: Path, format: str) -> dict[str, Any]:
    """-U: the guest that runs from it holds a lock. Raises ToolError."""
    return json.loads(await confined.run("qemu-img", "info", "-U", "-f", format, "--output=json", str(path), limits=QUICK))


async def flatten(source: Path, format: str, target: Path, *, empty: bool = False) -> None:
    """A raw copy of an image that image_check has passed; asked again whether it reaches outside itself. `empty`: the target is there,
    a device that reads zeros. Raises UnsafeImage."""
    try:
        told = await info(source, format)
        data = (told.get("format-specific") or {}).get("data") or {}
        if told.get("backing-filename") or data.get("data-file") or told.get("encrypted"):
            raise UnsafeImage("the image refers to another file or is encrypted; convert it to a complete image first")
        limits = replace(COPY, file_bytes=told["virtual-size"] + SLACK)
        how = ("-n", "--target-is-zero", "-t", "none") if empty else ()
        await confined.run("qemu-img", "convert", *how, "-f", format, "-O", "raw", str(source), str(target), limits=limits,
                           room=None if empty else target.parent)
    except ToolError as exc:
        words = str(exc)                     # the image's owner reads them: where files lie is not his to know (OSSA-2019-003)
        for path, name in ((source, "IMAGE"), (target, "DISK"), (f"{source.parent}/", "")):
            words = words.replace(str(path), name)
        raise UnsafeImage(f"the image cannot be read as {format}: {words}") from exc


async def create_overlay(path: Path, base: Path, size: int) -> None:
    """Raises ToolError."""
    await confined.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "raw", str(path), str(size), limits=QUICK)


async def grow(path: Path, format: str, size: int) -> None:
    """Raises ToolError."""
    await confined.run("qemu-img", "resize", "-q", "-f", format, str(path), str(size), limits=QUICK)


async def copy(source: Path, format: str, target: Path, target_format: str) -> None:
    """Raises ToolError."""
    await confined.run("qemu-img", "convert", "-f", format, "-O", target_format, str(source), str(target), limits=COPY)
