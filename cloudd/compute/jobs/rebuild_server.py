"""Rebuild a server: new disks from an image, the same ports and addresses."""

from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server
from cloudd.core.jobs import Job, Run, Step


async def fetch_images(run: Run) -> None:
    """Before anything is taken away: an image that cannot be had leaves the server's disk as it is."""
    boot = await steps.load(run, whole=False)
    for image_id in boot_disks.wanted_images(boot):
        await boot_disks.fetch(run.parts, image_id)


async def replace_disks(run: Run) -> None:
    boot = await steps.load(run)
    for image_id in boot_disks.wanted_images(boot):
        await boot_disks.fetch(run.parts, image_id)
    await steps.undefine(run)
    await steps.hypervisor(run).disks.delete(boot.server.id)
    await boot_disks.make(run.parts, boot)
    await boot_disks.write_config_drive(run.parts, boot)
    async with run.save() as tx:
        states.working(await tx.get_one(Server, boot.server.id), "rebuild_spawning")


async def start_wired(run: Run) -> None:
    await (steps.unwire if run.input["stopped"] else steps.start_wired)(run)


async def let_run(run: Run) -> None:
    if not run.input["stopped"]:
        await steps.let_run(run)


async def mark(run: Run) -> None:
    state = states.STOPPED if run.input["stopped"] else states.ACTIVE
    await steps.marked(state, "rebuild", progress=0, admin_pass=None, injected_files=None)(run)


REBUILD = Job("compute.server.rebuild", [
    Step(fetch_images, deadline="transfer"), Step(steps.switch_off), Step(replace_disks, deadline="disks"), Step(steps.define, brief=True),
    Step(start_wired, undo=steps.take_down, brief=True), Step(let_run, brief=True), Step(mark),
], on_fail=steps.failed("rebuild", "The server could not be rebuilt", broken=True))
