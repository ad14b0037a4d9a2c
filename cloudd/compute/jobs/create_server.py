"""Build a server: its images here, its disks made, its domain started paused and its ports wired; then it runs."""

from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.boot.spec import Boot
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server
from cloudd.core.jobs import Job, Run, Step, together


async def fetch_images(run: Run, boot: Boot) -> bool:
    """Its images, where they are not here yet; that may take long, so it is told. Whether there were such."""
    missing = set(boot_disks.wanted_images(boot)) - await steps.hypervisor(run).disks.cached_images()
    if missing:
        await become(run, states.BLOCK_DEVICES)
    for image_id in missing:
        await boot_disks.fetch(run.parts, image_id)
    return bool(missing)


async def become(run: Run, task_state: str) -> None:
    async with run.write() as tx:
        states.working(await tx.get_one(Server, run.input["server"]), task_state)


async def make_disks(run: Run) -> None:
    boot = await steps.load(run)
    if await fetch_images(run, boot):
        boot = await steps.load(run)                          # it may have changed in the meantime
    await boot_disks.make(run.parts, boot)
    await boot_disks.write_config_drive(run.parts, boot)
    run.handed[steps.BOOT] = boot


async def remove_disks(run: Run) -> None:
    await steps.hypervisor(run).disks.delete(run.input["server"])


async def start_wired(run: Run) -> None:
    await together(steps.start_wired(run), become(run, states.SPAWNING))


CREATE = Job("compute.server.create", [
    Step(make_disks, undo=remove_disks, deadline="transfer", brief=True),
    Step(steps.define, undo=steps.undefine, brief=True),
    Step(start_wired, undo=steps.take_down, brief=True),
    Step(steps.running(states.ACTIVE, "create", progress=0, admin_pass=None, injected_files=None)),
], on_fail=steps.failed("create", "The server could not be built", broken=True))
