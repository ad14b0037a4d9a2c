"""Which parts of a thin volume have data, as the pool's own metadata tell (thin_dump): nothing is read of the volume itself.

The kernel keeps one frozen copy of a pool's metadata for readers, so one asks at a time.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress

from cloudd.core import confined, log
from cloudd.core.confined import Limits, ToolError
from cloudd.drivers.volume.base import VolumeError
from cloudd.drivers.volume.lvm.backend import Backend
from cloudd.drivers.volume.lvm.devmapper import device_name
from cloudd.drivers.volume.lvm.report import Logical

LOG = log.get("cloudd.volumes.lvm")
LIMITS = Limits(2 << 30, 1800, 3600)
RANGE = re.compile(rb'<range_mapping origin_begin="(\d+)" data_begin="\d+" length="(\d+)"')
SINGLE = re.compile(rb'<single_mapping origin_block="(\d+)"')
MAPPING = re.compile(rb'<(?:range|single)_mapping [^>]*>')


class ThinMap:
    def __init__(self, back: Backend):
        self._back = back
        self._one = asyncio.Lock()

    async def of(self, logical: Logical) -> list[tuple[int, int]]:
        """Where there is data, as (start, end) in bytes, in order. Raises VolumeError."""
        group, pool = self._back.group, self._back.group.pool
        device = await self._back.pool_device()
        metadata = f"/dev/mapper/{device_name(group.name, pool.name)}_tmeta"
        command = ("thin_dump", "-m", "--dev-id", str(logical.thin_id), metadata)
        async with self._one:
            try:
                with suppress(OSError):                          # of a daemon that was killed
                    await self._message(device, "release_metadata_snap")
                await self._message(device, "reserve_metadata_snap")
                try:
                    dump = await confined.run(*command, limits=LIMITS)
                finally:
                    await self._message(device, "release_metadata_snap")
            except (OSError, ToolError) as exc:
                LOG.warning("what is written in a thin volume was not found out", name=logical.name, error=str(exc))
                raise VolumeError("the pool does not tell what is written in it; cloudd's log tells more") from exc
        return [(start * pool.chunk, end * pool.chunk) for start, end in joined(mappings(dump))]

    async def _message(self, device: str, text: str) -> None:
        await asyncio.to_thread(self._back.mapper.message, device, text)


def mappings(dump: bytes) -> Iterator[tuple[int, int]]:
    """Chunks from, to (not included)."""
    for found in MAPPING.finditer(dump):
        if match := RANGE.match(found[0]):
            yield int(match[1]), int(match[1]) + int(match[2])
        elif match := SINGLE.match(found[0]):
            yield int(match[1]), int(match[1]) + 1


def joined(pieces: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Neighbours as one."""
    last: tuple[int, int] | None = None
    for start, end in pieces:
        if last and start == last[1]:
            last = (last[0], end)
            continue
        if last:
            yield last
        last = (start, end)
    if last:
        yield last
