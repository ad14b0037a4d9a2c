"""Layers that nobody needs for themselves go into their neighbours, while no guest looks.

A pair is a layer without a name (no snapshot, image or volume is it) and the only one that stands on it. Either the upper takes in what
the lower has, or the lower what the upper has (`qemu-img commit`), whichever is less to copy. Both only add what reads the same through
the upper one anyway, so that a merge can be cut off anywhere, and is, as soon as somebody wants one of its layers: then it is done
another time. The records change when all data is on the disk, each in itself, lower ones last.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from cloudd.core import log
from cloudd.core.disks import locks, qcow2
from cloudd.drivers.volume.base import Passphrase
from cloudd.drivers.volume.file import tools
from cloudd.drivers.volume.file.layers import Layer, Layers
from cloudd.drivers.volume.file.tools import said

LOG = log.get("cloudd.volumes.file")
Pair = tuple[Layer, Layer]


def pairs(layers: Layers, top: Layer) -> Iterator[Pair]:
    """What can be merged under a layer: (upper, lower)."""
    chain = layers.chain(top)
    for upper, lower in zip(chain, chain[1:], strict=False):
        if not lower.named and len(layers.children(lower)) == 1 and not upper.prepared:
            yield upper, lower


def touched(layers: Layers, pair: Pair) -> set[str]:
    """The volumes that read what a merge of this pair works on."""
    return set(layers.volumes_on(pair[1]))


async def merge(layers: Layers, pair: Pair, passphrase: Passphrase | None) -> None:
    upper, lower = pair
    with said("the volume"):
        if lower.parent and layers.allocated(lower) <= layers.allocated(upper):
            await _take_in(layers, upper, lower, passphrase)
        else:
            await _hand_down(layers, upper, lower, passphrase)


async def _take_in(layers: Layers, upper: Layer, lower: Layer, passphrase: Passphrase | None) -> None:
    files = layers.files(upper)
    await tools.take_in(files, range(2, 3), files, passphrase)
    await asyncio.to_thread(qcow2.stand_on, files[0].path, files[2].path.name, files[2].format)
    await asyncio.to_thread(_sync, layers, upper)
    if await layers.change(upper.id, lambda now: replace(now, parent=lower.parent)):
        await layers.remove(lower)


async def _hand_down(layers: Layers, upper: Layer, lower: Layer, passphrase: Passphrase | None) -> None:
    await tools.commit(layers.files(upper), passphrase)
    await asyncio.to_thread(_sync, layers, lower)
    for child in layers.children(upper):
        await asyncio.to_thread(qcow2.stand_on, layers.path(child), lower.file, lower.format)
        await layers.change(child.id, lambda now: replace(now, parent=lower.id))
    if (now := layers.get(upper.id)) is not None:
        await layers.change(lower.id, _named_as(now))
        await layers.remove(now)


def _named_as(upper: Layer) -> Callable[[Layer], Layer]:
    return lambda lower: replace(lower, size=upper.size, volume=upper.volume, snapshots=upper.snapshots, image=upper.image,
                                 used_at=upper.used_at, shared=upper.shared)


def _sync(layers: Layers, layer: Layer) -> None:
    handle = os.open(layers.path(layer), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def at_rest(layers: Layers, pair: Pair) -> bool:
    """No guest has either open, and neither does one of what stands on them."""
    return not any(locks.is_open(layers.path(layer)) for layer in pair)
