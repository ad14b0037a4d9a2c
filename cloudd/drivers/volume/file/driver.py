"""The back end that is a directory. What its file system can is found out by doing it: with shared blocks volumes are raw files that stand
by themselves; without, they are qcow2 layers on each other, never more than `chain_max`."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cloudd.core import ids, log
from cloudd.core.disks import files, locks, luks
from cloudd.core.disks.server import serve
from cloudd.drivers.volume.base import (
    Access,
    BackendDown,
    CachedImage,
    Capabilities,
    Connection,
    Disk,
    Extent,
    FromFile,
    FromImage,
    FromSnapshot,
    FromVolume,
    Inventory,
    LiveSnapshots,
    Manageable,
    Passphrase,
    Ref,
    SnapshotInfo,
    Source,
    Statistics,
    Unsupported,
    VolumeBusy,
    VolumeConfig,
    VolumeDriver,
    VolumeError,
    VolumeInfo,
    VolumeMissing,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.checked import grows, least, safe, whole
from cloudd.drivers.volume.file import managing, merging, tools
from cloudd.drivers.volume.file.connection import connection
from cloudd.drivers.volume.file.directory import Directory
from cloudd.drivers.volume.file.disks import ServedDisk
from cloudd.drivers.volume.file.family import Family
from cloudd.drivers.volume.file.images import Images
from cloudd.drivers.volume.file.layers import Layer, Layers
from cloudd.drivers.volume.file.lengths import complete
from cloudd.drivers.volume.file.making import PROVIDER, Maker
from cloudd.drivers.volume.file.names import OPEN, WRITTEN, Names, no_snapshot, no_volume
from cloudd.drivers.volume.file.tools import said
from cloudd.drivers.volume.plain_disk import PlainDisk

LOG = log.get("cloudd.volumes.file")
FORMATS = ("raw", "qcow2", "vmdk", "vdi", "vhdx", "vhd", "vpc")
LEAST_FREE = 256 << 20
RAW_MOST = 1 << 43
"""What ext4 holds in one file is twice that."""


class FileVolumes(VolumeDriver):
    kind = "file"

    def __init__(self, config: VolumeConfig):
        self.config = config
        if not config.address.startswith("/"):
            raise ValueError(f"{config.address!r} is no directory: a back end of the driver file is NAME=file:/DIRECTORY")
        self.folder = Path(config.address)
        self.directory = Directory(self.folder)
        self.layers = Layers(self.directory.layers)
        self.maker = Maker(self.layers, config.chain_max)
        self.family = Family(self.layers)
        self.names = Names(self.layers, self.maker, self.family, config.name)
        self.images = Images(self.maker, config.image_cache_max_bytes)

    # -- the back end -----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        with said("the directory"):
            await asyncio.to_thread(self.directory.open, self.config.group)
            self.maker.reflinks = self.directory.shares_blocks
            await asyncio.to_thread(self.layers.load)
            await asyncio.to_thread(managing.settle_names, self.folder, self.layers)
        for layer in self.layers:
            if layer.prepared and self.layers.of_snapshot(layer.prepared):
                await self.layers.change(layer.id, lambda now: replace(now, prepared=""))
        for layer in self.layers:
            await self.names.sweep(layer)

    async def admit(self, group: int) -> None:
        with said("the directory"):
            await asyncio.to_thread(self.directory.admit, group)

    async def close(self) -> None:
        await self.family.stop()
        self.directory.close()

    async def health(self) -> None:
        try:
            _, free = await asyncio.to_thread(tools.room, self.layers.folder)
            await asyncio.to_thread(self.directory.takes_files)
        except OSError as exc:
            raise BackendDown(f"the back end {self.config.name} does not take files: {exc.strerror}") from exc
        if free < LEAST_FREE:
            raise BackendDown(f"the back end {self.config.name} has only {free >> 20} MiB left")

    def caps(self) -> Capabilities:
        shares = self.maker.reflinks
        return Capabilities(self.kind, thick=True, live_snapshots=LiveSnapshots.STILL if shares else LiveSnapshots.SWITCH,
                            manage_snapshots=True, encryption=(PROVIDER,), ciphers=tuple(luks.CIPHERS), online_copies=False,
                            most_size=RAW_MOST if shares else 1 << 46,
                            notes=(("format", "raw" if shares else "qcow2"), ("cache", self._cache)))

    async def stats(self) -> Statistics:
        total, free = await asyncio.to_thread(tools.room, self.layers.folder)
        allocated = await asyncio.to_thread(lambda: sum(map(self.layers.allocated, self.layers)))
        sizes = sum(layer.size * (bool(layer.volume) + len(layer.snapshots)) for layer in self.layers)
        full = (f"{free >> 30} GiB of {total >> 30} are left",) if free * 10 < total else ()
        return Statistics(total, free, sizes, allocated, sum(bool(layer.volume) for layer in self.layers), warnings=full)

    async def list(self) -> Inventory:
        return await asyncio.to_thread(self._list)

    def _list(self) -> Inventory:
        there = tuple(self.layers)
        snapshots = [(layer, snapshot) for layer in there for snapshot, _ in layer.snapshots]
        return Inventory(tuple(self._volume_info(layer) for layer in there if layer.volume),
                         tuple(self._snapshot_info(layer, snapshot) for layer, snapshot in snapshots),
                         tuple(self.images.told(layer) for layer in there if layer.image),
                         tuple(path.name for path in self.layers.strays(frozenset(self.maker.under_way))))

    async def tidy(self) -> None:
        for layer in self.layers:
            await self.names.sweep(layer)
        for path in await asyncio.to_thread(self.layers.strays, frozenset(self.maker.under_way)):
            LOG.info("a file that belongs to no volume is removed", file=path.name)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    def _volume_info(self, layer: Layer) -> VolumeInfo:
        return VolumeInfo(layer.volume, layer.size, self.layers.allocated(layer), layer.encrypted, self.layers.depth(layer))

    def _snapshot_info(self, layer: Layer, snapshot_id: str) -> SnapshotInfo:
        return SnapshotInfo(snapshot_id, dict(layer.snapshots)[snapshot_id], layer.size, self.layers.allocated(layer), layer.encrypted)

    # -- volumes ----------------------------------------------------------------------------------------------------

    async def create_volume(self, spec: VolumeSpec, source: Source | None = None, passphrase: Passphrase | None = None) -> VolumeInfo:
        whole(spec.size)
        if there := self.layers.of_volume(safe(spec.id)):
            return self._volume_info(there)
        made, how = self.maker.planned(spec), spec.encryption
        if how is not None and how.provider != PROVIDER:
            raise Unsupported(f"this back end does not encrypt by {how.provider}; it does by {PROVIDER}")
        if source is None:
            layer = await self.maker.blank(made, how, passphrase)
        elif isinstance(source, FromFile):
            layer = await self.maker.from_file(made, source, how, passphrase)
        elif isinstance(source, FromVolume):
            layer = await self._of_volume(made, source, spec, passphrase)
        else:
            base = await self.names.snapshot(source.snapshot_id) if isinstance(source, FromSnapshot) else await self._image(source)
            layer = await self._derived(made, base, spec, passphrase)
        return self._volume_info(layer)

    async def _derived(self, made: Layer, base: Layer, spec: VolumeSpec, passphrase: Passphrase | None) -> Layer:
        try:
            with self.family.kept(base):
                return await self.maker.derived(made, base, spec.encryption, passphrase)
        finally:
            await self.names.sweep(base)

    async def _image(self, source: FromImage) -> Layer:
        try:
            return await self.images.used(source.image_id)
        except KeyError:
            raise VolumeMissing(f"the back end {self.config.name} has no image {source.image_id}") from None

    async def _of_volume(self, made: Layer, source: FromVolume, spec: VolumeSpec, passphrase: Passphrase | None) -> Layer:
        """What a volume is now. One that its copy stands on goes on in a layer of its own first."""
        base = await self.names.volume(source.volume_id)
        stands = self.maker.stands(made, base)
        if stands or not self.maker.reflinks:
            base = await self.names.volume(source.volume_id, WRITTEN)
        if stands:
            least(made.size, base.size)
            try:
                with self.family.kept(base):
                    await self.names.freeze(base, passphrase)
                    return await self._derived(made, base, spec, passphrase)
            finally:
                await self.names.sweep(base)
        return await self._derived(made, base, spec, passphrase)

    async def volume(self, volume_id: str) -> VolumeInfo:
        layer = self.layers.of_volume(volume_id)
        if layer is None:
            raise VolumeMissing(f"the back end {self.config.name} has no volume {volume_id}")
        return self._volume_info(layer)

    async def extend_volume(self, volume_id: str, size: int) -> VolumeInfo:
        layer = await self.names.volume(volume_id)
        grows(layer.size, size)
        layer = await self.layers.change(layer.id, lambda now: replace(now, size=size)) or layer
        await complete(self.layers, layer)
        return self._volume_info(layer)

    async def delete_volume(self, volume_id: str) -> None:
        if self.layers.of_volume(volume_id) is None:
            return
        layer = await self.names.volume(volume_id, OPEN)
        await self.names.drop(layer, no_volume)

    async def revert_volume(self, volume_id: str, snapshot_id: str, passphrase: Passphrase | None = None) -> VolumeInfo:
        layer, base = await self.names.volume(volume_id, OPEN), await self.names.snapshot(snapshot_id)
        if dict(base.snapshots)[snapshot_id] != volume_id:
            raise VolumeError(f"snapshot {snapshot_id} is not one of volume {volume_id}")
        made = Layer(ids.new_uuid(), layer.format if layer.shared or layer.thick else base.format, layer.size, self.layers.next_made(),
                     volume=volume_id, encrypted=base.encrypted, shared=layer.shared, thick=layer.thick)
        async with self.names.replaced(layer):
            return self._volume_info(await self.maker.derived(made, base, passphrase=passphrase))

    async def merge_volume(self, volume_id: str, *, alone: bool = False, passphrase: Passphrase | None = None) -> VolumeInfo:
        layer = await self.names.volume(volume_id, WRITTEN)
        while pair := next(merging.pairs(self.layers, layer), None):
            if layer.encrypted and passphrase is None:
                raise VolumeError(f"volume {volume_id} is encrypted: its layers are merged with its passphrase only")
            await self.family.merge(pair, passphrase)
            layer = self.layers.of_volume(volume_id) or layer
        if alone and layer.parent:
            plain = self.maker.reflinks or layer.thick or layer.shared
            copy = replace(layer, id=ids.new_uuid(), format="raw" if plain else "qcow2", made=self.layers.next_made(), parent="",
                           prepared="")
            with self.family.kept(layer):
                async with self.names.replaced(layer):
                    return self._volume_info(await self.maker.copied(copy, layer, passphrase))
        return self._volume_info(layer)

    # -- snapshots --------------------------------------------------------------------------------------------------

    async def prepare_snapshot(self, volume_id: str, snapshot_id: str, access: Access,
                               passphrase: Passphrase | None = None) -> Connection:
        layer = await self.names.volume(volume_id)
        if self.caps().live_snapshots is not LiveSnapshots.SWITCH or layer.shared:
            raise Unsupported(f"a snapshot of volume {volume_id} is not taken by switching its guest to another layer")
        if layer.prepared != safe(snapshot_id):
            if self.layers.depth(layer) >= self.config.chain_max:
                raise Unsupported(f"volume {volume_id} has {self.config.chain_max} layers already: stop its server, so that they are "
                                  "merged, or take the snapshot then")
            layer = await self.names.freeze(layer, passphrase, snapshot_id, prepared=True)
        return self._connection(layer, access)

    async def create_snapshot(self, volume_id: str, snapshot_id: str, *, in_use: bool = False,
                              passphrase: Passphrase | None = None) -> SnapshotInfo:
        if there := self.layers.of_snapshot(safe(snapshot_id)):
            return self._snapshot_info(there, snapshot_id)
        layer = await self.names.volume(volume_id)
        if layer.prepared == snapshot_id:
            named = lambda now: replace(now, snapshots=(*now.snapshots, (snapshot_id, volume_id)))  # noqa: E731
            made = await self.layers.change(layer.parent, named)
            await self.layers.change(layer.id, lambda now: replace(now, prepared=""))
        elif layer.format == "raw" and (self.maker.reflinks or layer.shared):
            await self.names.volume(volume_id, "" if in_use and self.maker.reflinks else WRITTEN)
            copy = Layer(ids.new_uuid(), "raw", layer.size, self.layers.next_made(), snapshots=((snapshot_id, volume_id),),
                         encrypted=layer.encrypted, shared=layer.shared)
            made = await self.maker.cloned(copy, layer)
        else:
            layer = await self.names.volume(volume_id, WRITTEN)
            await self.names.freeze(layer, passphrase, snapshot_id)
            made = self.layers.of_snapshot(snapshot_id)
        if made is None:
            raise VolumeMissing(f"volume {volume_id} went away while its snapshot was taken")
        return self._snapshot_info(made, snapshot_id)

    async def snapshot(self, snapshot_id: str) -> SnapshotInfo:
        layer = self.layers.of_snapshot(snapshot_id)
        if layer is None:
            raise VolumeMissing(f"the back end {self.config.name} has no snapshot {snapshot_id}")
        return self._snapshot_info(layer, snapshot_id)

    async def delete_snapshot(self, snapshot_id: str) -> None:
        for layer in self.layers:
            if layer.prepared == snapshot_id:
                await self.layers.change(layer.id, lambda now: replace(now, prepared=""))
        if self.layers.of_snapshot(snapshot_id) is not None:
            layer = await self.names.snapshot(snapshot_id)
            await self.names.drop(layer, no_snapshot(snapshot_id))

    # -- data -------------------------------------------------------------------------------------------------------

    async def cache_image(self, image_id: str, path: Path, format: str) -> CachedImage:
        told = await self.images.bring(safe(image_id), path, format)
        for layer in self.images.too_much(image_id):
            await self.names.drop(layer, lambda now: replace(now, image=""))
        return told

    async def drop_image(self, image_id: str) -> None:
        if (layer := self.layers.of_image(image_id)) is not None:
            await self.names.drop(layer, lambda now: replace(now, image=""))

    async def connect(self, volume_id: str, access: Access = Access()) -> Connection:
        layer = await self.names.volume(volume_id)
        if volume_id in self.family.written:
            raise VolumeBusy(f"volume {volume_id} is being written by cloudd itself")
        if access.shareable and layer.format != "raw":
            raise VolumeError(f"volume {volume_id} was not made for several servers at once")
        if layer.encrypted and access.encryption is None:
            raise VolumeError(f"volume {volume_id} is encrypted, but the key's id did not come with the request to open it")
        await complete(self.layers, layer)
        self.family.connected.add(volume_id)
        return self._connection(layer, access)

    def _connection(self, layer: Layer, access: Access) -> Connection:
        return connection(self.layers, layer, access, self._cache)

    @property
    def _cache(self) -> str:
        """The mode in which guests open volumes."""
        return self.config.cache if self.config.cache != "auto" else "none" if self.directory.direct else "writeback"

    async def disconnect(self, volume_id: str) -> None:
        self.family.connected.discard(volume_id)

    async def open_disk(self, ref: Ref, *, write: bool = False, passphrase: Passphrase | None = None) -> Disk:
        layer = await self.names.referred(ref, OPEN if write else WRITTEN)
        if write and not isinstance(ref, VolumeRef):
            raise VolumeError(f"snapshot {ref.id} is not to be written")
        if layer.encrypted and passphrase is None:
            raise VolumeError(f"{ref.id} is encrypted, and came without its passphrase")
        ended = self.family.opens(layer, ref.id if write else "")
        try:
            await complete(self.layers, layer)
            with said(f"volume {ref.id}"):
                if layer.format == "raw" and not layer.encrypted:
                    return PlainDisk(self.layers.path(layer), layer.size, write=write, ended=ended, hold=True)
                served = await serve(self.layers.files(layer), self.folder, write=write, keys=tools.keys(passphrase))
        except BaseException as exc:
            ended()
            if isinstance(exc, locks.Locked):
                raise VolumeBusy(f"volume {ref.id} is open") from exc
            raise
        return ServedDisk(served, layer.size, write=write, ended=ended)

    async def changed(self, ref: Ref, since: str, passphrase: Passphrase | None = None) -> tuple[Extent, ...] | None:
        """What the layers above the snapshot's have; raw files that stand by themselves do not tell."""
        layer, old = await self.names.referred(ref, WRITTEN), await self.names.snapshot(since)
        above = [one.id for one in self.layers.chain(layer)]
        if old.id not in above:
            return None
        if layer.encrypted and passphrase is None:
            raise VolumeError(f"{ref.id} is encrypted, and came without its passphrase")
        with self.family.kept(layer), said(f"volume {ref.id}"):
            found = await tools.held(self.layers.files(layer), range(1, above.index(old.id) + 1), passphrase)
        await self.names.sweep(layer)
        return tuple(Extent(start, length, True) for start, length in found)

    async def export(self, ref: Ref, target: Path, format: str = "raw", *, compress: bool = False,
                     passphrase: Passphrase | None = None) -> None:
        layer = await self.names.referred(ref, WRITTEN)
        if format not in FORMATS:
            raise Unsupported(f"volumes are not written as {format}; possible are {', '.join(FORMATS)}")
        if layer.encrypted and passphrase is None:
            raise VolumeError(f"{ref.id} is encrypted, and came without its passphrase")
        try:
            with self.family.kept(layer), said(f"volume {ref.id}"):
                await complete(self.layers, layer)
                await tools.export(self.layers.files(layer), target, format, compress, passphrase)
        except BaseException:
            with suppress(FileNotFoundError):
                target.unlink()
            raise
        finally:
            await self.names.sweep(layer)

    # -- what is there already --------------------------------------------------------------------------------------

    async def manageable(self) -> tuple[Manageable, ...]:
        loose = await asyncio.to_thread(lambda: tuple(managing.loose(self.folder)))
        return (*managing.told(self.layers), *loose)

    async def manage_volume(self, volume_id: str, reference: str) -> VolumeInfo:
        layer = self.layers.of_volume(safe(volume_id))
        if layer is None:
            layer = await self._enter(reference, volume=volume_id)
        return self._volume_info(layer)

    async def manage_snapshot(self, volume_id: str, snapshot_id: str, reference: str) -> SnapshotInfo:
        layer = self.layers.of_snapshot(safe(snapshot_id))
        if layer is None:
            match = managing.SNAPSHOT.fullmatch(reference)
            if not match or match[2] != volume_id:
                raise VolumeMissing(f"{reference} is no snapshot of volume {volume_id}")
            layer = await self._enter(reference, snapshots=((snapshot_id, volume_id),))
        return self._snapshot_info(layer, snapshot_id)

    async def _enter(self, reference: str, **names: object) -> Layer:
        path = managing.find(self.folder, reference)
        with said(reference):
            layer = await self.layers.save(await asyncio.to_thread(managing.enter, path, self.layers, **names))
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return layer

    async def unmanage(self, ref: Ref) -> str:
        layer = await self.names.referred(ref, OPEN)
        if layer.encrypted:
            raise Unsupported(f"{ref.id} is encrypted: what it is opened by would be forgotten with it")
        await complete(self.layers, layer)
        volume = layer.volume if isinstance(ref, VolumeRef) else dict(layer.snapshots)[ref.id]
        start = f"volume-{ref.id}" if isinstance(ref, VolumeRef) else f"snapshot-{ref.id}-of-{volume}"
        alone = not layer.parent and not self.layers.children(layer) and len(layer.snapshots) + bool(layer.volume) == 1
        path = self.folder / f"{start}.{layer.format if alone else 'qcow2'}"
        with said(ref.id):
            if alone:
                await asyncio.to_thread(managing.leave, self.layers, layer, path)
            else:
                part = path.with_name(f".{path.name}.part")
                part.unlink(missing_ok=True)
                await tools.export(self.layers.files(layer), part, "qcow2", False, None)
                await asyncio.to_thread(files.settle, part, path)
        if isinstance(ref, VolumeRef):
            await self.names.drop(layer, no_volume)
        else:
            await self.names.drop(layer, no_snapshot(ref.id))
        return path.name

