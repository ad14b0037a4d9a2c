"""What a volume driver must do, and the plain values that it is told.

One driver object is one back end: a directory, a volume group. Everything is keyed by our ids, and every verb may be repeated: making
what is there returns it, deleting what is not there succeeds. A call that is killed anywhere leaves what was there before or what was
asked for, and `list` tells what there is, for repair. Nothing above a driver sees where data lies, but for the `Connection` that a
hypervisor opens: asked for at each start of a guest, never kept, so that a volume that has moved is found.

A guest writes what it likes into a volume. So no driver ever guesses a format from content, nor follows what a header says.

Volumes in use. Who holds a volume open is the hypervisor's, so it takes part:
* a snapshot goes as `caps().live_snapshots` says. STILL: the guest stands still while `create_snapshot(..., in_use=True)` runs, which
  takes milliseconds. SWITCH: `prepare_snapshot` makes a new layer, the guest is switched to that, `create_snapshot` then keeps the old
  one. NONE: only volumes that nobody has open.
* `extend_volume` first, then the hypervisor tells the guest (and lengthens the file where that is its own to do).
* `merge_volume` needs `caps().live_merge` for volumes that a guest has open; else it refuses those, and the time comes when it is off.
  No driver of files has it yet: between choosing the layers and changing what is noted of them, the hypervisor would have to do the
  copying (its block commit and stream).

Encrypted volumes. `VolumeSpec.encryption` says how; the passphrase is handed to those verbs that need it and never kept, written down
or told. Data goes in and out as a guest sees it: whoever reads an encrypted volume by `open_disk` or `export` must have its passphrase.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from cloudd.core.errors import Away


class VolumeError(Exception):
    """It could not be done; the message says what and why, in words that the volume's owner may read: no paths."""


class VolumeMissing(VolumeError):
    """No such volume, snapshot, image or thing to manage is in this back end."""


class VolumeBusy(VolumeError):
    """Somebody has the volume open, or opened it while we worked; nothing was changed."""


class StillNeeded(VolumeError):
    """It cannot go while others stand on it: only where `caps().clones_hang`. `by` are their ids."""

    def __init__(self, message: str, by: tuple[str, ...]):
        super().__init__(message)
        self.by = by


class BackendFull(VolumeError):
    """The back end has no room for it; the message says how much there is and how much was asked for."""


class BackendDown(VolumeError, Away):
    """The back end does not answer now; trying again later may help."""


class BadImage(VolumeError):
    """The image, or the file that shall be managed, is not what it is said to be, or refers to something outside itself."""


class Unsupported(VolumeError):
    """This back end cannot do it; `caps` would have said so."""


class LiveSnapshots(StrEnum):
    NONE = "none"
    STILL = "still"
    SWITCH = "switch"


class Kind(StrEnum):
    """What a hypervisor opens."""

    FILE = "file"
    BLOCK = "block"                  # a device of this machine
    RBD = "rbd"


# -- what is asked for --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Passphrase:
    """Opens an encrypted volume. Printed nowhere."""

    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Encryption:
    """As a volume type has it; `key_id` names the passphrase in the key manager, for whoever opens the volume."""

    provider: str = "luks"           # one of caps().encryption
    cipher: str = "aes-xts-plain64"
    key_size: int = 256
    key_id: str = ""


@dataclass(frozen=True)
class VolumeSpec:
    id: str
    size: int                        # bytes that a guest sees; a multiple of 512
    encryption: Encryption | None = None
    thick: bool = False              # all room is taken at once; only where caps().thick
    shared: bool = False             # several guests may have it at once; only where caps().multiattach


@dataclass(frozen=True)
class FromImage:
    """An image that `cache_image` has brought here."""

    image_id: str


@dataclass(frozen=True)
class FromFile:
    """A local file, of a format that the caller has been told and this driver checks; it stays untouched."""

    path: Path
    format: str                      # as Glance names them: raw, qcow2, vmdk, ...


@dataclass(frozen=True)
class FromSnapshot:
    snapshot_id: str


@dataclass(frozen=True)
class FromVolume:
    """What the volume is at this moment; while a guest has it open only where `live_snapshots` is STILL, and it stands still."""

    volume_id: str


Source = FromImage | FromFile | FromSnapshot | FromVolume


