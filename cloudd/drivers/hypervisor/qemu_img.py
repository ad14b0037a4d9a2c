"""qemu-img and mkfs, always with limits: what they read may have been made to harm."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudd.core import confined
from cloudd.core.confined import Limits, ToolError
from cloudd.drivers.hypervisor.base import BadImage, HypervisorError

QUICK = Limits(1 << 30, 30, 120)
COPY = Limits(2 << 30, 3600, 6 * 3600)
SLACK = 1 << 20


async def run(*command: str, limits: Limits = QUICK, room: Path | None = None) -> bytes:
    """Run a tool; its output. Raises HypervisorError with its last words."""
    try:
        return await confined.run(*command, limits=limits, room=room)
    except ToolError as exc:
        raise HypervisorError(str(exc)) from exc


async def info(path: Path, format: str) -> dict[str, Any]:
    """`format` is told, never guessed. -U: the guest that runs from it holds a lock."""
    output = await run("qemu-img", "info", "-U", "-f", format, "--output=json", str(path))
    return json.loads(output)


async def flatten(source: Path, format: str, target: Path) -> None:
    """A raw copy of an image that image_check has passed; asked again whether it reaches outside itself."""
    try:
        told = await info(source, format)
    except HypervisorError as exc:
        raise _bad(exc, format, source, target) from exc
    data = (told.get("format-specific") or {}).get("data") or {}
    if told.get("backing-filename") or data.get("data-file") or told.get("encrypted"):
        raise BadImage("the image refers to another file or is encrypted; convert it to a complete image first")
    limits = replace(COPY, file_bytes=told["virtual-size"] + SLACK)
    try:
        await run("qemu-img", "convert", "-f", format, "-O", "raw", str(source), str(target), limits=limits, room=target.parent)
    except HypervisorError as exc:
        raise _bad(exc, format, source, target) from exc


def _bad(error: HypervisorError, format: str, source: Path, target: Path) -> BadImage:
    """The tool's words are shown to the image's owner: where files lie on this machine is not his to know (OSSA-2019-003)."""
    words = str(error).replace(str(source), "IMAGE").replace(str(target), "DISK").replace(f"{source.parent}/", "")
    return BadImage(f"the image cannot be read as {format}: {words}")


async def create_overlay(path: Path, base: Path, size: int) -> None:
    """`base` lies beside it and is named without its folder."""
    await run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name, "-F", "raw", str(path), str(size))


async def grow(path: Path, format: str, size: int) -> None:
    await run("qemu-img", "resize", "-q", "-f", format, str(path), str(size))


async def copy(source: Path, format: str, target: Path, target_format: str) -> None:
    await run("qemu-img", "convert", "-f", format, "-O", target_format, str(source), str(target), limits=COPY)


async def make_filesystem(path: Path, content: str, label: str) -> None:
    """Fill a raw file with an empty file system or swap area."""
    command = {"ext4": ("mkfs.ext4", "-q", "-F", "-L", label[:16]), "vfat": ("mkfs.vfat", "-n", label[:11]),
               "swap": ("mkswap", "-L", label[:15])}.get(content)
    if command is None:
        raise HypervisorError(f"disks cannot be made as {content}; possible are ext4, vfat and swap")
    if not label:
        command = command[:-2]
    await run(*command, str(path), limits=COPY)
