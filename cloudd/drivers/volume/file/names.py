"""Who a layer is: found by name, given another name, let go with its last one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from cloudd.core import ids
from cloudd.core.disks import locks
from cloudd.drivers.volume.base import Passphrase, Ref, VolumeBusy, VolumeMissing, VolumeRef
from cloudd.drivers.volume.file.family import Family
from cloudd.drivers.volume.file.layers import Change, Layer, Layers
from cloudd.drivers.volume.file.making import Maker

WRITTEN, OPEN = "written", "open"


class Names:
    def __init__(self, layers: Layers, maker: Maker, family: Family, backend: str):
        self.layers, self.maker, self.family, self._backend = layers, maker, family, backend

    async def volume(self, volume_id: str, but: str = "") -> Layer:
        """The layer of a volume, in whose chain nobody merges. `but` not one that is WRITTEN or OPEN. Raises VolumeBusy."""
        layer = self.layers.of_volume(volume_id)
        if layer is None:
            raise VolumeMissing(f"the back end {self._backend} has no volume {volume_id}")
        await self.family.calm(layer)
        layer = self.layers.of_volume(volume_id) or layer
        if but and (volume_id in self.family.written or await asyncio.to_thread(self._is_open, layer, but)):
            raise VolumeBusy(f"volume {volume_id} is open")
        return layer

    def _is_open(self, layer: Layer, how: str) -> bool:
        """A guest that was to be switched to a new layer, and never was, still writes one beneath."""
        paths = [self.layers.path(one) for one in self.layers.chain(layer)]
        return any(map(locks.is_written, paths)) or how == OPEN and locks.is_open(paths[0])

    async def snapshot(self, snapshot_id: str) -> Layer:
        layer = self.layers.of_snapshot(snapshot_id)
        if layer is None:
            raise VolumeMissing(f"the back end {self._backend} has no snapshot {snapshot_id}")
        await self.family.calm(layer)
        return self.layers.of_snapshot(snapshot_id) or layer

    async def referred(self, ref: Ref, but: str) -> Layer:
        return await self.volume(ref.id, but) if isinstance(ref, VolumeRef) else await self.snapshot(ref.id)

    async def sweep(self, layer: Layer) -> None:
        """Remove a layer when nobody needs it, and then the one beneath."""
        now = self.layers.get(layer.id)
        while now is not None and not now.named and self._lonely(now):
            beneath = self.layers.get(now.parent)
            await self.layers.remove(now)
            now = beneath

    def _lonely(self, layer: Layer) -> bool:
        return not self.layers.children(layer) and not self.family.pinned[layer.id]

    async def drop(self, layer: Layer, change: Change) -> None:
        """Take a name off a layer, which goes with it when nobody else needs it: that takes no room on the disk."""
        now = self.layers.get(layer.id)
        if now is not None and not change(now).named and self._lonely(now):
            await self.layers.remove(now)
            layer = self.layers.get(now.parent) or now
        else:
            await self.layers.change(layer.id, change)
        await self.sweep(layer)

    @asynccontextmanager
    async def replaced(self, old: Layer, names: tuple[tuple[str, str], ...] = ()) -> AsyncIterator[None]:
        """A volume gets a new layer within: then the old one is not it any more, but the snapshots that are named, however that ends."""
        def without(now: Layer) -> Layer:
            return replace(now, volume="", prepared="", snapshots=(*now.snapshots, *named))
        named: tuple[tuple[str, str], ...] = ()
        try:
            yield
            named = names
        finally:
            now = self.layers.of_volume(old.volume)
            if now is not None and now.id != old.id:
                await self.drop(old, without)

    async def freeze(self, base: Layer, passphrase: Passphrase | None = None, snapshot_id: str = "", *, prepared: bool = False) -> Layer:
        """The volume goes on in a new layer above; the old one is the snapshot, where one is wanted."""
        above = Layer(ids.new_uuid(), "qcow2", base.size, self.layers.next_made(), volume=base.volume,
                      prepared=snapshot_id if prepared else "")
        async with self.replaced(base, () if prepared or not snapshot_id else ((snapshot_id, base.volume),)):
            return await self.maker.above(above, base, passphrase)


def no_volume(now: Layer) -> Layer:
    return replace(now, volume="", prepared="")


def no_snapshot(snapshot_id: str) -> Change:
    return lambda now: replace(now, snapshots=tuple(one for one in now.snapshots if one[0] != snapshot_id))
