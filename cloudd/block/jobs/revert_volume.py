"""Make a volume what its newest snapshot is."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import faults, messages, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Snapshot, Volume
from cloudd.core.jobs import Job, Run, Step


async def turn_back(run: Run) -> None:
    volume = await steps.volume_of(run)
    await steps.backends(run).of(volume.host).revert_volume(volume.id, run.input["snapshot"])


async def mark_reverted(run: Run) -> None:
    async with run.save() as tx:
        volume = await steps.touch(tx, run)
        await _rest(run, tx, volume)
        await tell(tx, run.context, volume, "revert.end")


async def mark_failed(run: Run, error: BaseException) -> None:
    """The volume is what it was."""
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        await _rest(run, tx, volume)
        await faults.record(tx, run.context, volume, error, doing=f"The volume could not be reverted to {run.input['snapshot']}",
                            action=messages.CREATE_FROM_BACKEND)


async def _rest(run: Run, tx: AsyncSession, volume: Volume) -> None:
    if volume.status == states.REVERTING:
        states.settle(volume)
    snapshot = await tx.get(Snapshot, run.input["snapshot"])
    if snapshot is not None and snapshot.status == states.RESTORING:
        states.settle_snapshot(snapshot, states.AVAILABLE)


REVERT = Job("block.volume.revert", [Step(turn_back, deadline="disks"), Step(mark_reverted)], on_fail=mark_failed)