@dataclass(frozen=True)
class VolumeRef:
    id: str


@dataclass(frozen=True)
class SnapshotRef:
    id: str


Ref = VolumeRef | SnapshotRef
"""Whose data is read."""


@dataclass(frozen=True)
class Limits:
    """What one guest may do to one volume, each second; 0: no limit. The names are QEMU's and Cinder's front-end keys."""

    total_bytes_sec: int = 0
    read_bytes_sec: int = 0
    write_bytes_sec: int = 0
    total_iops_sec: int = 0
    read_iops_sec: int = 0
    write_iops_sec: int = 0
    total_bytes_sec_max: int = 0
    read_bytes_sec_max: int = 0
    write_bytes_sec_max: int = 0
    total_iops_sec_max: int = 0
    read_iops_sec_max: int = 0
    write_iops_sec_max: int = 0
    total_bytes_sec_max_length: int = 0
    read_bytes_sec_max_length: int = 0
    write_bytes_sec_max_length: int = 0
    total_iops_sec_max_length: int = 0
    read_iops_sec_max_length: int = 0
    write_iops_sec_max_length: int = 0
    size_iops_sec: int = 0


@dataclass(frozen=True)
class Access:
    """How a volume shall be opened: what rows know and the back end does not."""

    read_only: bool = False
    shareable: bool = False          # several guests at once
    limits: Limits = Limits()
    encryption: Encryption | None = None


# -- what is told -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beneath:
    """A layer under the one that is written, with its format, so that nothing has to believe a header."""

    path: str
    format: str                      # raw, qcow2


@dataclass(frozen=True)
class Connection:
    """What a hypervisor opens. Good for one start or one attach."""

    volume_id: str
    kind: Kind
    path: str                        # of the file or the device; POOL/IMAGE of an RBD
    format: str                      # raw or qcow2; an encrypted raw one holds a LUKS container
    size: int                        # bytes that the guest sees
    beneath: tuple[Beneath, ...] = ()            # the next layer first; complete: below the last there is nothing
    cache: str = "none"              # none, writeback, writethrough, directsync, unsafe
    io: str = ""                     # native, threads, io_uring; empty: what suits the cache
    discard: bool = True             # what a guest trims is given back
    shareable: bool = False
    read_only: bool = False
    encryption: Encryption | None = None
    limits: Limits = Limits()
    hosts: tuple[str, ...] = ()      # RBD: HOST:PORT of the monitors
    user: str = ""                   # RBD
    secret_id: str = ""              # RBD: the hypervisor's secret that holds the user's key


@dataclass(frozen=True)
class VolumeInfo:
    id: str
    size: int
    allocated: int                   # bytes that it takes in the back end, as far as that can be told of one volume
    encrypted: bool = False
    depth: int = 1                   # layers that a read may go through; 1: it stands by itself


@dataclass(frozen=True)
class SnapshotInfo:
    id: str
    volume_id: str
    size: int
    allocated: int
    encrypted: bool = False


@dataclass(frozen=True)
class CachedImage:
    id: str
    size: int                        # of the disk in it
    allocated: int
    used_at: float                   # seconds since 1970


@dataclass(frozen=True)
class Inventory:
    """All that is in the back end. `leftovers`: what belongs to nothing of these, in words; `tidy` removes it."""

    volumes: tuple[VolumeInfo, ...] = ()
    snapshots: tuple[SnapshotInfo, ...] = ()
    images: tuple[CachedImage, ...] = ()
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statistics:
    """Room in bytes, as of now."""

    total: int
    free: int
    provisioned: int                 # what all volumes and snapshots would take when written full
    allocated: int                   # what they take
    volumes: int = 0
    metadata_used: float | None = None           # part of a pool's metadata that is used, 0 to 1; None: there is none
    warnings: tuple[str, ...] = ()               # what the operator should see to, in words


@dataclass(frozen=True)
class Manageable:
    """Something in the back end that is no volume (or snapshot) of ours, or is one already."""

    reference: str                   # names it to `manage_volume`
    size: int
    safe: bool                       # it can be managed
    reason: str = ""                 # why not
    id: str = ""                     # of the volume or snapshot that it is already
    of_volume: str = ""              # a snapshot: the id of its volume


