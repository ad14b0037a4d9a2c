"""Make a volume larger."""

from cloudd.block import faults, messages, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.block.pools import GIB
from cloudd.core.jobs import Job, Run, Step


async def lengthen(run: Run) -> None:
    volume = await steps.volume_of(run)
    await steps.backends(run).of(volume.host).extend_volume(volume.id, run.input["size"] * GIB)


async def mark_extended(run: Run) -> None:
    async with run.save() as tx:
        volume = await steps.touch(tx, run)
        volume.size, volume.wanted_size = run.input["size"], None
        if volume.status == states.EXTENDING:
            states.settle(volume)
        await tell(tx, run.context, volume, "resize.end")


async def mark_failed(run: Run, error: BaseException) -> None:
    """The volume is what it was."""
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        volume.wanted_size = None
        if volume.status == states.EXTENDING:
            states.settle(volume)
        await faults.record(tx, run.context, volume, error, doing=f"The volume could not be extended to {run.input['size']} GiB",
                            action=messages.EXTEND, detail=messages.EXTEND_FAILED)
        await tell(tx, run.context, volume, "resize.error", error=volume.fault)


EXTEND = Job("block.volume.extend", [Step(lengthen, deadline="disks"), Step(mark_extended)], on_fail=mark_failed)
