"""Who is at work on layers that others share: the daemon's own readers and writers, guests that are about to start, merges."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloudd.core import tasks
from cloudd.drivers.volume.base import Passphrase, VolumeBusy, VolumeError
from cloudd.drivers.volume.file import merging
from cloudd.drivers.volume.file.layers import Layer, Layers

MergeTask = asyncio.Task[VolumeError | None]


class Family:
    def __init__(self, layers: Layers):
        self._layers = layers
        self.connected: set[str] = set()                     # volumes that a guest has, or will open in a moment
        self.written: set[str] = set()                       # volumes that the daemon itself writes
        self.pinned: Counter[str] = Counter()                # layers that others are being made from
        self._open: Counter[str] = Counter()                 # layers that it has open
        self._merges: dict[MergeTask, frozenset[str]] = {}

    def opens(self, layer: Layer, volume_id: str = "") -> Callable[[], None]:
        """The daemon opens a chain, to write the volume where one is named; returns what to call when it is closed."""
        chain = [one.id for one in self._layers.chain(layer)]
        self._open.update(chain)
        if volume_id:
            self.written.add(volume_id)

        def ended() -> None:
            self._open.subtract(chain)
            chain.clear()
            if volume_id:
                self.written.discard(volume_id)
        return ended

    @contextmanager
    def kept(self, layer: Layer) -> Iterator[None]:
        """Something is being made from a layer: it stays, and as it is."""
        ended = self.opens(layer)
        self.pinned[layer.id] += 1
        try:
            yield
        finally:
            self.pinned[layer.id] -= 1
            ended()

    async def calm(self, layer: Layer) -> None:
        """Merges in the chain of a layer are called off, and have ended."""
        chain = {one.id for one in self._layers.chain(layer)}
        merges = [task for task, at_work in self._merges.items() if at_work & chain]
        for task in merges:
            task.cancel()
        if merges:
            await asyncio.wait(merges)

    async def merge(self, pair: merging.Pair, passphrase: Passphrase | None) -> None:
        """Raises VolumeBusy when somebody has one of the layers, or comes to want it."""
        volume_id = pair[0].volume or pair[1].id
        if self.connected & merging.touched(self._layers, pair) or any(self._open[layer.id] for layer in pair):
            raise VolumeBusy(f"volume {volume_id} has layers that are in use")
        if not await asyncio.to_thread(merging.at_rest, self._layers, pair):
            raise VolumeBusy(f"volume {volume_id} has layers that are in use")
        task = tasks.start("merge layers", self._merge(pair, passphrase))
        self._merges[task] = frozenset(layer.id for layer in pair)
        task.add_done_callback(lambda _: self._merges.pop(task, None))
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,))
            raise
        if task.cancelled():
            raise VolumeBusy(f"volume {volume_id} was wanted while its layers were merged: they stay as they were")
        if (error := task.result()) is not None:
            raise error

    async def _merge(self, pair: merging.Pair, passphrase: Passphrase | None) -> VolumeError | None:
        try:
            await merging.merge(self._layers, pair, passphrase)
        except VolumeError as exc:
            return exc
        return None

    async def stop(self) -> None:
        for task in tuple(self._merges):
            task.cancel()
        if self._merges:
            await asyncio.wait(tuple(self._merges))
        self.connected.clear()
