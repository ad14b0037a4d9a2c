"""New layers: their data is whole and on the disk before their record says that they are there."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cloudd.core import ids
from cloudd.core.disks import files, image_check, luks, nodes, qcow2, qemu_img
from cloudd.drivers.volume.base import BackendFull, Encryption, FromFile, Passphrase, Unsupported, VolumeError, VolumeSpec
from cloudd.drivers.volume.checked import least
from cloudd.drivers.volume.file import tools
from cloudd.drivers.volume.file.layers import Layer, Layers
from cloudd.drivers.volume.file.tools import said

PROVIDER = "luks"
RESERVE = 1 << 30                        # of the file system, that a thick volume leaves to all others
HEAD = 4 << 20                           # the longest LUKS header


class Maker:
    """Makes layers of one directory. `reflinks`: its file system lets files share blocks."""

    def __init__(self, layers: Layers, chain_max: int):
        self.layers, self.chain_max = layers, chain_max
        self.reflinks = False
        self.under_way: set[str] = set()

    def planned(self, spec: VolumeSpec) -> Layer:
        """What a new volume's layer will be, as far as that hangs on what is asked for."""
        plain = self.reflinks or spec.thick or spec.shared
        return Layer(ids.new_uuid(), "raw" if plain else "qcow2", spec.size, self.layers.next_made(), volume=spec.id,
                     encrypted=spec.encryption is not None, shared=spec.shared, thick=spec.thick)

    async def _new(self, layer: Layer, write: Callable[[Path], Awaitable[Layer | None]]) -> Layer:
        """`write` makes the file, and may say more of the layer."""
        path = self.layers.path(layer)
        self.under_way.add(layer.id)
        try:
            with said("the new volume"):
                layer = await write(path) or layer
                await asyncio.to_thread(_finish, path)
                return await self.layers.save(layer)
        except BaseException:
            if self.layers.get(layer.id) is None:
                with suppress(FileNotFoundError):
                    path.unlink()
            raise
        finally:
            self.under_way.discard(layer.id)

    # -- from nothing -----------------------------------------------------------------------------------------------

    async def blank(self, layer: Layer, how: Encryption | None = None, passphrase: Passphrase | None = None) -> Layer:
        header = await self._header(how, passphrase)

        async def write(path: Path) -> Layer:
            return await asyncio.to_thread(self._write_blank, layer, path, header)
        return await self._new(layer, write)

    async def _header(self, how: Encryption | None, passphrase: Passphrase | None) -> bytes:
        """Of an encrypted disk; empty for one that is not."""
        if how is None:
            return b""
        if how.provider != PROVIDER:
            raise Unsupported(f"this back end does not encrypt by {how.provider}; it does by {PROVIDER}")
        if passphrase is None:
            raise VolumeError("the volume is to be encrypted, but came without a passphrase")
        try:
            return await asyncio.to_thread(luks.header, passphrase.value, how.cipher, how.key_size)
        except ValueError as exc:
            raise Unsupported(str(exc)) from exc

    def _write_blank(self, layer: Layer, path: Path, header: bytes, beneath: Layer | None = None) -> Layer:
        """Also one that stands on another."""
        if layer.format == "qcow2":
            name, format = (beneath.file, beneath.format) if beneath else ("", "raw")
            qcow2.make_layer(path, layer.size, name, format, header)
            return layer
        layer = replace(layer, offset=len(header))
        with path.open("xb") as file:
            file.write(header.rstrip(b"\0"))
            if layer.thick:
                self._take_room(file.fileno(), layer)
            file.truncate(layer.length)
        return layer

    def _take_room(self, handle: int, layer: Layer) -> None:
        free = tools.room(self.layers.folder)[1] - RESERVE
        if layer.length > free:
            raise BackendFull(f"{layer.size} bytes were asked for at once, but only {max(0, free)} are left for that")
        os.posix_fallocate(handle, 0, layer.length)

    # -- from files -------------------------------------------------------------------------------------------------

    async def from_file(self, layer: Layer, source: FromFile, how: Encryption | None, passphrase: Passphrase | None) -> Layer:
        """An image's data, checked first. The data of an encrypted volume is never on the disk in clear."""
        with said("the image"):
            await asyncio.to_thread(image_check.check, source.path, source.format)
            size = await asyncio.to_thread(image_check.virtual_size, source.path)
        least(layer.size, size)
        plain = image_check.QEMU_NAME.get(source.format, "raw")
        image = Layer("", plain, size, 0)
        return await self._copied(layer, (nodes.File(source.path, plain),), image, how, passphrase)

    async def image(self, image_id: str, path: Path, format: str) -> Layer:
        """An image that many volumes will stand on: raw, whatever it was."""
        layer = Layer(ids.new_uuid(), "raw", 0, self.layers.next_made(), image=image_id)

        async def write(target: Path) -> Layer:
            await asyncio.to_thread(image_check.check, path, format)
            if format in image_check.VERBATIM:
                await asyncio.to_thread(files.copy_sparse, path, target)
            else:
                await qemu_img.flatten(path, image_check.QEMU_NAME[format], target)
            size = -(-target.stat().st_size // 512) * 512
            os.truncate(target, size)
            return replace(layer, size=size)
        return await self._new(layer, write)

    # -- from other layers ------------------------------------------------------------------------------------------

    def stands(self, layer: Layer, base: Layer) -> bool:
        """Whether `derived` makes a layer on top of the other one, which must never change from then on."""
        alone = layer.shared or layer.thick or base.shared or layer.encrypted != base.encrypted
        return not alone and not (base.format == "raw" and self.reflinks)

    async def derived(self, layer: Layer, base: Layer, how: Encryption | None = None, passphrase: Passphrase | None = None) -> Layer:
        """A layer that begins as another one is: its blocks shared, or standing on it, or else copied."""
        least(layer.size, base.size)
        if base.encrypted and not layer.encrypted:
            raise VolumeError("the copy of an encrypted volume is encrypted, too: its type must be one with encryption")
        if self.stands(layer, base):
            return await self.above(layer, base, passphrase)
        if base.format == "raw" and layer.encrypted == base.encrypted:
            return await self.cloned(layer, base)
        return await self._copied(layer, self.layers.files(base), base, how, passphrase)

    async def cloned(self, layer: Layer, base: Layer) -> Layer:
        """Another file with the same data, its blocks shared where they can be."""
        made = replace(layer, format="raw", offset=base.offset)

        async def write(path: Path) -> None:
            await asyncio.to_thread(self._clone, made, self.layers.path(base), path)
        return await self._new(made, write)

    def _clone(self, layer: Layer, source: Path, target: Path) -> None:
        files.copy_sparse(source, target)
        with target.open("r+b") as file:
            if layer.thick:
                self._take_room(file.fileno(), layer)
            file.truncate(layer.length)

    async def above(self, layer: Layer, base: Layer, passphrase: Passphrase | None = None) -> Layer:
        """A layer that stands on another. One that would be too high stands on the lowest, and takes in what those between have."""
        chain = self.layers.chain(base)
        high = len(chain) >= self.chain_max
        if high and base.encrypted and passphrase is None:
            raise VolumeError(f"the volume has {self.chain_max} layers already: its passphrase is needed to have less of them")
        made = replace(layer, format="qcow2", parent=chain[-1].id if high else base.id, encrypted=base.encrypted, shared=False, thick=False)

        async def write(path: Path) -> None:
            header = await asyncio.to_thread(self._header_of, base)
            await asyncio.to_thread(self._write_blank, made, path, header, chain[-1] if high else base)
            if high:
                source = self.layers.files(base)
                await tools.take_in(source, range(1, len(source)), (nodes.File(path, "qcow2", made.encrypted), source[-1]), passphrase)
        return await self._new(made, write)

    def _header_of(self, base: Layer) -> bytes:
        """The same key opens the layer above, so nobody has to be asked for the passphrase."""
        path = self.layers.path(base)
        if not base.encrypted:
            return b""
        if base.format == "qcow2":
            return qcow2.crypto_header(path)
        with path.open("rb") as file:
            return file.read(base.offset)

    async def copied(self, layer: Layer, base: Layer, passphrase: Passphrase | None = None) -> Layer:
        """All of it, standing by itself, under the same key."""
        made = replace(layer, encrypted=base.encrypted)

        async def write(path: Path) -> Layer:
            header = await asyncio.to_thread(self._header_of, base)
            done = await asyncio.to_thread(self._write_blank, made, path, header)
            await tools.convert(self.layers.files(base), nodes.File(path, made.format, made.encrypted), passphrase)
            return done
        return await self._new(made, write)

    async def _copied(self, layer: Layer, source: tuple[nodes.File, ...], base: Layer, how: Encryption | None,
                      passphrase: Passphrase | None) -> Layer:
        if base.encrypted:
            return await self.copied(layer, base, passphrase)
        header = await self._header(how if layer.encrypted else None, passphrase)

        async def write(path: Path) -> Layer:
            made = await asyncio.to_thread(self._write_blank, layer, path, header)
            await tools.convert(source, nodes.File(path, layer.format, layer.encrypted), passphrase)
            return made
        return await self._new(layer, write)


def _finish(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(handle, 0o600)             # libvirt gives QEMU what it opens
        os.fsync(handle)
    finally:
        os.close(handle)
