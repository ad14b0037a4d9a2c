"""What the fault tests of a real cloud share: the cloud with a guest that runs and one that is off, and what must hold of them."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests import realcloud, realtenant
from tests.realtenant import Tenant

IMAGE = Path(os.environ.get("CLOUDD_TEST_IMAGE", realcloud.ROOT / "build/testguest/testguest.qcow2"))


@dataclass
class Household:
    """A cloud in which a guest runs, reached by its floating address, and another one is off."""

    cloud: realcloud.RealCloud
    tenant: Tenant
    runs: str = ""
    address: str = ""
    off: str = ""
    boot: str = ""

    async def settle(self) -> None:
        self.runs, self.off = await self.tenant.create("runs"), await self.tenant.create("off")
        for server in (self.runs, self.off):
            await self.tenant.becomes(server, "ACTIVE")
        self.address = await self.tenant.floating_ip(self.runs)
        await self.tenant.admin.post(f"{realtenant.C}/servers/{self.off}/action", {"os-stop": None})
        self.boot = await self.tenant.reaches(self.address)
        await self.tenant.becomes(self.off, "SHUTOFF", 120)

    async def kill(self) -> None:
        await asyncio.to_thread(self.cloud.daemon.kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.cloud.daemon.start)

    async def require_unharmed(self, process: int | None) -> None:
        """The guest that ran still runs, in the same process and the same boot, and is reached."""
        assert self.tenant.qemu(self.runs) == process
        assert (await self.tenant.show(self.runs))["status"] == "ACTIVE"
        assert await self.tenant.reaches(self.address, seconds=30) == self.boot

    async def require_as(self, before: set[str]) -> None:
        """The machine holds what it held before, in a moment."""
        async def same() -> bool:
            return await asyncio.to_thread(self.tenant.traces) == before
        try:
            await realtenant.until(same)
        except TimeoutError:
            now = await asyncio.to_thread(self.tenant.traces)
            raise AssertionError(f"left over: {sorted(now - before)}; missing: {sorted(before - now)}") from None


@contextlib.asynccontextmanager
async def household() -> AsyncIterator[Household]:
    """A cloud of its own, filled and settled; gone afterwards, but for its logs when something failed."""
    work = Path(tempfile.mkdtemp(prefix="cloudd-fault-"))
    cloud = realcloud.RealCloud(work, f"fault-{os.getpid()}")
    try:
        await asyncio.to_thread(cloud.start)
        await asyncio.to_thread(cloud.daemon.init, "--no-guest", "--guest-image", str(IMAGE))
        async with realtenant.at_work(cloud) as tenant:
            house = Household(cloud, tenant)
            await house.settle()
            yield house
    finally:
        print(f"\ncloudd said:\n{realtenant.tail_of(work / 'cloudd.log')}")
        await asyncio.to_thread(cloud.close)
        shutil.rmtree(work, ignore_errors=True)
