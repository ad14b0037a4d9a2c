"""The layers of a directory: `ID.raw` or `ID.qcow2` with its data, `ID.json` with what we know of it.

A record says what the layer stands on and who stands on it by name: a volume (which writes it), snapshots, an image. Who needs what is
counted from the records, so no count can be wrong. A record is one file, replaced at once: whatever takes more than one is done in an
order in which a crash between two leaves the older state or the newer one. Where two layers say that they are one volume's, the one
that was made later is. Data comes before its record and goes after it; a file without a record is nobody's.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cloudd.core import log, tasks
from cloudd.core.disks import nodes
from cloudd.core.disks.files import settle
from cloudd.drivers.volume.base import VolumeError
from cloudd.drivers.volume.file.tools import said

LOG = log.get("cloudd.volumes.file")
NEW = ".new"


@dataclass(frozen=True)
class Layer:
    id: str
    format: str                                  # raw or qcow2
    size: int                                    # of the disk in it
    made: int                                    # the order in which they were made
    parent: str = ""                             # what it stands on; only qcow2 ones stand on something
    volume: str = ""
    snapshots: tuple[tuple[str, str], ...] = ()  # (id, of which volume)
    image: str = ""
    used_at: float = 0.0                         # of an image
    prepared: str = ""                           # the snapshot that its parent will be, once the guest writes here
    encrypted: bool = False
    offset: int = 0                              # bytes before the disk's first: the header of a raw encrypted one
    shared: bool = False                         # several guests at once: stays raw
    thick: bool = False

    @property
    def named(self) -> bool:
        """Somebody needs it for itself."""
        return bool(self.volume or self.snapshots or self.image)

    @property
    def file(self) -> str:
        return f"{self.id}.{self.format}"

    @property
    def length(self) -> int:
        """Of a raw one's file."""
        return self.size + self.offset


Change = Callable[[Layer], Layer]


