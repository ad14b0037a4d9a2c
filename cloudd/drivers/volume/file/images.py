"""Images that volumes are made from, kept as layers: brought once for all who wait, forgotten when others need the room."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from cloudd.core import tasks
from cloudd.drivers.volume.base import CachedImage
from cloudd.drivers.volume.file.layers import Layer
from cloudd.drivers.volume.file.making import Maker

FRESH_SECONDS = 1.0                      # uses closer to each other are one


class Images:
    def __init__(self, maker: Maker, most: int):
        self._maker, self._layers, self._most = maker, maker.layers, most
        self._coming: dict[str, asyncio.Task[Layer]] = {}

    async def bring(self, image_id: str, path: Path, format: str) -> CachedImage:
        """A caller that goes away leaves the work to the others."""
        if self._layers.of_image(image_id) is None:
            task = self._coming.get(image_id)
            if task is None:
                task = self._coming[image_id] = tasks.start(f"bring image {image_id}", self._maker.image(image_id, path, format))
                task.add_done_callback(lambda _: self._coming.pop(image_id, None))
            await asyncio.shield(task)
        layer = await self.used(image_id)
        return self.told(layer)

    async def used(self, image_id: str) -> Layer:
        """Raises KeyError."""
        layer, now = self._layers.of_image(image_id), time.time()
        if layer is not None and now - layer.used_at > FRESH_SECONDS:
            layer = await self._layers.change(layer.id, lambda was: replace(was, used_at=now))
        if layer is None:
            raise KeyError(image_id)
        return layer

    def told(self, layer: Layer) -> CachedImage:
        return CachedImage(layer.image, layer.size, self._layers.allocated(layer), layer.used_at)

    def too_much(self, newest: str) -> list[Layer]:
        """Those that were used longest ago, as far as more is kept than may be; but none whose room volumes take anyway."""
        images = sorted((layer for layer in self._layers if layer.image), key=lambda layer: layer.used_at)
        total, gone = sum(map(self._layers.allocated, images)), []
        for layer in images:
            if total > self._most and layer.image != newest and not self._layers.children(layer):
                total -= self._layers.allocated(layer)
                gone.append(layer)
        return gone
