"""A volume's size is what its record says; its file follows, at once or, where a crash came between, the next time it is looked at."""

import asyncio
import os
from pathlib import Path

from cloudd.core.disks import locks, qcow2
from cloudd.drivers.volume.base import Unsupported
from cloudd.drivers.volume.file import tools
from cloudd.drivers.volume.file.layers import Layer, Layers
from cloudd.drivers.volume.file.tools import said


async def complete(layers: Layers, layer: Layer) -> None:
    """Lengthen the file. That of a qcow2 which a guest has open is QEMU's to lengthen, when it is told."""
    path = layers.path(layer)
    with said("the volume"):
        if layer.format == "raw":
            await asyncio.to_thread(_lengthen, path, layer.length)
        elif not await asyncio.to_thread(_grown, path, layer.size):
            if layer.encrypted:
                raise Unsupported(f"an encrypted volume cannot become {layer.size} bytes here")
            await tools.grow(layers.files(layer)[0], layer.size)


def _lengthen(path: Path, length: int) -> None:
    if path.stat().st_size < length:
        os.truncate(path, length)


def _grown(path: Path, size: int) -> bool:
    """False where only QEMU's tool can."""
    if qcow2.size_of(path) >= size:
        return True
    handle = os.open(path, os.O_RDWR)
    try:
        locks.hold(handle, write=True)
        return qcow2.grow(handle, size)
    except locks.Locked:
        return True
    finally:
        os.close(handle)
