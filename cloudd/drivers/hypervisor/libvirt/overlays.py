"""Disks that begin as a cached image: empty qcow2 files over it. qemu-img makes one of each kind, the others are its copies.

An empty overlay says how large the disk is and what lies beneath it. That is named without its folder, since it lies beside the
overlay, so all overlays of one size and name are alike. A copy takes a millisecond, the tool twenty.
"""

import asyncio
import zlib
from pathlib import Path

from cloudd.core.disks import qemu_img

KINDS = 64
LARGEST = 1 << 20                    # of a file that is worth keeping; that of a disk of 50 TB


class Overlays:
    def __init__(self) -> None:
        self._made: dict[tuple[str, int], bytes] = {}          # packed: they are zeros for the most part

    async def make(self, path: Path, base: Path, size: int) -> None:
        """An overlay at `path` on `base`, which lies beside it."""
        packed = self._made.get((base.name, size))
        if packed is not None:
            await asyncio.to_thread(path.write_bytes, zlib.decompress(packed))
            return
        await qemu_img.create_overlay(path, Path(base.name), size)
        await asyncio.to_thread(self._keep, path, (base.name, size))

    def _keep(self, path: Path, kind: tuple[str, int]) -> None:
        if path.stat().st_size > LARGEST:
            return
        self._made[kind] = zlib.compress(path.read_bytes())
        while len(self._made) > KINDS:
            self._made.pop(next(iter(self._made)), None)
