"""Make what lies in a back end a volume of ours."""

from cloudd.block import faults, messages, quotas, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.block.pools import GIB
from cloudd.core import clock
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.volume.base import VolumeMissing, VolumeRef


async def take(run: Run) -> None:
    """Volumes are whole GiB here, so the thing may grow."""
    volume = await steps.volume_of(run)
    driver = steps.backends(run).of(volume.host)
    info = await driver.manage_volume(volume.id, await steps.named(driver, run.input["reference"]))
    run.memory["size"] = max(1, -(-info.size // GIB))
    if info.size < run.memory["size"] * GIB:
        await driver.extend_volume(volume.id, run.memory["size"] * GIB)


async def give_back(run: Run) -> None:
    volume = await steps.volume_of(run)
    try:
        await steps.backends(run).of(volume.host).unmanage(VolumeRef(volume.id))
    except VolumeMissing:
        return


async def mark_managed(run: Run) -> None:
    size = run.memory["size"]
    async with run.save() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        await quotas.require_size(tx, volume.project_id, size)
        await quotas.require(tx, volume.project_id, volume.volume_type_id, gigabytes=size)
        volume.size, volume.launched_at = size, clock.now()
        states.settle(volume, states.AVAILABLE)
        await tell(tx, run.context, volume, "manage_existing.end")


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        volume.host = None                                    # nothing of it lies anywhere: it may go at once
        states.settle(volume, states.ERROR_MANAGING)
        await faults.record(tx, run.context, volume, error, doing=f"{run.input['reference']} could not be managed",
                            action=messages.CREATE_FROM_BACKEND)


MANAGE = Job("block.volume.manage", [Step(take, undo=give_back, deadline="disks"), Step(mark_managed)], on_fail=mark_error)
