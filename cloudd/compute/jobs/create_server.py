"""Build a server: its images here, its disks made, its domain started paused and its ports wired; then it runs."""

from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.boot.spec import Boot
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server
from cloudd.core.jobs import Job, Run, Step


async def fetch_images(run: Run, boot: Boot) -> None:
    """Its images, where they are not here yet; that may take long, so it is told."""
    missing = set(boot_disks.wanted_images(boot)) - await steps.hypervisor(run).disks.cached_images()
    if missing:
        async with run.write() as tx:
            states.working(await tx.get_one(Server, boot.server.id), states.BLOCK_DEVICES)
    for image_id in missing:
        await boot_disks.fetch(run.parts, image_id)


async def make_disks(run: Run) -> None:
    boot = await steps.load(run, whole=False)
    await fetch_images(run, boot)
    await boot_disks.make(run.parts, boot)
    if boot.server.config_drive:
        await boot_disks.write_config_drive(run.parts, await steps.load(run))
    async with run.save() as tx:
        states.working(await tx.get_one(Server, run.input["server"]), states.SPAWNING)


async def remove_disks(run: Run) -> None:
    await steps.hypervisor(run).disks.delete(run.input["server"])


CREATE = Job("compute.server.create", [
    Step(make_disks, undo=remove_disks, deadline="transfer"),
    Step(steps.define, undo=steps.undefine),
    Step(steps.start_wired, undo=steps.take_down),
    Step(steps.running(states.ACTIVE, "create", progress=0, admin_pass=None, injected_files=None)),
], on_fail=steps.failed("create", "The server could not be built", broken=True))
