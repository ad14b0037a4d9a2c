"""What all parts of the driver share: the group, the kernel's view of it, and who works on what."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudd.core.work.turns import Turns
from cloudd.drivers.volume.base import BackendDown, VolumeBusy, VolumeConfig, VolumeMissing
from cloudd.drivers.volume.lvm.devmapper import DeviceMapper, PoolState, device_name
from cloudd.drivers.volume.lvm.fill import Fill
from cloudd.drivers.volume.lvm.group import VolumeGroup
from cloudd.drivers.volume.lvm.report import SNAPSHOT, Logical, Report

UDEV = Path("/run/udev/control")
UDEV_TURNS, UDEV_SECONDS = 20, 0.1       # udev looks into a device that was written and closed


@dataclass
class Backend:
    config: VolumeConfig
    group: VolumeGroup
    mapper: DeviceMapper
    fill: Fill
    turns: Turns = field(default_factory=Turns)
    written: set[str] = field(default_factory=set)           # names that the daemon itself has open to write
    readers: Counter[str] = field(default_factory=Counter)   # names that it has open to read
    being_made: set[str] = field(default_factory=set)        # names that are being filled

    def turn(self, *subjects: str) -> AbstractAsyncContextManager[None]:
        return self.turns.all_of(*subjects)

    async def find(self, kind: str, id_: str) -> Logical:
        """Raises VolumeMissing."""
        if (found := await self.seek(kind, id_)) is None:
            raise VolumeMissing(f"the back end {self.config.name} has no {kind} {id_}")
        return found

    async def seek(self, kind: str, id_: str) -> Logical | None:
        """It is only not there when the group itself says so."""
        return (await self.group.look()).found(kind, id_) or (await self.group.look(fresh=True)).found(kind, id_)

    # -- devices -----------------------------------------------------------------------------------------------------

    def device(self, logical: Logical) -> Path:
        return Path("/dev") / self.group.name / logical.name

    async def activate(self, logical: Logical) -> Path:
        """Past its flag, which keeps snapshots and images from being activated at boot."""
        if await self.opened(logical) is None:
            await self.group.change("lvchange", "-ay", "-K", self.group.of(logical.name), effect=same)
        return self.device(logical)

    async def deactivate(self, logical: Logical) -> None:
        if await self.opened(logical) is not None:
            await self.group.change("lvchange", "-an", self.group.of(logical.name), effect=same)

    async def opened(self, logical: Logical) -> int | None:
        return await asyncio.to_thread(self.mapper.opened, device_name(self.group.name, logical.name))

    async def shut(self, logical: Logical, id_: str, *, but_readers: bool = False) -> None:
        """Raises VolumeBusy while a guest, or the daemon, has it open."""
        ours = self.readers[logical.name] if but_readers else 0
        for _ in range(UDEV_TURNS if UDEV.exists() else 1):
            if logical.name in self.written:
                break
            if (await self.opened(logical) or 0) <= ours:
                return
            if UDEV.exists():
                await asyncio.sleep(UDEV_SECONDS)
        raise VolumeBusy(f"{logical_kind(logical)} {id_} is open")

    # -- room --------------------------------------------------------------------------------------------------------

    async def state(self) -> PoolState:
        """Raises BackendDown."""
        found = await asyncio.to_thread(self.mapper.pool, await self.pool_device(), self.group.pool.chunk)
        if found is None:
            raise BackendDown(f"the thin pool {self.config.address} went away")
        return found

    async def full(self) -> bool:
        """Writes that need new room fail."""
        state = await self.state()
        return state.used >= state.total or state.mode == "out_of_data_space"

    async def pool_device(self) -> str:
        """The kernel's name of the pool itself: with volumes in it LVM puts another device on top. Raises BackendDown."""
        name = device_name(self.group.name, self.group.pool_name)
        for device in (f"{name}-tpool", name):
            if await asyncio.to_thread(self.mapper.opened, device) is not None:
                return device
        raise BackendDown(f"the thin pool {self.config.address} is not active: `lvchange -ay -K {self.config.address}`")

    async def require(self, size: int, *, thick: bool = False) -> None:
        self.fill.require(await self.state(), size, thick=thick)

    @asynccontextmanager
    async def making(self, name: str) -> AsyncIterator[None]:
        """Nobody takes it for a leftover meanwhile."""
        self.being_made.add(name)
        try:
            yield
        finally:
            self.being_made.discard(name)

    async def remove(self, logical: Logical) -> None:
        await self.group.change("lvremove", "-f", "-y", self.group.of(logical.name), effect=lambda report: report.without(logical.name))


def same(report: Report) -> Report:
    return report


def logical_kind(logical: Logical) -> str:
    return SNAPSHOT if logical.fact(SNAPSHOT) else "volume"