class Layers:
    """All of them, in memory as on the disk."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._all: dict[str, Layer] = {}
        self._children: dict[str, set[str]] = {}
        self._volumes: dict[str, str] = {}
        self._snapshots: dict[str, str] = {}
        self._images: dict[str, str] = {}
        self._last = 0
        self._one = asyncio.Lock()

    # -- what there is ----------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Layer]:
        return iter(tuple(self._all.values()))

    def get(self, layer_id: str) -> Layer | None:
        return self._all.get(layer_id)

    def of_volume(self, volume_id: str) -> Layer | None:
        return self._all.get(self._volumes.get(volume_id, ""))

    def of_snapshot(self, snapshot_id: str) -> Layer | None:
        return self._all.get(self._snapshots.get(snapshot_id, ""))

    def of_image(self, image_id: str) -> Layer | None:
        return self._all.get(self._images.get(image_id, ""))

    def children(self, layer: Layer) -> tuple[Layer, ...]:
        return tuple(self._all[child] for child in sorted(self._children.get(layer.id, ())))

    def chain(self, layer: Layer) -> tuple[Layer, ...]:
        """The layer and all below it. Raises VolumeError when one is not there."""
        found = [layer]
        while found[-1].parent:
            if found[-1].parent not in self._all:
                raise VolumeError(f"the volume is damaged: the record of its layer {found[-1].parent} is missing")
            found.append(self._all[found[-1].parent])
        return tuple(found)

    def depth(self, layer: Layer) -> int:
        below = self._all.get(layer.parent)
        return 1 + (self.depth(below) if below else 0)

    def volumes_on(self, layer: Layer) -> Iterator[str]:
        """The volumes whose data it is part of."""
        if layer.volume:
            yield layer.volume
        for child in self.children(layer):
            yield from self.volumes_on(child)

    def path(self, layer: Layer) -> Path:
        return self.folder / layer.file

    def files(self, layer: Layer) -> tuple[nodes.File, ...]:
        """The chain as QEMU's tools are told it."""
        return tuple(nodes.File(self.path(one), one.format, one.encrypted) for one in self.chain(layer))

    def allocated(self, layer: Layer) -> int:
        try:
            return self.path(layer).stat().st_blocks * 512
        except FileNotFoundError:
            return 0

    def next_made(self) -> int:
        self._last += 1
        return self._last

    # -- changes ----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        for index in (self._all, self._children, self._volumes, self._snapshots, self._images):
            index.clear()
        for path in self.folder.glob(f"*{NEW}"):
            path.unlink()
        for path in sorted(self.folder.glob("*.json")):
            try:
                layer = _read(json.loads(path.read_text()))
            except (ValueError, TypeError, KeyError) as exc:
                raise VolumeError(f"the record {path} is damaged: {exc}") from exc
            self._all[layer.id] = layer
        self._last = max((layer.made for layer in self), default=0)
        self._heal()
        for layer in self:
            self._note(layer)

    def _heal(self) -> None:
        """What two layers claim belongs to the later one."""
        taken: set[str] = set()
        for layer in sorted(self, key=lambda one: -one.made):
            claims = {name for name in (layer.volume and f"volume {layer.volume}", layer.image and f"image {layer.image}") if name}
            claims |= {f"snapshot {snapshot}" for snapshot, _ in layer.snapshots}
            if claims & taken:
                left = replace(layer, volume="" if f"volume {layer.volume}" in taken else layer.volume,
                               image="" if f"image {layer.image}" in taken else layer.image,
                               snapshots=tuple(one for one in layer.snapshots if f"snapshot {one[0]}" not in taken))
                LOG.info("a change of volumes that was cut short is taken back", layer=layer.id, names=sorted(claims & taken))
                self._write(left)
                self._all[layer.id] = left
            taken |= claims

    async def save(self, layer: Layer) -> Layer:
        """A new record, or another for the same layer. Whoever is cancelled leaves memory and disk equal."""
        await tasks.to_the_end(tasks.start("save a layer", self._save(layer)))
        return layer

    async def change(self, layer_id: str, change: Change) -> Layer | None:
        """Change what is noted of a layer, by what is noted then; None when it is gone."""
        async with self._one:
            layer = self._all.get(layer_id)
            return None if layer is None else await self.save(change(layer))

    async def remove(self, layer: Layer) -> None:
        async with self._one:
            await tasks.to_the_end(tasks.start("remove a layer", self._remove(layer)))

    async def _save(self, layer: Layer) -> None:
        with said("a record"):
            await asyncio.to_thread(self._write, layer)
        if old := self._all.get(layer.id):
            self._forget(old)
        self._all[layer.id] = layer
        self._note(layer)

    async def _remove(self, layer: Layer) -> None:
        if self._all.pop(layer.id, None) is not None:
            self._forget(layer)
        with said("a record"):
            await asyncio.to_thread(self._unlink, layer)

    def _unlink(self, layer: Layer) -> None:
        (self.folder / f"{layer.id}.json").unlink(missing_ok=True)
        self.path(layer).unlink(missing_ok=True)

    def _write(self, layer: Layer) -> None:
        path = self.folder / f"{layer.id}.json"
        part = path.with_suffix(NEW)
        try:
            part.write_text(json.dumps(asdict(layer)))
            settle(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def _note(self, layer: Layer) -> None:
        if layer.parent:
            self._children.setdefault(layer.parent, set()).add(layer.id)
        for index, name in ((self._volumes, layer.volume), (self._images, layer.image)):
            if name:
                index[name] = layer.id
        for snapshot, _ in layer.snapshots:
            self._snapshots[snapshot] = layer.id

    def _forget(self, layer: Layer) -> None:
        self._children.get(layer.parent, set()).discard(layer.id)
        names = [(self._volumes, layer.volume), (self._images, layer.image)]
        for index, name in (*names, *((self._snapshots, snapshot) for snapshot, _ in layer.snapshots)):
            if index.get(name) == layer.id:
                del index[name]

    def strays(self, being_made: frozenset[str]) -> list[Path]:
        """Files that no record knows."""
        known = {layer.file for layer in self} | {f"{layer.id}.json" for layer in self}
        found = [path for path in self.folder.iterdir() if path.name not in known and path.suffix in (".raw", ".qcow2", ".part")]
        return [path for path in sorted(found) if path.stem not in being_made]


def _read(record: dict[str, Any]) -> Layer:
    return Layer(**{**record, "snapshots": tuple((snapshot, volume) for snapshot, volume in record["snapshots"])})


