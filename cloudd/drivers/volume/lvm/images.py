"""Images as thin volumes that are only read: brought once, the ground for any number of volumes, dropped at any time."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from cloudd.drivers.volume.base import CachedImage, VolumeBusy
from cloudd.drivers.volume.checked import safe
from cloudd.drivers.volume.lvm import disks
from cloudd.drivers.volume.lvm.backend import Backend
from cloudd.drivers.volume.lvm.devmapper import device_name
from cloudd.drivers.volume.lvm.making import Making
from cloudd.drivers.volume.lvm.report import IMAGE, Logical, tags_of

KEPT = ("-ky", "-pr")


class Images:
    def __init__(self, back: Backend, making: Making, used: Path):
        self._back, self._making, self._used = back, making, used

    async def bring(self, image_id: str, path: Path, format: str) -> CachedImage:
        async with self._back.turn(f"{IMAGE} {safe(image_id)}"):
            found = (await self._back.group.look()).found(IMAGE, image_id) or await self._fill(image_id, path, format)
            self.use(image_id)
        await self._make_room(image_id)
        return self.told(image_id, found)

    async def _fill(self, image_id: str, path: Path, format: str) -> Logical:
        exact = await disks.checked(path, format)
        size = (await self._back.group.look()).rounded(exact)
        await self._back.require(exact)
        async with self._making.new(IMAGE, image_id, size) as made:
            await disks.pour(path, format, await self._back.activate(made))
            takes = await asyncio.to_thread(self._back.mapper.mapped, device_name(self._back.group.name, made.name))
            await self._back.deactivate(made)
            return await self._making.became(made, tags_of(IMAGE, image_id, size=-(-exact // 512) * 512, takes=takes), *KEPT)

    async def _make_room(self, newest: str) -> None:
        images = sorted((self.told(id_, one) for id_, one in (await self._back.group.look()).ours(IMAGE)), key=lambda one: one.used_at)
        total = sum(image.allocated for image in images)
        for image in images:
            if total > self._back.config.image_cache_max_bytes and image.id != newest:
                with suppress(VolumeBusy):                       # somebody copies it just now: the next one that comes makes room
                    await self.drop(image.id)
                    total -= image.allocated

    async def drop(self, image_id: str) -> None:
        await self._making.delete(IMAGE, image_id)
        (self._used / safe(image_id)).unlink(missing_ok=True)

    def use(self, image_id: str) -> None:
        """The time of a file, not of a tag: volumes are made from images more often than the group should be written."""
        self._used.mkdir(parents=True, exist_ok=True)
        (self._used / safe(image_id)).touch()

    def told(self, image_id: str, logical: Logical) -> CachedImage:
        mark = self._used / image_id
        return CachedImage(image_id, logical.exact, logical.allocated, mark.stat().st_mtime if mark.exists() else time.time())
