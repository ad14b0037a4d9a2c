"""Images of this machine: fetched once, checked, shared by the disks made from them.

An entry is complete or not there: it is written beside its place, made durable, and renamed. Disks hold entries by hard
link, so an entry whose only link is the cache's own is in nobody's use, and dropping one never hurts a disk.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloudd.core import log, tasks
from cloudd.core.disks.files import SAFE, settle, write_sparse
from cloudd.drivers.hypervisor.base import DiskFile, HypervisorError, ImageSource
from cloudd.drivers.hypervisor.layout import make_folder, safe

LOG = log.get("cloudd.hypervisor.images")
Prepare = Callable[[Path, str, Path], Awaitable[None]]
"""(source, format, target): write the checked, complete raw image to target. May move the source."""

RECENT_SECONDS = 900                 # a disk may be about to be made from what was asked for just now


class ImageCache:
    def __init__(self, folder: Path, max_bytes: int, prepare: Prepare):
        self._folder = folder
        self._max_bytes = max_bytes
        self._prepare = prepare
        self._fetches: dict[str, asyncio.Task[None]] = {}

    def open(self) -> None:
        """Forget what an earlier run left half done."""
        for path in self._folder.iterdir():
            if not SAFE.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def path(self, image_id: str) -> Path:
        return self._folder / safe(image_id)

    def ids(self) -> frozenset[str]:
        return frozenset(path.name for path in self._folder.iterdir() if SAFE.fullmatch(path.name))

    async def bring(self, image_id: str, source: ImageSource, format: str) -> DiskFile:
        """The entry, fetched when it is not there. A caller that goes away leaves the fetch to the others."""
        path = self.path(image_id)
        if not path.exists():
            task = self._fetches.get(image_id)
            if task is None:
                task = tasks.start(f"fetch image {image_id}", self._fetch(image_id, source, format))
                self._fetches[image_id] = task
                task.add_done_callback(lambda _: self._fetches.pop(image_id, None))
            await asyncio.shield(task)
        os.utime(path)
        return described(path, "raw")

    async def _fetch(self, image_id: str, source: ImageSource, format: str) -> None:
        path = self.path(image_id)
        raw, ready = path.with_name(image_id + ".fetch"), path.with_name(image_id + ".ready")
        try:
            given = source if isinstance(source, Path) else raw
            if not isinstance(source, Path):
                await write_sparse(raw, source())
            await self._prepare(given, format, ready)
            await asyncio.to_thread(settle, ready, path)
        finally:
            raw.unlink(missing_ok=True)
            ready.unlink(missing_ok=True)
        await asyncio.to_thread(self.make_room, image_id)

    def link(self, image_id: str, target: Path) -> None:
        """Give a server its own hold on an entry."""
        make_folder(target.parent)
        try:
            os.link(self.path(image_id), target)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise HypervisorError(f"image {image_id} is not in this machine's cache") from None

    def drop(self, image_id: str) -> None:
        self.path(image_id).unlink(missing_ok=True)

    def make_room(self, newest: str = "") -> None:
        """Drop the entries that were used longest ago, and that no disk holds, until the rest fits."""
        entries = []
        for image_id in self.ids():
            status = self.path(image_id).stat()
            entries.append((status.st_mtime, image_id, status.st_blocks * 512, status.st_nlink))
        total = sum(entry[2] for entry in entries)
        for used, image_id, size, links in sorted(entries):
            if total <= self._max_bytes:
                return
            if links == 1 and image_id != newest and used < time.time() - RECENT_SECONDS:
                self.drop(image_id)
                total -= size
        if total > self._max_bytes:
            LOG.warning("image cache is larger than it may be, but all of it is in use", bytes=total, limit=self._max_bytes)


def described(path: Path, format: str, size: int | None = None) -> DiskFile:
    status = path.stat()
    return DiskFile(str(path), format, status.st_size if size is None else size, status.st_blocks * 512)
