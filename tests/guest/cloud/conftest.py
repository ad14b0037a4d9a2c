"""One whole real cloud for all tests of this folder, and one guest in it that they take turns with."""

import asyncio
import base64
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests import realcloud, realtenant  # noqa: E402

IMAGE = Path(os.environ.get("CLOUDD_TEST_IMAGE", realcloud.ROOT / "build/testguest/testguest.qcow2"))
USER_DATA = "#!/bin/sh\necho user data ran > /tmp/user-data-ran\n"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(240))
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root"))
            elif not IMAGE.exists():
                item.add_marker(pytest.mark.skip(reason=f"no test guest: {IMAGE} is made by `make guest`"))


@pytest.fixture(scope="session")
def real_cloud(request):
    work = Path(tempfile.mkdtemp(prefix="cloudd-guest-"))
    with realcloud.running(realcloud.RealCloud(work, f"guest-{os.getpid()}")) as cloud:
        cloud.daemon.init("--no-guest", "--guest-image", str(IMAGE))
        yield cloud
        if request.session.testsfailed:
            print(f"\ncloudd said:\n{realtenant.tail_of(work / 'cloudd.log')}")
    shutil.rmtree(work)


@pytest.fixture(scope="session")
async def tenant(real_cloud):
    async with realtenant.at_work(real_cloud) as tenant:
        yield tenant


@dataclass
class Guest:
    """A server with a floating address; every test leaves it running and reachable."""

    id: str
    address: str
    tenant: realtenant.Tenant

    async def run(self, command: str) -> str:
        return await self.tenant.reaches(self.address, command)

    async def boot_id(self) -> str:
        return await self.run("cat /proc/sys/kernel/random/boot_id")

    async def boots_again(self, before: str) -> str:
        """Wait until it has booted since; its new boot's id."""
        async def other() -> bool:
            return await self.boot_id() != before
        await realtenant.until(other, realtenant.BOOT_SECONDS)
        return await self.boot_id()


@pytest.fixture(scope="session")
async def guest(tenant):
    server = await tenant.create("guest", config_drive=True, metadata={"colour": "blue"},
                                 user_data=base64.b64encode(USER_DATA.encode()).decode())
    await tenant.becomes(server, "ACTIVE")
    yield Guest(server, await tenant.floating_ip(server), tenant)
    await tenant.drop_floating_ips()
    await asyncio.wait_for(tenant.delete(server), 60)
