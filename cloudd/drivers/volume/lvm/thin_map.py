"""Which parts of a thin volume have data, or differ from another one's, as the pool's own metadata tell (thin_dump, thin_delta): nothing is
read of the volumes themselves.

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
DIFFERENT = re.compile(rb'<(?:different|left_only|right_only) begin="(\d+)" length="(\d+)"')
MAPPING = re.compile(rb'<(?:range|single)_mapping [^>]*>')


class ThinMap:
    def __init__(self, back: Backend):
        self._back = back
        self._one = asyncio.Lock()

    async def of(self, logical: Logical) -> list[tuple[int, int]]:
        """Where there is data, as (start, end) in bytes, in order. Raises VolumeError."""
        return self._bytes(mappings(await self._ask("thin_dump", "--dev-id", str(logical.thin_id))))

    async def changed(self, before: Logical, after: Logical) -> list[tuple[int, int]]:
        """Where two of the pool may differ, likewise."""
        return self._bytes(differences(await self._ask("thin_delta", "--thin1", str(before.thin_id), "--thin2", str(after.thin_id))))

    def _bytes(self, pieces: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
        chunk = self._back.group.pool.chunk
        return [(start * chunk, end * chunk) for start, end in joined(pieces)]

    async def _ask(self, tool: str, *words: str) -> bytes:
        group = self._back.group
        device = await self._back.pool_device()
        metadata = f"/dev/mapper/{device_name(group.name, group.pool_name)}_tmeta"
        async with self._one:
            try:
                with suppress(OSError):                          # of a daemon that was killed
                    await self._message(device, "release_metadata_snap")
                await self._message(device, "reserve_metadata_snap")
                try:
                    return await confined.run(tool, "-m", *words, metadata, limits=LIMITS)
                finally:
                    await self._message(device, "release_metadata_snap")
            except (OSError, ToolError) as exc:
                LOG.warning("a pool's metadata could not be read", tool=tool, error=str(exc))
                raise VolumeError("the pool does not tell what is written in it; cloudd's log tells more") from exc

    async def _message(self, device: str, text: str) -> None:
        await asyncio.to_thread(self._back.mapper.message, device, text)


def mappings(dump: bytes) -> Iterator[tuple[int, int]]:
    """Chunks from, to (not included)."""
    for found in MAPPING.finditer(dump):
        if match := RANGE.match(found[0]):
            yield int(match[1]), int(match[1]) + int(match[2])
        elif match := SINGLE.match(found[0]):
            yield int(match[1]), int(match[1]) + 1


def differences(delta: bytes) -> Iterator[tuple[int, int]]:
    for found in DIFFERENT.finditer(delta):
        yield int(found[1]), int(found[1]) + int(found[2])


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
