"""LVM and the device mapper as the driver meets them: what is asked is noted, what is answered was recorded on a real machine."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.lvm import LvmVolumes
from cloudd.drivers.volume.lvm.devmapper import PoolState

RECORDED = Path(__file__).parent / "lvm_reports"
MIB, GIB = 1 << 20, 1 << 30
A, B, C, D, E, F = (f"{letter * 8}-0000-4000-8000-000000000001" for letter in "abcdef")
"""Recorded: volume A of 1 GiB, its snapshot B, C of 2 GiB cloned from that, D thick, image E and F made from it."""


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


class FakeLvm:
    """Commands that change something succeed and change nothing, unless `fails` says how one complains."""

    def __init__(self, report: str = "lvs.json"):
        self.asked: list[tuple[str, ...]] = []
        self.rows = json.loads(recorded(report))
        self.devices = recorded("pvs.json")
        self.fails: dict[str, tuple[int, str]] = {}
        self.holds: dict[str, asyncio.Event] = {}

    async def __call__(self, words: Sequence[str]) -> tuple[int, str, str]:
        self.asked.append(tuple(words))
        if words[0] in self.holds:
            await self.holds[words[0]].wait()
        if words[0] in self.fails:
            status, complaint = self.fails[words[0]]
            return status, "", complaint
        return 0, {"lvs": json.dumps(self.rows), "pvs": self.devices}.get(words[0], ""), ""

    def row(self, name: str) -> dict[str, str]:
        return next(row for row in self.rows["report"][0]["lv"] if row["lv_name"] == name)

    def add(self, like: str, **changes: str) -> None:
        self.rows["report"][0]["lv"].append({**self.row(like), **changes})

    def commands(self) -> list[tuple[str, ...]]:
        """What was asked since the last time, without the configuration that goes with each."""
        asked = [(command, *words[2:]) if words[:1] == ["--config"] else (command, *words) for command, *words in self.asked]
        self.asked.clear()
        return asked


class FakeMapper:
    def __init__(self) -> None:
        self.state = PoolState(0.1, 0.1, 2 * GIB, 200 * MIB, "rw", False)
        self.open: dict[str, int] = {}

    def opened(self, name: str) -> int | None:
        return self.open.get(name, 0)

    def pool(self, name: str, chunk: int) -> PoolState:
        return self.state

    def filled(self, data: float, metadata: float = 0.1) -> None:
        self.state = replace(self.state, data=data, metadata=metadata, used=int(data * self.state.total))


def driver(lvm: FakeLvm, mapper: FakeMapper, folder: Path) -> LvmVolumes:
    return LvmVolumes(VolumeConfig("fast", "cloud-vg/pool", str(folder)), lvm, mapper)


class Killed(BaseException):
    """The daemon is no more."""


class ActingLvm(FakeLvm):
    """Commands do to the report what LVM does to the group. `dies_at`: the daemon is killed before the nth of them (from 1), or with
    `after` when that one has been done."""

    def __init__(self, report: str = "lvs.json"):
        super().__init__(report)
        self.dies_at, self.after, self.changes = 0, False, 0

    async def __call__(self, words: Sequence[str]) -> tuple[int, str, str]:
        act = getattr(self, f"_{words[0]}", None)
        if act is None:
            return await super().__call__(words)
        self.changes += 1
        if self.changes == self.dies_at and not self.after:
            raise Killed
        self.asked.append(tuple(words))
        act(list(words[3:]))
        if self.changes == self.dies_at:
            raise Killed
        return 0, "", ""

    def names(self) -> set[str]:
        return {row["lv_name"] for row in self.rows["report"][0]["lv"]}

    def _lvcreate(self, words: list[str]) -> None:
        name, last = words[words.index("-n") + 1], words[-1].rpartition("/")[2]
        assert name not in self.names()
        like = last if "-s" in words else "somebodys"
        tags = ",".join(word for before, word in zip(words, words[1:], strict=False) if before == "--addtag")
        self.add(like, lv_name=name, lv_tags=tags, lv_uuid=f"uuid-{self.changes}", origin=last if "-s" in words else "")
        if "-V" in words:
            self.row(name)["lv_size"] = words[words.index("-V") + 1].rstrip("b")

    def _lvremove(self, words: list[str]) -> None:
        self.rows["report"][0]["lv"].remove(self.row(words[-1].rpartition("/")[2]))

    def _lvextend(self, words: list[str]) -> None:
        row, size = self.row(words[-1].rpartition("/")[2]), int(words[words.index("-L") + 1].rstrip("b"))
        assert size > int(row["lv_size"])
        row["lv_size"] = str(size)

    def _lvrename(self, words: list[str]) -> None:
        assert words[-1] not in self.names()
        self.row(words[-2])["lv_name"] = words[-1]

    def _lvchange(self, words: list[str]) -> None:
        row = self.row(words[-1].rpartition("/")[2])
        tags = set(filter(None, row["lv_tags"].split(",")))
        for before, word in zip(words, words[1:], strict=False):
            tags = tags | {word} if before == "--addtag" else tags - {word} if before == "--deltag" else tags
        row["lv_tags"] = ",".join(sorted(tags))
