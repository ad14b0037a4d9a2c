"""What a volume group holds, as one report of LVM tells it; and what our tags on it mean.

A logical volume is ours by its tags, whatever it is called: names are for people. Tags are changed by one write of the group's metadata,
so whatever takes several steps leaves a tag that says how to finish it:

    cloudd.volume=ID, cloudd.snapshot=ID, cloudd.image=ID     what it is
    cloudd.of=ID                    a snapshot: of which volume; stays when it is unmanaged
    cloudd.size=BYTES               an image: of the disk in it; cloudd.takes=BYTES: of the pool
    cloudd.new=KIND:ID              being filled; nobody's if its maker is gone
    cloudd.least=BYTES              it is to be lengthened to this, if it is shorter
    cloudd.fill=OFFSET              a thick one: zeros are to be written from here to its end
    cloudd.thick                    all its room is taken
    cloudd.replaces=UUID            of two that say they are one volume, it is this one
"""

import json
from dataclasses import dataclass, replace
from typing import Any

FIELDS = ("vg_name", "vg_uuid", "vg_extent_size", "vg_missing_pv_count", "lv_name", "lv_uuid", "lv_size", "pool_lv", "origin", "lv_tags",
          "data_percent", "segtype", "thin_id", "chunk_size", "zero", "lv_when_full", "lv_check_needed", "lv_metadata_size")
OPTIONS = ("--reportformat", "json", "--units", "b", "--nosuffix", "-o", ",".join(FIELDS))
OURS = "cloudd"
VOLUME, SNAPSHOT, IMAGE = "volume", "snapshot", "image"
PREFIXES = {VOLUME: "volume-", SNAPSHOT: "_snapshot-", IMAGE: "image-"}          # LVM keeps names that begin with snapshot to itself


@dataclass(frozen=True)
class Logical:
    """A logical volume."""

    name: str
    size: int
    uuid: str = ""
    kind: str = "thin"                   # LVM's type of its first segment
    pool: str = ""
    origin: str = ""
    thin_id: int = -1
    used: float = 0.0                    # part of it that takes room; 0 where nobody has activated it
    tags: frozenset[str] = frozenset()

    def fact(self, name: str) -> str:
        """What a tag of ours says; empty without it."""
        start = f"{OURS}.{name}="
        return next((tag.removeprefix(start) for tag in self.tags if tag.startswith(start)), "")

    @property
    def ours(self) -> bool:
        return OURS in self.tags

    @property
    def thick(self) -> bool:
        return f"{OURS}.thick" in self.tags

    @property
    def least(self) -> int:
        return int(self.fact("least") or 0)

    @property
    def exact(self) -> int:
        """Bytes of the disk in it."""
        return int(self.fact("size") or self.size)

    @property
    def allocated(self) -> int:
        return int(self.fact("takes") or self.size * self.used)

    @property
    def unfinished(self) -> bool:
        return bool(self.fact("fill")) or self.least > self.size


@dataclass(frozen=True)
class Pool:
    name: str
    size: int
    metadata_size: int
    chunk: int
    when_full: str                       # error, queue
    zeroes: bool                         # new chunks, before anybody reads them
    broken: bool                         # it waits for lvconvert --repair


@dataclass(frozen=True)
class Report:
    group: str
    uuid: str
    extent: int
    missing: int                         # devices of the group that are not there
    volumes: dict[str, Logical]          # all in the group, by name
    pools: dict[str, Pool]

    def found(self, kind: str, id_: str) -> Logical | None:
        tag = f"{OURS}.{kind}={id_}"
        return _valid([one for one in self.volumes.values() if tag in one.tags])

    def ours(self, kind: str) -> list[tuple[str, Logical]]:
        """All of a kind, by id."""
        claims: dict[str, list[Logical]] = {}
        for one in self.volumes.values():
            if id_ := one.fact(kind):
                claims.setdefault(id_, []).append(one)
        return [(id_, valid) for id_, there in sorted(claims.items()) if (valid := _valid(there))]

    def leftovers(self) -> list[Logical]:
        """What was never finished, and what was replaced."""
        kept = {found.name for kind in PREFIXES for _, found in self.ours(kind)}
        return [one for one in self.volumes.values() if one.ours and one.name not in kept]

    def rounded(self, size: int) -> int:
        return -(-size // self.extent) * self.extent

    # -- what a command has changed, without asking again --------------------------------------------------------------

    def with_one(self, made: Logical) -> "Report":
        return replace(self, volumes={**self.volumes, made.name: made})

    def without(self, name: str) -> "Report":
        return replace(self, volumes={other: one for other, one in self.volumes.items() if other != name})

    def renamed(self, old: str, new: str) -> "Report":
        return self.without(old).with_one(replace(self.volumes[old], name=new))


def _valid(claims: list[Logical]) -> Logical | None:
    """Of those that say they are one thing: the one that replaces the other."""
    return max(claims, key=lambda one: any(one.fact("replaces") == other.uuid for other in claims), default=None)


def name_of(kind: str, id_: str) -> str:
    return PREFIXES[kind] + id_


def tags_of(kind: str, id_: str, **facts: object) -> frozenset[str]:
    """`facts` by name; True: a tag that says nothing but itself; False and empty ones are left out."""
    told = {f"{OURS}.{name}" if value is True else f"{OURS}.{name}={value}" for name, value in facts.items() if value not in (False, "")}
    return frozenset({OURS, f"{OURS}.{kind}={id_}", *told})


def parse(text: str | bytes) -> Report | None:
    """None: there is no such group, or nothing in it."""
    rows = [row for part in json.loads(text)["report"] for row in part["lv"]]
    if not rows:
        return None
    volumes: dict[str, Logical] = {}
    pools: dict[str, Pool] = {}
    for row in rows:
        if row["segtype"] == "thin-pool":
            pools[row["lv_name"]] = _pool(row)
        else:
            volumes.setdefault(row["lv_name"], _logical(row))
    first = rows[0]
    return Report(first["vg_name"], first["vg_uuid"], int(first["vg_extent_size"]), int(first["vg_missing_pv_count"]), volumes, pools)


def _logical(row: dict[str, Any]) -> Logical:
    return Logical(row["lv_name"], int(row["lv_size"]), row["lv_uuid"], row["segtype"], row["pool_lv"], row["origin"],
                   int(row["thin_id"] or -1), float(row["data_percent"] or 0) / 100, frozenset(filter(None, row["lv_tags"].split(","))))


def _pool(row: dict[str, Any]) -> Pool:
    return Pool(row["lv_name"], int(row["lv_size"]), int(row["lv_metadata_size"] or 0), int(row["chunk_size"]), row["lv_when_full"],
                row["zero"] in ("zero", "1"), row["lv_check_needed"] in ("check needed", "1"))
