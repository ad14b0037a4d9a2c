"""Guest tests of the libvirt driver: real guests on the machine's libvirt, marked with the cloud id hv-test, files below /tmp/hv.

HV_TESTGUEST names the folder that the test guest was built into (tests say where it is not there).
"""

import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parent)]

from hv_rig import Rig, config_below  # noqa: E402

GUEST = Path(os.environ.get("HV_TESTGUEST", "/tmp/testguest"))
STATE = Path("/tmp/hv")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(240))
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root"))
            elif not (GUEST / "testguest.qcow2").exists():
                item.add_marker(pytest.mark.skip(reason=f"no test guest in {GUEST}"))


@pytest_asyncio.fixture
async def rig():
    from cloudd.drivers.hypervisor.libvirt import LibvirtHypervisor

    made = Rig(LibvirtHypervisor, config_below(STATE, cloud_id="hv-test"), GUEST / "testguest.qcow2", "qcow2", patience=120)
    await made.open()
    for status in await made.hypervisor.list():              # an earlier run that was killed
        made.made.append(status.server_id)
    await made.clear()
    yield made
    await made.clear()
    await made.hypervisor.disks.drop_image("image")
    await made.hypervisor.close()
