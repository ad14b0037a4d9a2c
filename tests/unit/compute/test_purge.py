"""Removing what compute has on the machine, with no daemon running and no other module open."""

from cloudd import settings
from cloudd.compute.service import ComputeModule
from cloudd.core.database import Database
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.drivers.hypervisor.simulated import SimulatedHypervisor


async def test_a_cloud_whose_qemu_has_a_group_of_its_own_could_not_be_purged(tmp_path, monkeypatch):
    monkeypatch.setattr(SimulatedHypervisor, "group", 64055)
    options = settings.load(state_dir=str(tmp_path), simulated=True, environ={})
    parts = Parts(options, Database(options.database.url), Policies())
    await ComputeModule(parts).purge()
    await parts.database.close()
