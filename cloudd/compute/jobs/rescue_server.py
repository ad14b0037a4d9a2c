"""Boot a server from a rescue disk, its own beside it; and back."""

from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.jobs import steps
from cloudd.compute.jobs.start_server import SWITCH_ON
from cloudd.compute.models import Server
from cloudd.core.jobs import Job, Run, Step

RESCUE_IMAGE = "rescue_image"


async def make_rescue_disk(run: Run) -> None:
    boot = await steps.load(run)
    image = boot.server.system_metadata[RESCUE_IMAGE]
    await boot_disks.fetch(run.parts, image["id"])
    await steps.hypervisor(run).disks.create_root_disk(boot.server.id, image["id"], 0, name="rescue")
    await boot_disks.write_config_drive(run.parts, boot)


async def drop_rescue_disk(run: Run) -> None:
    await steps.hypervisor(run).disks.delete(run.input["server"], "rescue")


async def forget_rescue(run: Run) -> None:
    await drop_rescue_disk(run)
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        server.system_metadata = {key: value for key, value in server.system_metadata.items() if key != RESCUE_IMAGE}


RESCUE = Job("compute.server.rescue", [
    Step(make_rescue_disk, undo=drop_rescue_disk, deadline="transfer"),
    Step(steps.shut_down, deadline="guest"),
    Step(steps.define_rescue, brief=True),
    *SWITCH_ON[1:],
    Step(steps.running(states.RESCUED, "rescue", admin_pass=None)),
], on_fail=steps.failed("rescue", "The server could not be rescued", broken=True))
UNRESCUE = Job("compute.server.unrescue", [
    Step(steps.switch_off), Step(forget_rescue), *SWITCH_ON, Step(steps.running(states.ACTIVE, "unrescue")),
], on_fail=steps.failed("unrescue", "The server could not be brought back from its rescue", broken=True))
