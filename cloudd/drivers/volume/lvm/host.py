"""What an operator is told of a pool, and of this machine's own LVM: with its own configuration it may find the groups of guests."""

import json
from dataclasses import dataclass
from pathlib import Path

from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.lvm.backend import Backend
from cloudd.drivers.volume.lvm.devmapper import DeviceMapper
from cloudd.drivers.volume.lvm.fill import Fill
from cloudd.drivers.volume.lvm.group import Run, VolumeGroup, parsed, run_lvm
from cloudd.drivers.volume.lvm.report import OURS


@dataclass(frozen=True)
class Inside:
    """A volume group that a guest has made in its volume."""

    group: str
    volume: str                          # VOLUME_GROUP/NAME


async def look(address: str, run: Run = run_lvm, mapper: DeviceMapper | None = None) -> tuple[str, ...]:
    """How full a pool is, where that is a warning; nothing is changed. Raises ValueError, VolumeError."""
    group = VolumeGroup(*parsed(address), run)
    report = await group.open()
    group.require_pool(report)
    back = Backend(VolumeConfig("", address, ""), group, mapper or DeviceMapper(), Fill(address))
    return back.fill.warnings(await back.state())


async def groups_inside(group: str, run: Run = run_lvm) -> list[Inside]:
    """Raises VolumeError when LVM is not there; an LVM that fails finds nothing."""
    volumes = {Path(row["lv_path"]).resolve(): f"{group}/{row['lv_name']}"
               for row in await _rows(run, "lv", "lvs", "-o", "lv_name,lv_path", "-S", f"tags={OURS}", group) if row["lv_path"]}
    found = [(row["vg_name"], Path(row["pv_name"]).resolve()) for row in await _rows(run, "pv", "pvs", "-o", "pv_name,vg_name")]
    return [Inside(name or "one not named yet", volumes[path]) for name, path in found if path in volumes]


async def _rows(run: Run, kind: str, *words: str) -> list[dict[str, str]]:
    status, output, _ = await run((words[0], "--reportformat", "json", *words[1:]))
    return [] if status else [row for part in json.loads(output)["report"] for row in part[kind]]
