"""What a guest opens of a volume: all its layers with their formats."""

from cloudd.drivers.volume.base import Access, Beneath, Connection, Kind
from cloudd.drivers.volume.file.layers import Layer, Layers

DIRECT = ("none", "directsync")


def connection(layers: Layers, layer: Layer, access: Access, cache: str) -> Connection:
    """Several guests at once see each other's writes on the disk, so none keeps its own back."""
    top, *rest = layers.files(layer)
    cache = "writethrough" if access.shareable and cache not in DIRECT else cache
    return Connection(layer.volume, Kind.FILE, str(top.path), top.format, layer.size,
                      tuple(Beneath(str(file.path), file.format) for file in rest), cache, "native" if cache in DIRECT else "threads",
                      shareable=access.shareable, read_only=access.read_only, encryption=access.encryption, limits=access.limits)
