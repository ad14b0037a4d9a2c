"""Delete a volume, or forget one whose data stays in the back end."""

from functools import partial

from cloudd.block import faults, messages, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.block.snapshots.find import of_volume
from cloudd.block.volumes.delete import forget
from cloudd.core.errors import Conflict
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.volume.base import VolumeMissing, VolumeRef


async def remove_data(run: Run) -> None:
    async with run.read() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        left = await of_volume(tx, volume.id)
    if left:
        raise Conflict(f"its snapshots {', '.join(snapshot.id for snapshot in left)} could not be deleted: delete them first.")
    if volume.host:
        driver = steps.backends(run).of(volume.host)
        await steps.remove(driver, partial(driver.delete_volume, volume.id))


async def let_go(run: Run) -> None:
    volume = await steps.volume_of(run)
    if volume.host:
        try:
            run.memory["reference"] = await steps.backends(run).of(volume.host).unmanage(VolumeRef(volume.id))
        except VolumeMissing:                                 # done already, before a crash
            run.memory.setdefault("reference", "")


async def forget_rows(run: Run) -> None:
    async with run.save() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        await tell(tx, run.context, volume, "delete.end")
        await forget(tx, volume)


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        if volume.status in (states.DELETING, states.UNMANAGING):
            states.settle(volume, states.ERROR_DELETING if volume.status == states.DELETING else states.ERROR)
            await faults.record(tx, run.context, volume, error, doing="The volume could not be deleted", action=messages.UNMANAGE)


DELETE = Job("block.volume.delete", [Step(remove_data, deadline="disks"), Step(forget_rows)], on_fail=mark_error)
UNMANAGE = Job("block.volume.unmanage", [Step(let_go, deadline="disks"), Step(forget_rows)], on_fail=mark_error)
