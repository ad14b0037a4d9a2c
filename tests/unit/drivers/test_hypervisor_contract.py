"""The contract of hypervisor drivers on the simulated one; tests/guest/hypervisor runs the same on libvirt."""

import sys
from pathlib import Path

import pytest_asyncio

sys.path.append(str(Path(__file__).parents[2] / "guest" / "hypervisor"))

from hv_contract import *  # noqa: E402, F403
from hv_rig import Rig, config_below  # noqa: E402
from hv_volumes import *  # noqa: E402, F403

from cloudd.core.disks.qcow2 import empty_qcow2  # noqa: E402
from cloudd.drivers.hypervisor.simulated import SimulatedHypervisor  # noqa: E402
from cloudd.drivers.hypervisor.simulated.domains import revived  # noqa: E402


class SimulatedRig(Rig):
    def _disk(self, view, volume_id):
        return revived(view.disks[volume_id])

    async def limits(self, server_id, volume_id):
        domain = self.hypervisor._register.domains[server_id]
        return tuple(self._disk(view, volume_id).connection.limits for view in (domain.live, domain.config))

    async def next_start(self, server_id, volume_id):
        told = self._disk(self.hypervisor._register.domains[server_id].config, volume_id).connection
        return (told.path, *(layer.path for layer in told.beneath))

    async def stands_still(self, server_id):
        return self.hypervisor.volumes.held(server_id)

    async def traces(self, server_id):
        """All that is written down of a guest."""
        return b"".join(path.read_bytes() for path in self.hypervisor._layout.instances.rglob("*.json"))

    async def secrets(self, server_id):
        return ()


@pytest_asyncio.fixture
async def rig(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hv")               # its name is short, as unix sockets need it
    image = folder / "image.qcow2"
    image.write_bytes(empty_qcow2(64 << 20))
    made = SimulatedRig(SimulatedHypervisor, config_below(folder, boot_seconds=0.001), image, "qcow2", patience=5)
    await made.open()
    yield made
    await made.clear()
    await made.hypervisor.close()
