"""Thin logical volumes of one pool in one volume group. See report.py for the tags that say whose they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cloudd.drivers.volume.base import (
    Access,
    BackendDown,
    CachedImage,
    Capabilities,
    Connection,
    Disk,
    Extent,
    Inventory,
    Kind,
    LiveSnapshots,
    Manageable,
    Passphrase,
    Ref,
    SnapshotInfo,
    SnapshotRef,
    Source,
    Statistics,
    Unsupported,
    VolumeConfig,
    VolumeDriver,
    VolumeError,
    VolumeInfo,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.lvm import disks
from cloudd.drivers.volume.lvm.backend import Backend, same
from cloudd.drivers.volume.lvm.devmapper import DeviceMapper
from cloudd.drivers.volume.lvm.disks import LogicalDisk
from cloudd.drivers.volume.lvm.fill import Fill
from cloudd.drivers.volume.lvm.group import Run, VolumeGroup, parsed, run_lvm
from cloudd.drivers.volume.lvm.images import Images
from cloudd.drivers.volume.lvm.making import Making
from cloudd.drivers.volume.lvm.managing import Managing
from cloudd.drivers.volume.lvm.report import IMAGE, SNAPSHOT, VOLUME, Logical
from cloudd.drivers.volume.lvm.thin_map import ThinMap


class LvmVolumes(VolumeDriver):
    kind = "lvm"

    def __init__(self, config: VolumeConfig, run: Run = run_lvm, mapper: DeviceMapper | None = None):
        self.config = config
        self._group = VolumeGroup(*parsed(config.address), run)
        self._back = Backend(config, self._group, mapper or DeviceMapper(), Fill(config.address))
        self._map = ThinMap(self._back)
        self._making = Making(self._back, lambda image_id: self._images.use(image_id), self._reading)
        self._images = Images(self._back, self._making, Path(config.state_dir) / "lvm-volumes" / config.name / "images-used")
        self._managing = Managing(self._back, self._making)
        self._caps = Capabilities("lvm", thick=True, live_snapshots=LiveSnapshots.STILL, live_merge=True, manage_snapshots=True)

    # -- the back end -----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        pool, name = self._group.require_pool(await self._group.open()), self.config.address
        if pool.when_full != "error":
            await self._group.change("lvchange", "--errorwhenfull", "y", name, effect=same)
        if not pool.zeroes:                                      # a new volume over old blocks reads zeros
            await self._group.change("lvchange", "-Zy", name, effect=same)
        await self._group.change("lvchange", "-ay", "-K", name, effect=same)
        await self._making.mend()
        self._back.fill.warnings(await self._back.state())

    async def close(self) -> None:
        """Volumes stay as they are."""

    async def health(self) -> None:
        if trouble := self._back.fill.trouble(await self._back.state()):
            raise BackendDown(trouble)

    def caps(self) -> Capabilities:
        return self._caps

    async def stats(self) -> Statistics:
        state, report = await self._back.state(), await self._group.look(fresh=True)
        volumes = report.ours(VOLUME)
        provisioned = sum(one.size for _, one in [*volumes, *report.ours(SNAPSHOT)])
        return Statistics(state.total, state.total - state.used, provisioned, state.used, len(volumes), state.metadata,
                          self._back.fill.warnings(state))

    async def list(self) -> Inventory:
        report = await self._group.look(fresh=True)
        return Inventory(tuple(told(id_, one) for id_, one in report.ours(VOLUME)),
                         tuple(told_snapshot(id_, one) for id_, one in report.ours(SNAPSHOT)),
                         tuple(self._images.told(id_, one) for id_, one in report.ours(IMAGE)),
                         tuple(one.name for one in self._making.leftovers(report)))

    async def tidy(self) -> None:
        await self._group.look(fresh=True)
        await self._making.mend()

    # -- volumes ----------------------------------------------------------------------------------------------------

    async def create_volume(self, spec: VolumeSpec, source: Source | None = None, passphrase: Passphrase | None = None) -> VolumeInfo:
        if spec.encryption is not None:
            raise Unsupported(f"this back end does not encrypt by {spec.encryption.provider}")
        return told(spec.id, await self._making.create(spec, source))

    async def volume(self, volume_id: str) -> VolumeInfo:
        return told(volume_id, await self._back.find(VOLUME, volume_id))

    async def extend_volume(self, volume_id: str, size: int) -> VolumeInfo:
        return told(volume_id, await self._making.extend(volume_id, size))

    async def delete_volume(self, volume_id: str) -> None:
        await self._making.delete(VOLUME, volume_id)

    async def revert_volume(self, volume_id: str, snapshot_id: str, passphrase: Passphrase | None = None) -> VolumeInfo:
        return told(volume_id, await self._making.revert(volume_id, snapshot_id))

    async def merge_volume(self, volume_id: str, *, alone: bool = False, passphrase: Passphrase | None = None) -> VolumeInfo:
        """A thin volume has one layer, and hangs on nothing."""
        return await self.volume(volume_id)

    # -- snapshots --------------------------------------------------------------------------------------------------

    async def prepare_snapshot(self, volume_id: str, snapshot_id: str, access: Access,
                               passphrase: Passphrase | None = None) -> Connection:
        raise Unsupported("this back end takes snapshots of volumes in use while the guest stands still")

    async def create_snapshot(self, volume_id: str, snapshot_id: str, *, in_use: bool = False,
                              passphrase: Passphrase | None = None) -> SnapshotInfo:
        return told_snapshot(snapshot_id, await self._making.snapshot(volume_id, snapshot_id, in_use=in_use))

    async def snapshot(self, snapshot_id: str) -> SnapshotInfo:
        return told_snapshot(snapshot_id, await self._back.find(SNAPSHOT, snapshot_id))

    async def delete_snapshot(self, snapshot_id: str) -> None:
        await self._making.delete(SNAPSHOT, snapshot_id)

    # -- data -------------------------------------------------------------------------------------------------------

    async def cache_image(self, image_id: str, path: Path, format: str) -> CachedImage:
        return await self._images.bring(image_id, path, format)

    async def drop_image(self, image_id: str) -> None:
        await self._images.drop(image_id)

    async def connect(self, volume_id: str, access: Access = Access()) -> Connection:
        async with self._back.turn(f"{VOLUME} {volume_id}"):
            found = await self._making.finish(VOLUME, volume_id, await self._back.find(VOLUME, volume_id))
            device = await self._back.activate(found)
        cache = "none" if self.config.cache == "auto" else self.config.cache
        return Connection(volume_id, Kind.BLOCK, str(device), "raw", found.size, cache=cache, discard=not found.thick,
                          shareable=access.shareable, read_only=access.read_only, encryption=access.encryption, limits=access.limits)

    async def disconnect(self, volume_id: str) -> None:
        """It stays active: the next guest finds it sooner."""

    async def open_disk(self, ref: Ref, *, write: bool = False, passphrase: Passphrase | None = None) -> Disk:
        kind = VOLUME if isinstance(ref, VolumeRef) else SNAPSHOT
        if write and kind == SNAPSHOT:
            raise VolumeError(f"snapshot {ref.id} is not to be written")
        async with self._back.turn(f"{kind} {ref.id}"):
            found = await self._making.finish(kind, ref.id, await self._back.find(kind, ref.id))
            if write:
                await self._back.shut(found, ref.id, but_readers=True)
            return await self._opened(found, write=write)

    async def _opened(self, logical: Logical, *, write: bool = False) -> LogicalDisk:
        """For the daemon itself. What is no volume is not left active."""
        back = self._back
        device = await back.activate(logical)

        async def ended() -> None:
            if write:
                back.written.discard(logical.name)
                return
            back.readers[logical.name] -= 1
            if not logical.fact(VOLUME) and not back.readers[logical.name]:
                async with back.turn(f"reader {logical.name}"):
                    if not back.readers[logical.name]:
                        await back.deactivate(logical)

        async def where() -> list[tuple[int, int]]:
            return await self._map.of(await self._known(logical))

        chunk = 0 if logical.thick else self._group.pool.chunk
        disk = LogicalDisk(device, logical.size, chunk, where, back.full, write=write, ended=ended)
        if write:
            back.written.add(logical.name)
        else:
            back.readers[logical.name] += 1
        return disk

    @asynccontextmanager
    async def _reading(self, logical: Logical) -> AsyncIterator[LogicalDisk]:
        disk = await self._opened(logical)
        try:
            yield disk
        finally:
            await disk.close()

    async def _known(self, logical: Logical) -> Logical:
        """With the number that the pool has given it."""
        return logical if logical.thin_id > 0 else (await self._group.look(fresh=True)).volumes[logical.name]

    async def changed(self, ref: Ref, since: str, passphrase: Passphrase | None = None) -> tuple[Extent, ...] | None:
        now = await self._back.find(VOLUME if isinstance(ref, VolumeRef) else SNAPSHOT, ref.id)
        then = await self._back.find(SNAPSHOT, since)
        if then.fact("of") != (ref.id if isinstance(ref, VolumeRef) else now.fact("of")):
            return None
        if isinstance(ref, VolumeRef):
            async with self._reading(now) as disk:
                await disk.flush()
        pieces = await self._map.changed(await self._known(then), await self._known(now))
        return tuple(Extent(start, min(end, now.size) - start, True) for start, end in pieces if start < now.size)

    async def export(self, ref: Ref, target: Path, format: str = "raw", *, compress: bool = False,
                     passphrase: Passphrase | None = None) -> None:
        found = await self._back.find(SNAPSHOT if isinstance(ref, SnapshotRef) else VOLUME, ref.id)
        async with self._reading(found) as disk:
            await disks.export(disk, self._back.device(found), target, format, compress)

    # -- what is there already --------------------------------------------------------------------------------------

    async def manageable(self) -> tuple[Manageable, ...]:
        return await self._managing.manageable()

    async def manage_volume(self, volume_id: str, reference: str) -> VolumeInfo:
        return told(volume_id, await self._managing.take_volume(volume_id, reference))

    async def manage_snapshot(self, volume_id: str, snapshot_id: str, reference: str) -> SnapshotInfo:
        return told_snapshot(snapshot_id, await self._managing.take_snapshot(volume_id, snapshot_id, reference))

    async def unmanage(self, ref: Ref) -> str:
        return await self._managing.let_go(ref)


def told(volume_id: str, logical: Logical) -> VolumeInfo:
    return VolumeInfo(volume_id, logical.size, logical.allocated)


def told_snapshot(snapshot_id: str, logical: Logical) -> SnapshotInfo:
    return SnapshotInfo(snapshot_id, logical.fact("of"), logical.size, logical.allocated)
