"""What a simulated back end holds: a small file of JSON each, and its data beside it as far as any was written."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cloudd.core.disks.files import copy_sparse, data_of
from cloudd.drivers.volume.base import CachedImage, Extent, SnapshotInfo, VolumeInfo

VOLUME, SNAPSHOT, IMAGE = "volume", "snapshot", "image"
BLOCK = 1 << 16


@dataclass
class Record:
    kind: str
    id: str
    size: int
    volume_id: str = ""                          # of a snapshot
    origin: str = ""                             # "snapshot ID" or "volume ID": what it hangs on, where clones hang
    lock: str = ""                               # of an encrypted one: what its passphrase opens
    thick: bool = False
    used_at: float = 0
    prepared: list[str] = field(default_factory=list)         # snapshots that the guest is to be switched for

    @property
    def name(self) -> str:
        return f"{self.kind} {self.id}"


class Records:
    def __init__(self, folder: Path):
        self.folder = folder
        self.loose = folder / "loose"
        self._all: dict[str, Record] = {}

    def open(self) -> None:
        self.loose.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob("*.new"):
            path.unlink()
        self._all = {}
        for path in self.folder.glob("*.json"):
            record = Record(**json.loads(path.read_text()))
            self._all[record.name] = record

    def of(self, kind: str) -> list[Record]:
        return [record for record in self._all.values() if record.kind == kind]

    def get(self, kind: str, id_: str) -> Record | None:
        return self._all.get(f"{kind} {id_}")

    def put(self, record: Record) -> None:
        path = self._path(record, ".json")
        path.with_suffix(".new").write_text(json.dumps(asdict(record)))
        os.replace(path.with_suffix(".new"), path)
        self._all[record.name] = record

    def drop(self, record: Record) -> None:
        if self._all.pop(record.name, None) is not None:
            self._path(record, ".json").unlink(missing_ok=True)
            self.data(record).unlink(missing_ok=True)

    def data(self, record: Record) -> Path:
        """The file of what was written; shorter than the record says, or not there, where the rest is zeros."""
        return self._path(record, ".data")

    def copy(self, source: Record, target: Record) -> None:
        if self.data(source).exists():
            copy_sparse(self.data(source), self.data(target))
        else:
            self.data(target).unlink(missing_ok=True)

    def allocated(self, record: Record) -> int:
        if record.thick:
            return record.size
        path = self.data(record)
        return path.stat().st_blocks * 512 if path.exists() else 0

    def hanging(self, name: str) -> tuple[str, ...]:
        """Ids of what hangs on a record."""
        return tuple(sorted(record.id for record in self._all.values() if record.origin == name))

    def depth(self, record: Record) -> int:
        return 1 + (self.depth(self._all[record.origin]) if record.origin in self._all else 0)

    def differences(self, one: Record, other: Record) -> tuple[Extent, ...]:
        """By blocks: where either has data, and not the same."""
        blocks = sorted(set(self._blocks(one)) | set(self._blocks(other)))
        return tuple(Extent(at, min(BLOCK, one.size - at), True) for at in blocks
                     if at < one.size and self._block(one, at) != self._block(other, at))

    def _blocks(self, record: Record) -> Iterator[int]:
        if self.data(record).exists():
            with self.data(record).open("rb") as file:
                for start, end in data_of(file.fileno(), os.fstat(file.fileno()).st_size):
                    yield from range(start // BLOCK * BLOCK, end, BLOCK)

    def _block(self, record: Record, at: int) -> bytes:
        if not self.data(record).exists():
            return bytes(BLOCK)
        with self.data(record).open("rb") as file:
            file.seek(at)
            return file.read(BLOCK).ljust(BLOCK, b"\0")

    def leftovers(self) -> list[Path]:
        """Data whose record is not there."""
        known = {self.data(record) for record in self._all.values()}
        return sorted(path for path in self.folder.glob("*.data") if path not in known)

    def volume(self, record: Record) -> VolumeInfo:
        return VolumeInfo(record.id, record.size, self.allocated(record), bool(record.lock), self.depth(record))

    def snapshot(self, record: Record) -> SnapshotInfo:
        return SnapshotInfo(record.id, record.volume_id, record.size, self.allocated(record), bool(record.lock))

    def image(self, record: Record) -> CachedImage:
        return CachedImage(record.id, record.size, self.allocated(record), record.used_at)

    def _path(self, record: Record, ending: str) -> Path:
        return self.folder / f"{record.kind}-{record.id}{ending}"