@dataclass(frozen=True)
class Extent:
    """A piece of a disk; `data` False: it reads as zeros."""

    offset: int
    length: int
    data: bool


@dataclass(frozen=True)
class Capabilities:
    """What may be promised of this back end."""

    kind: str                        # "file", "lvm", ...: Cinder's storage_protocol
    thin: bool = True
    thick: bool = False
    live_snapshots: LiveSnapshots = LiveSnapshots.NONE
    live_merge: bool = False
    live_extend: bool = True
    multiattach: bool = True
    clones_hang: bool = False        # what clones stand on cannot go (StillNeeded) before `merge_volume(alone=True)`
    revert: bool = True
    manage: bool = True
    manage_snapshots: bool = False
    encryption: tuple[str, ...] = ()             # providers: luks, luks2, plain
    ciphers: tuple[str, ...] = ()
    online_copies: bool = True       # a volume that a guest has open can be read by `open_disk` and `export` (crash-consistent)
    most_size: int = 1 << 46         # of a volume, in bytes
    notes: tuple[tuple[str, str], ...] = ()      # further facts for operators: (name, value)


@dataclass(frozen=True)
class VolumeConfig:
    """One back end as the settings have it."""

    name: str                        # of the back end
    address: str                     # what stands behind DRIVER: in the settings: a directory, VOLUME_GROUP/POOL
    state_dir: str
    image_cache_max_bytes: int = 50 << 30
    chain_max: int = 8
    cache: str = "auto"              # cache mode of guests' disks; auto: the best that the back end can
    group: int = -1                  # QEMU's group, which must be let through; -1: QEMU is root


# -- the driver ---------------------------------------------------------------------------------------------------------


