"""The contract of hypervisor drivers on the simulated one; tests/guest/hypervisor runs the same on libvirt."""

import sys
from pathlib import Path

import pytest_asyncio

sys.path.append(str(Path(__file__).parents[2] / "guest" / "hypervisor"))

from hv_contract import *  # noqa: E402, F403
from hv_rig import Rig, config_below  # noqa: E402

from cloudd.core.disks.qcow2 import empty_qcow2  # noqa: E402
from cloudd.drivers.hypervisor.simulated import SimulatedHypervisor  # noqa: E402


@pytest_asyncio.fixture
async def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hv")               # its name is short, as unix sockets need it
    image = folder / "image.qcow2"
    image.write_bytes(empty_qcow2(64 << 20))
    made = Rig(SimulatedHypervisor, config_below(folder, boot_seconds=0.001), image, "qcow2", patience=5)
    await made.open()
    yield made
    await made.clear()
    await made.hypervisor.close()
