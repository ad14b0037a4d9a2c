"""Take snapshots, delete them, take over and let go those that lie in a back end."""

from functools import partial

from cloudd.block import faults, messages, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Snapshot
from cloudd.block.pools import GIB
from cloudd.block.snapshots.delete import forget
from cloudd.core.errors import BadRequest
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.volume.base import SnapshotRef, VolumeMissing


async def take(run: Run) -> None:
    snapshot, volume = await steps.snapshot_of(run)
    await steps.driver_of(run, volume).create_snapshot(snapshot.volume_id, snapshot.id)


async def drop(run: Run) -> None:
    snapshot, volume = await steps.snapshot_of(run)
    if volume is not None and volume.host:
        driver = steps.backends(run).of(volume.host)
        await steps.remove(driver, partial(driver.delete_snapshot, snapshot.id))


async def mark_available(run: Run) -> None:
    async with run.save() as tx:
        snapshot = await tx.get_one(Snapshot, run.input["snapshot"])
        if snapshot.status == states.CREATING:
            states.settle_snapshot(snapshot, states.AVAILABLE, progress="100%", updated_at=run.context.now())
        await tell(tx, run.context, snapshot, "create.end")


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        snapshot = await tx.get_one(Snapshot, run.input["snapshot"])
        if snapshot.status == states.CREATING:
            states.settle_snapshot(snapshot, states.ERROR)
            await faults.record(tx, run.context, snapshot, error, doing="The snapshot could not be taken",
                                action=messages.SNAPSHOT_CREATE, detail=messages.SNAPSHOT_FAILED)


async def let_go(run: Run) -> None:
    snapshot, volume = await steps.snapshot_of(run)
    if volume is None or not volume.host:
        return
    try:
        run.memory["reference"] = await steps.backends(run).of(volume.host).unmanage(SnapshotRef(snapshot.id))
    except VolumeMissing:                                     # done already, before a crash
        run.memory.setdefault("reference", "")


async def forget_rows(run: Run) -> None:
    async with run.save() as tx:
        snapshot = await tx.get_one(Snapshot, run.input["snapshot"])
        await tell(tx, run.context, snapshot, "delete.end")
        await forget(tx, snapshot)


async def mark_kept(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        snapshot = await tx.get_one(Snapshot, run.input["snapshot"])
        if snapshot.status in (states.DELETING, states.UNMANAGING):
            states.settle_snapshot(snapshot, states.ERROR_DELETING if snapshot.status == states.DELETING else states.ERROR)
            await faults.record(tx, run.context, snapshot, error, doing="The snapshot could not be deleted",
                                action=messages.SNAPSHOT_DELETE, detail=messages.SNAPSHOT_DELETE_FAILED)


async def take_over(run: Run) -> None:
    snapshot, volume = await steps.snapshot_of(run)
    driver = steps.driver_of(run, volume)
    reference = await steps.named(driver, run.input["reference"], snapshot.volume_id)
    info = await driver.manage_snapshot(snapshot.volume_id, snapshot.id, reference)
    if info.size > snapshot.volume_size * GIB:
        raise BadRequest(f"{run.input['reference']} has {info.size} bytes, its volume only {snapshot.volume_size} GiB.")


async def give_back(run: Run) -> None:
    snapshot, volume = await steps.snapshot_of(run)
    try:
        await steps.driver_of(run, volume).unmanage(SnapshotRef(snapshot.id))
    except VolumeMissing:
        return


CREATE = Job("block.snapshot.create", [Step(take, undo=drop, deadline="disks"), Step(mark_available)], on_fail=mark_error)
DELETE = Job("block.snapshot.delete", [Step(drop, deadline="disks"), Step(forget_rows)], on_fail=mark_kept)
UNMANAGE = Job("block.snapshot.unmanage", [Step(let_go, deadline="disks"), Step(forget_rows)], on_fail=mark_kept)
MANAGE = Job("block.snapshot.manage", [Step(take_over, undo=give_back, deadline="disks"), Step(mark_available)], on_fail=mark_error)