class Disk(ABC):
    """A volume or snapshot opened by the daemon itself, as a guest would see it. Offsets and lengths are multiples of 512."""

    size: int

    @abstractmethod
    def extents(self, offset: int = 0, length: int | None = None) -> AsyncIterator[Extent]:
        """The pieces from `offset` on, in order and without gaps; what is told as data may be zeros all the same."""

    @abstractmethod
    async def read(self, offset: int, length: int) -> bytes: ...

    @abstractmethod
    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Raises BackendFull, VolumeError; for one opened to be read, too."""

    @abstractmethod
    async def zero(self, offset: int, length: int) -> None:
        """Make a piece read as zeros, and give its room back where that works."""

    @abstractmethod
    async def flush(self) -> None:
        """What was written is on stable storage."""

    @abstractmethod
    async def close(self) -> None:
        """Let go; what was not flushed may be lost in a power cut. Repeatable."""


class VolumeDriver(ABC):
    """One back end. Errors are VolumeError."""

    kind: ClassVar[str]
    config: VolumeConfig

    @abstractmethod
    async def open(self) -> None:
        """Find out what the back end can; finish or drop what an earlier life left half done. Raises VolumeError, BackendDown."""

    async def admit(self, group: int) -> None:  # noqa: B027 (of devices there is nothing to do)
        """Let the group that QEMU runs in through to what it is to open; who may open which file libvirt sees to."""

    @abstractmethod
    async def close(self) -> None:
        """Let go; volumes that guests have open stay as they are."""

    @abstractmethod
    async def health(self) -> None:
        """Raises BackendDown with the reason when the back end does not work."""

    @abstractmethod
    def caps(self) -> Capabilities:
        """Known once open."""

    @abstractmethod
    async def stats(self) -> Statistics: ...

    @abstractmethod
    async def list(self) -> Inventory: ...

    @abstractmethod
    async def tidy(self) -> None:
        """Remove what belongs to nothing, and layers that nobody needs any more."""

    # -- volumes ----------------------------------------------------------------------------------------------------

    @abstractmethod
    async def create_volume(self, spec: VolumeSpec, source: Source | None = None, passphrase: Passphrase | None = None) -> VolumeInfo:
        """Blank (it reads zeros), or a copy of the source, lengthened to `spec.size`; less than the source's size is refused.

        The copy of an encrypted source has its passphrase. An encrypted volume from what is not encrypted is copied, not layered.
        """

    @abstractmethod
    async def volume(self, volume_id: str) -> VolumeInfo:
        """Raises VolumeMissing."""

    @abstractmethod
    async def extend_volume(self, volume_id: str, size: int) -> VolumeInfo:
        """Never shrinks: a size that it has already changes nothing, a smaller one is refused. Open or not."""

    @abstractmethod
    async def delete_volume(self, volume_id: str) -> None:
        """Its snapshots stay. Raises VolumeBusy; StillNeeded where clones hang."""

    @abstractmethod
    async def revert_volume(self, volume_id: str, snapshot_id: str, passphrase: Passphrase | None = None) -> VolumeInfo:
        """The volume becomes what the snapshot is, and keeps its size. Raises VolumeBusy. An encrypted one may need its passphrase."""

    @abstractmethod
    async def merge_volume(self, volume_id: str, *, alone: bool = False, passphrase: Passphrase | None = None) -> VolumeInfo:
        """Merge the layers that only this volume needs; `alone`: copy the others too, so that it hangs together with nothing.

        Raises VolumeBusy when it is open and not `caps().live_merge`. An encrypted one needs its passphrase.
        """

    # -- snapshots --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def prepare_snapshot(self, volume_id: str, snapshot_id: str, access: Access,
                               passphrase: Passphrase | None = None) -> Connection:
        """Only where `live_snapshots` is SWITCH: the layer that the guest is to be switched to. From now on `connect` tells it,
        too. Given up by `delete_snapshot`."""

    @abstractmethod
    async def create_snapshot(self, volume_id: str, snapshot_id: str, *, in_use: bool = False,
                              passphrase: Passphrase | None = None) -> SnapshotInfo:
        """Raises VolumeBusy when it is open and not `in_use`. For one that was prepared: the guest has been switched."""

    @abstractmethod
    async def snapshot(self, snapshot_id: str) -> SnapshotInfo:
        """Raises VolumeMissing."""

    @abstractmethod
    async def delete_snapshot(self, snapshot_id: str) -> None:
        """What stands on it keeps what it needs. Raises StillNeeded where clones hang."""

    # -- data -------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def cache_image(self, image_id: str, path: Path, format: str) -> CachedImage:
        """Bring an image here from a local file, checked and converted, for any number of `FromImage`. Raises BadImage.

        Callers for one image share one conversion. Images that were used longest ago go when the cache is full.
        """

    @abstractmethod
    async def drop_image(self, image_id: str) -> None:
        """Forget it; volumes made from it keep what they need."""

    @abstractmethod
    async def connect(self, volume_id: str, access: Access = Access()) -> Connection:
        """Make the volume ready to be opened by a guest. For each start and each attach."""

    @abstractmethod
    async def disconnect(self, volume_id: str) -> None:
        """No guest has it open any more."""

    @abstractmethod
    async def open_disk(self, ref: Ref, *, write: bool = False, passphrase: Passphrase | None = None) -> Disk:
        """Read or write from within the daemon. Raises VolumeBusy for writing what a guest has open, or what somebody writes."""

    @abstractmethod
    async def changed(self, ref: Ref, since: str, passphrase: Passphrase | None = None) -> tuple[Extent, ...] | None:
        """The pieces that may read otherwise than in a snapshot of the same volume, in order; None where that cannot be told. What lies
        behind the end that the volume had then is among them only where it was written."""

    @abstractmethod
    async def export(self, ref: Ref, target: Path, format: str = "raw", *, compress: bool = False,
                     passphrase: Passphrase | None = None) -> None:
        """A complete copy in a local file, sparse: raw, qcow2, vmdk, vdi, vhdx, vpc."""

    # -- what is there already --------------------------------------------------------------------------------------

    @abstractmethod
    async def manageable(self) -> tuple[Manageable, ...]:
        """What could be managed, and what is managed already."""

    @abstractmethod
    async def manage_volume(self, volume_id: str, reference: str) -> VolumeInfo:
        """Make a thing of the back end our volume; its size may be rounded up. Raises VolumeMissing, BadImage, VolumeBusy."""

    @abstractmethod
    async def manage_snapshot(self, volume_id: str, snapshot_id: str, reference: str) -> SnapshotInfo:
        """Only where `caps().manage_snapshots`; the thing must be a snapshot of this volume."""

    @abstractmethod
    async def unmanage(self, ref: Ref) -> str:
        """Forget a volume or a snapshot, whose data stays; the reference under which it can be managed again. Raises VolumeBusy."""
