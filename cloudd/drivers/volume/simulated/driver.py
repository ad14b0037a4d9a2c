"""The simulated back end. Its address says what it plays, words joined by `+`: `hang` (clones hang on what they come from, as Ceph's do),
`switch` (a guest is switched to a new layer for a snapshot, as with qcow2; else it stands still), `nolive` (no snapshots of volumes in
use), `gib=1000` (its size)."""

import asyncio
import hashlib
import os
import re
import time
from pathlib import Path

from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import image_check
from cloudd.core.disks.files import copy_sparse
from cloudd.core.disks.qcow2 import empty_qcow2
from cloudd.drivers.faults import Faults
from cloudd.drivers.volume import base
from cloudd.drivers.volume.base import (
    Access,
    BadImage,
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
    Source,
    Statistics,
    StillNeeded,
    VolumeBusy,
    VolumeConfig,
    VolumeDriver,
    VolumeError,
    VolumeInfo,
    VolumeMissing,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.checked import grows, least, reference, safe, whole
from cloudd.drivers.volume.plain_disk import PlainDisk
from cloudd.drivers.volume.simulated.records import IMAGE, SNAPSHOT, VOLUME, Record, Records

GIB = 1 << 30
LOOSE_SNAPSHOT = re.compile(r"snapshot-([\w-]+)-of-([\w-]+)")


class SimulatedVolumes(VolumeDriver):
    """Beside the interface: `fail` and `hang` for faults, `guest_opens` and `guest_closes`, `others_take` for room that is gone."""

    kind = "simulated"

    def __init__(self, config: VolumeConfig):
        self.config = config
        words = dict(word.strip().partition("=")[::2] for word in config.address.split("+") if word.strip())
        if unknown := words.keys() - {"hang", "switch", "nolive", "gib"}:
            raise ValueError(f"a simulated back end does not know {', '.join(sorted(unknown))}; it knows hang, switch, nolive, gib=1000")
        live = LiveSnapshots.NONE if "nolive" in words else LiveSnapshots.SWITCH if "switch" in words else LiveSnapshots.STILL
        self._total = int(words.get("gib", "1000")) * GIB
        self._caps = Capabilities("simulated", thick=True, live_snapshots=live, live_merge=True, clones_hang="hang" in words,
                                  manage_snapshots=True, encryption=("luks",), ciphers=("aes-xts-plain64",))
        self._records = Records(Path(config.state_dir) / "simulated-volumes" / safe(config.name))
        self._faults = Faults("back end", VolumeError)
        self._opened: set[str] = set()
        self._written: set[str] = set()
        self._taken = 0

    # -- for tests --------------------------------------------------------------------------------------------------

    def fail(self, method: str, nth: int = 1, error: BaseException | None = None) -> None:
        """The nth call from now of a method raises; later ones work again."""
        self._faults.add(method, nth, error)

    def hang(self, method: str, nth: int = 1) -> None:
        """The nth call from now of a method, and all after it, never return."""
        self._faults.hang(method, nth)

    def heal(self) -> None:
        self._faults.clear()

    def guest_opens(self, volume_id: str) -> None:
        self._opened.add(volume_id)

    def guest_closes(self, volume_id: str) -> None:
        self._opened.discard(volume_id)

    def others_take(self, room: int) -> None:
        """So many bytes are used by somebody else."""
        self._taken = room

    # -- the back end -----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._faults.hit("open")
        self._records.open()

    async def close(self) -> None:
        self._opened.clear()

    async def health(self) -> None:
        await self._faults.hit("health")

    def caps(self) -> Capabilities:
        return self._caps

    async def stats(self) -> Statistics:
        await self._faults.hit("stats")
        records = [*self._records.of(VOLUME), *self._records.of(SNAPSHOT)]
        allocated = sum(map(self._records.allocated, records))
        free = max(0, self._total - allocated - self._taken)
        return Statistics(self._total, free, sum(record.size for record in records), allocated, len(self._records.of(VOLUME)))

    async def list(self) -> Inventory:
        await self._faults.hit("list")
        records = self._records
        return Inventory(tuple(map(records.volume, records.of(VOLUME))), tuple(map(records.snapshot, records.of(SNAPSHOT))),
                         tuple(map(records.image, records.of(IMAGE))), tuple(path.name for path in records.leftovers()))

    async def tidy(self) -> None:
        await self._faults.hit("tidy")
        for path in self._records.leftovers():
            path.unlink(missing_ok=True)

    # -- volumes ----------------------------------------------------------------------------------------------------

    async def create_volume(self, spec: VolumeSpec, source: Source | None = None, passphrase: Passphrase | None = None) -> VolumeInfo:
        await self._faults.hit("create_volume")
        if there := self._records.get(VOLUME, safe(spec.id)):
            return self._records.volume(there)
        record = Record(VOLUME, spec.id, whole(spec.size), lock=lock_of(spec, passphrase), thick=spec.thick)
        if spec.thick:
            await self._room(spec.size)
        if isinstance(source, base.FromFile):
            await self._fill(record, source.path, source.format)
        elif source is not None:
            self._copy(record, self._source(source))
        self._records.put(record)
        return self._records.volume(record)

    async def _room(self, size: int) -> None:
        free = (await self.stats()).free
        if size > free:
            raise base.BackendFull(f"{size} bytes were asked for, but {self.config.name} has only {free} left")

    def _source(self, source: base.FromImage | base.FromSnapshot | base.FromVolume) -> Record:
        if isinstance(source, base.FromImage):
            image = self._find(IMAGE, source.image_id)
            image.used_at = time.time()
            return image
        if isinstance(source, base.FromSnapshot):
            return self._find(SNAPSHOT, source.snapshot_id)
        self._still(source.volume_id)
        return self._find(VOLUME, source.volume_id)

    def _copy(self, record: Record, source: Record) -> None:
        least(record.size, source.size)
        if source.lock and not record.lock:
            raise VolumeError("the copy of an encrypted volume is encrypted, too: its type must be one with encryption")
        record.lock = source.lock or record.lock
        record.origin = source.name if self._caps.clones_hang and source.kind != IMAGE else ""
        self._records.copy(source, record)

    async def _fill(self, record: Record, path: Path, format: str) -> None:
        """An image's data. Nothing but raw ones is read: a disk in another format begins empty."""
        try:
            await asyncio.to_thread(image_check.check, path, format)
        except UnsafeImage as exc:
            raise BadImage(str(exc)) from exc
        size = await asyncio.to_thread(image_check.virtual_size, path)
        if record.size:
            least(record.size, size)
        record.size = record.size or -(-size // 512) * 512
        if format in ("raw", "iso"):
            await asyncio.to_thread(copy_sparse, path, self._records.data(record))

    async def volume(self, volume_id: str) -> VolumeInfo:
        await self._faults.hit("volume")
        return self._records.volume(self._find(VOLUME, volume_id))

    async def extend_volume(self, volume_id: str, size: int) -> VolumeInfo:
        await self._faults.hit("extend_volume")
        record = self._find(VOLUME, volume_id)
        grows(record.size, size)
        if record.thick:
            await self._room(size - record.size)
        record.size = size
        self._records.put(record)
        return self._records.volume(record)

    async def delete_volume(self, volume_id: str) -> None:
        await self._faults.hit("delete_volume")
        record = self._records.get(VOLUME, volume_id)
        if record is None:
            return
        self._shut(volume_id)
        self._loose(record)
        self._records.drop(record)

    async def revert_volume(self, volume_id: str, snapshot_id: str, passphrase: Passphrase | None = None) -> VolumeInfo:
        await self._faults.hit("revert_volume")
        record, snapshot = self._find(VOLUME, volume_id), self._find(SNAPSHOT, snapshot_id)
        if snapshot.volume_id != volume_id:
            raise VolumeError(f"snapshot {snapshot_id} is not one of volume {volume_id}")
        self._shut(volume_id)
        self._records.copy(snapshot, record)
        return self._records.volume(record)

    async def merge_volume(self, volume_id: str, *, alone: bool = False, passphrase: Passphrase | None = None) -> VolumeInfo:
        await self._faults.hit("merge_volume")
        record = self._find(VOLUME, volume_id)
        if alone:
            record.origin = ""
            self._records.put(record)
        return self._records.volume(record)

    # -- snapshots --------------------------------------------------------------------------------------------------

    async def prepare_snapshot(self, volume_id: str, snapshot_id: str, access: Access,
                               passphrase: Passphrase | None = None) -> Connection:
        await self._faults.hit("prepare_snapshot")
        if self._caps.live_snapshots is not LiveSnapshots.SWITCH:
            raise base.Unsupported("this back end takes snapshots of volumes in use while the guest stands still")
        record = self._find(VOLUME, volume_id)
        if safe(snapshot_id) not in record.prepared:
            record.prepared.append(snapshot_id)
            self._records.put(record)
        return self._connection(record, access)

    async def create_snapshot(self, volume_id: str, snapshot_id: str, *, in_use: bool = False,
                              passphrase: Passphrase | None = None) -> SnapshotInfo:
        await self._faults.hit("create_snapshot")
        if there := self._records.get(SNAPSHOT, safe(snapshot_id)):
            return self._records.snapshot(there)
        record = self._find(VOLUME, volume_id)
        prepared = snapshot_id in record.prepared
        if not prepared and not (in_use and self._caps.live_snapshots is LiveSnapshots.STILL):
            self._shut(volume_id)
        snapshot = Record(SNAPSHOT, snapshot_id, record.size, volume_id, lock=record.lock)
        self._records.copy(record, snapshot)
        self._records.put(snapshot)
        if prepared:
            record.prepared.remove(snapshot_id)
            self._records.put(record)
        return self._records.snapshot(snapshot)

    async def snapshot(self, snapshot_id: str) -> SnapshotInfo:
        await self._faults.hit("snapshot")
        return self._records.snapshot(self._find(SNAPSHOT, snapshot_id))

    async def delete_snapshot(self, snapshot_id: str) -> None:
        await self._faults.hit("delete_snapshot")
        for volume in [one for one in self._records.of(VOLUME) if snapshot_id in one.prepared]:
            volume.prepared.remove(snapshot_id)
            self._records.put(volume)
        record = self._records.get(SNAPSHOT, snapshot_id)
        if record is not None:
            self._loose(record)
            self._records.drop(record)

    def _loose(self, record: Record) -> None:
        """Raises StillNeeded for what others hang on."""
        by = self._records.hanging(record.name)
        if self._caps.clones_hang and record.kind == VOLUME:
            by += tuple(one.id for one in self._records.of(SNAPSHOT) if one.volume_id == record.id)
        if by:
            raise StillNeeded(f"{record.name} is still needed by {', '.join(by)}", by)

    # -- data -------------------------------------------------------------------------------------------------------

    async def cache_image(self, image_id: str, path: Path, format: str) -> CachedImage:
        await self._faults.hit("cache_image")
        record = self._records.get(IMAGE, safe(image_id))
        if record is None:
            record = Record(IMAGE, image_id, 0)
            await self._fill(record, path, format)
        record.used_at = time.time()
        self._records.put(record)
        self._make_room(image_id)
        return self._records.image(record)

    def _make_room(self, newest: str) -> None:
        images = sorted(self._records.of(IMAGE), key=lambda record: record.used_at)
        total = sum(map(self._records.allocated, images))
        for record in images:
            if total > self.config.image_cache_max_bytes and record.id != newest:
                total -= self._records.allocated(record)
                self._records.drop(record)

    async def drop_image(self, image_id: str) -> None:
        await self._faults.hit("drop_image")
        if record := self._records.get(IMAGE, image_id):
            self._records.drop(record)

    async def connect(self, volume_id: str, access: Access = Access()) -> Connection:
        await self._faults.hit("connect")
        return self._connection(self._find(VOLUME, volume_id), access)

    def _connection(self, record: Record, access: Access) -> Connection:
        path = self._records.data(record)
        path.touch()
        return Connection(record.id, Kind.FILE, str(path), "raw", record.size, shareable=access.shareable, read_only=access.read_only,
                          encryption=access.encryption, limits=access.limits)

    async def disconnect(self, volume_id: str) -> None:
        await self._faults.hit("disconnect")
        self._opened.discard(volume_id)

    async def open_disk(self, ref: Ref, *, write: bool = False, passphrase: Passphrase | None = None) -> Disk:
        await self._faults.hit("open_disk")
        record = self._referred(ref)
        unlock(record, passphrase)
        if write:
            if record.kind == SNAPSHOT:
                raise VolumeError(f"snapshot {record.id} is not to be written")
            self._shut(record.id)
            self._written.add(record.id)
        path = self._records.data(record)
        path.touch()
        return PlainDisk(path, record.size, write=write, ended=lambda: self._written.discard(record.id) if write else None)

    async def changed(self, ref: Ref, since: str, passphrase: Passphrase | None = None) -> tuple[Extent, ...] | None:
        await self._faults.hit("changed")
        record, old = self._referred(ref), self._find(SNAPSHOT, since)
        unlock(record, passphrase)
        if old.volume_id != (record.volume_id or record.id):
            return None
        return await asyncio.to_thread(self._records.differences, record, old)

    async def export(self, ref: Ref, target: Path, format: str = "raw", *, compress: bool = False,
                     passphrase: Passphrase | None = None) -> None:
        """Raw, or a container of that format in which there is nothing."""
        await self._faults.hit("export")
        record = self._referred(ref)
        unlock(record, passphrase)
        await asyncio.to_thread(self._export, record, target, format)

    def _export(self, record: Record, target: Path, format: str) -> None:
        if format == "qcow2":
            target.write_bytes(empty_qcow2(record.size))
            return
        if format != "raw":
            raise base.Unsupported(f"a simulated back end does not write {format}; it writes raw and qcow2")
        target.write_bytes(b"")
        if self._records.data(record).exists():
            copy_sparse(self._records.data(record), target)
        os.truncate(target, record.size)

    # -- what is there already --------------------------------------------------------------------------------------

    async def manageable(self) -> tuple[Manageable, ...]:
        await self._faults.hit("manageable")
        found = [self._told(record) for kind in (VOLUME, SNAPSHOT) for record in self._records.of(kind)]
        for path in sorted(self._records.loose.iterdir()):
            match = LOOSE_SNAPSHOT.fullmatch(path.name)
            found.append(Manageable(path.name, path.stat().st_size, True, of_volume=match[2] if match else ""))
        return tuple(found)

    def _told(self, record: Record) -> Manageable:
        return Manageable(f"{record.kind}-{record.id}", record.size, False, "already managed", record.id, record.volume_id)

    async def manage_volume(self, volume_id: str, reference: str) -> VolumeInfo:
        await self._faults.hit("manage_volume")
        record = self._records.get(VOLUME, safe(volume_id))
        if record is None:
            record = Record(VOLUME, volume_id, 0)
            self._take(record, reference)
        return self._records.volume(record)

    async def manage_snapshot(self, volume_id: str, snapshot_id: str, reference: str) -> SnapshotInfo:
        await self._faults.hit("manage_snapshot")
        record = self._records.get(SNAPSHOT, safe(snapshot_id))
        if record is None:
            match = LOOSE_SNAPSHOT.fullmatch(reference)
            if not match or match[2] != volume_id:
                raise VolumeMissing(f"{reference} is no snapshot of volume {volume_id}")
            record = Record(SNAPSHOT, snapshot_id, 0, volume_id)
            self._take(record, reference)
        return self._records.snapshot(record)

    def _take(self, record: Record, name: str) -> None:
        path = self._records.loose / reference(name)
        if not path.is_file():
            raise VolumeMissing(f"there is nothing called {name} to manage")
        record.size = -(-path.stat().st_size // 512) * 512
        os.replace(path, self._records.data(record))
        self._records.put(record)

    async def unmanage(self, ref: Ref) -> str:
        await self._faults.hit("unmanage")
        record = self._referred(ref)
        self._shut(record.id)
        name = f"volume-{record.id}" if record.kind == VOLUME else f"snapshot-{record.id}-of-{record.volume_id}"
        await asyncio.to_thread(self._export, record, self._records.loose / name, "raw")
        self._records.drop(record)
        return name

    # -- what is there at all ---------------------------------------------------------------------------------------

    def _find(self, kind: str, id_: str) -> Record:
        if (record := self._records.get(kind, id_)) is None:
            raise VolumeMissing(f"the back end {self.config.name} has no {kind} {id_}")
        return record

    def _referred(self, ref: Ref) -> Record:
        return self._find(VOLUME if isinstance(ref, VolumeRef) else SNAPSHOT, ref.id)

    def _shut(self, volume_id: str) -> None:
        if volume_id in self._opened or volume_id in self._written:
            raise VolumeBusy(f"volume {volume_id} is open")

    def _still(self, volume_id: str) -> None:
        if self._caps.live_snapshots is not LiveSnapshots.STILL or volume_id in self._written:
            self._shut(volume_id)


def lock_of(spec: VolumeSpec, passphrase: Passphrase | None) -> str:
    """What the passphrase of a new volume opens; empty for one that is not encrypted."""
    if spec.encryption is None:
        return ""
    if spec.encryption.provider != "luks":
        raise base.Unsupported(f"this back end does not encrypt by {spec.encryption.provider}; it does by luks")
    if passphrase is None:
        raise VolumeError(f"volume {spec.id} is to be encrypted, but came without a passphrase")
    return hashed(passphrase)


def unlock(record: Record, passphrase: Passphrase | None) -> None:
    if record.lock and (passphrase is None or record.lock != hashed(passphrase)):
        raise VolumeError(f"{record.name} is encrypted, and this is not its passphrase")


def hashed(passphrase: Passphrase) -> str:
    return hashlib.sha256(b"simulated volume" + passphrase.value).hexdigest()
