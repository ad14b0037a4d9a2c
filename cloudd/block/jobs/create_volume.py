"""Make a volume: find its pool, then have the back end make it, from an image, a snapshot or another volume."""

from cloudd.block import faults, messages, pools, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.block.operators import services
from cloudd.block.pools import GIB, Wish
from cloudd.block.types.find import specs
from cloudd.core import clock
from cloudd.core.jobs import Cancelled, Job, Run, Step
from cloudd.drivers.volume.base import FromSnapshot, FromVolume, VolumeSpec

MADE = (states.CREATING, states.DOWNLOADING)
"""What its status is until it is there, if nobody has reserved it meanwhile."""


async def place(run: Run) -> None:
    """The pool is chosen, and its room taken, in one transaction: of two who want the last of it one gets it."""
    found = await pools.survey(steps.backends(run))
    async with run.save() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        same = [run.input["at"]] if run.input["at"] else run.input["same"]
        wish = Wish(volume.size, (volume.availability_zone,), await specs(tx, volume.volume_type_id), tuple(same),
                    tuple(run.input["different"]))
        volume.host = pools.choose(pools.pools(found, await pools.promised(tx), await services.closed(tx)), wish).name
        if run.input["image"] and volume.status == states.CREATING:
            states.VOLUME.force(volume, state=states.DOWNLOADING)


async def make(run: Run) -> None:
    volume = await steps.volume_of(run)
    driver, spec = steps.backends(run).of(volume.host), VolumeSpec(volume.id, volume.size * GIB)
    if run.input["image"]:
        await steps.from_image(run, driver, spec, run.input["image"])
    elif run.input["snapshot"]:
        await driver.create_volume(spec, FromSnapshot(run.input["snapshot"]))
    elif run.input["source"]:
        await driver.create_volume(spec, FromVolume(run.input["source"]))
    else:
        await driver.create_volume(spec)


async def unmake(run: Run) -> None:
    volume = await steps.volume_of(run)
    if volume.host:
        await steps.backends(run).of(volume.host).delete_volume(volume.id)


async def mark_available(run: Run) -> None:
    async with run.save() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        volume.launched_at = volume.updated_at = clock.now()
        volume.bootable = volume.bootable or run.input["image"] is not None
        if volume.status in MADE:
            states.settle(volume, states.AVAILABLE)
        await tell(tx, run.context, volume, "create.end")


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        if volume.status == states.DELETING or isinstance(error, Cancelled):
            return
        placed = volume.host is not None
        states.settle(volume, states.ERROR)
        action = messages.SCHEDULE if not placed else messages.COPY_IMAGE if run.input["image"] else messages.CREATE_FROM_BACKEND
        await faults.record(tx, run.context, volume, error, doing="The volume could not be created", action=action,
                            detail=messages.CREATE_FAILED if placed else messages.NO_BACKEND)
        await tell(tx, run.context, volume, "create.error", error=volume.fault)


CREATE = Job("block.volume.create", [Step(place), Step(make, undo=unmake, deadline="transfer"), Step(mark_available)],
             on_fail=mark_error)
