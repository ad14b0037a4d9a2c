"""Files that lie in the directory of a back end beside its layers: an operator's, to be made volumes, and volumes that were let go.

A file goes from one place to the other by a second name for it: at each moment it has at least one, and which way it was going is told
by the records.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cloudd.core import ids
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import files, image_check, locks
from cloudd.drivers.volume.base import BadImage, Manageable, VolumeBusy, VolumeMissing
from cloudd.drivers.volume.checked import REFERENCE, reference
from cloudd.drivers.volume.file.layers import Layer, Layers

SNAPSHOT = re.compile(r"snapshot-([\w-]+)-of-([\w-]+)\.(raw|qcow2)")


def candidates(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if REFERENCE.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            yield path


def told(layers: Layers) -> Iterator[Manageable]:
    """What is managed already."""
    for layer in layers:
        if layer.volume:
            yield Manageable(f"volume-{layer.volume}", layer.size, False, "already managed", layer.volume)
        for snapshot, volume in layer.snapshots:
            yield Manageable(f"snapshot-{snapshot}", layer.size, False, "already managed", snapshot, volume)


def loose(folder: Path) -> Iterator[Manageable]:
    for path in candidates(folder):
        match = SNAPSHOT.fullmatch(path.name)
        volume = match[2] if match else ""
        try:
            size = looked_at(path)
        except (BadImage, VolumeBusy) as exc:
            yield Manageable(path.name, path.stat().st_size, False, str(exc), of_volume=volume)
        else:
            yield Manageable(path.name, size, True, of_volume=volume)


def format_of(path: Path) -> str:
    """By its name, since its content is a guest's."""
    return "qcow2" if path.suffix == ".qcow2" else "raw"


def looked_at(path: Path) -> int:
    """The size of the disk in it. Raises BadImage, VolumeBusy."""
    if locks.is_open(path):
        raise VolumeBusy(f"{path.name} is open elsewhere")
    if format_of(path) == "raw":
        size = path.stat().st_size
    else:
        try:
            image_check.check(path, "qcow2")
        except UnsafeImage as exc:
            raise BadImage(str(exc)) from exc
        size = image_check.virtual_size(path)
    if not size:
        raise BadImage(f"{path.name} is empty")
    return -(-size // 512) * 512


def find(folder: Path, name: str) -> Path:
    path = folder / reference(name)
    if path.is_symlink() or not path.is_file():
        raise VolumeMissing(f"there is nothing called {name} to manage")
    return path


def enter(path: Path, layers: Layers, **names: object) -> Layer:
    """A layer's file of a loose one, which keeps its own name until the record is there."""
    size, format = looked_at(path), format_of(path)
    layer = Layer(ids.new_uuid(), format, size, layers.next_made(), **names)            # type: ignore[arg-type]
    if format == "raw" and path.stat().st_size < size:
        os.truncate(path, size)
    os.link(path, layers.path(layer))
    files.sync_folder(layers.folder)
    return layer


def leave(layers: Layers, layer: Layer, path: Path) -> None:
    """A loose name for a layer's file, which it keeps when the record goes."""
    path.unlink(missing_ok=True)
    os.link(layers.path(layer), path)
    files.sync_folder(path.parent)


def settle_names(folder: Path, layers: Layers) -> None:
    """After a crash: a file that has a record has no loose name besides."""
    known = {layers.path(layer).stat().st_ino for layer in layers if layers.path(layer).exists()}
    for path in candidates(folder):
        if path.stat().st_nlink > 1 and path.stat().st_ino in known:
            path.unlink()
