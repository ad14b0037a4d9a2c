"""Write an image over a volume: it is made beside it, then copied in, so that snapshots of the volume stay what they are."""

from cloudd import image as images
from cloudd.block import faults, messages, states
from cloudd.block.events import tell
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.block.pools import GIB
from cloudd.block.volumes.images import keep, kept
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.volume.base import Disk, VolumeRef, VolumeSpec

CHUNK = 1 << 22


def _beside(run: Run) -> str:
    """The id of the volume that the image is made in."""
    return run.row.id


async def prepare(run: Run) -> None:
    volume = await steps.volume_of(run)
    driver = steps.backends(run).of(volume.host)
    await steps.from_image(run, driver, VolumeSpec(_beside(run), volume.size * GIB), run.input["image"])


async def drop_beside(run: Run) -> None:
    volume = await steps.volume_of(run)
    await steps.backends(run).of(volume.host).delete_volume(_beside(run))


async def write_over(run: Run) -> None:
    volume = await steps.volume_of(run)
    driver = steps.backends(run).of(volume.host)
    source = await driver.open_disk(VolumeRef(_beside(run)))
    try:
        target = await driver.open_disk(VolumeRef(volume.id), write=True)
        try:
            await copy(source, target)
        finally:
            await target.close()
    finally:
        await source.close()


async def copy(source: Disk, target: Disk) -> None:
    """All of a disk into another one that is no smaller."""
    async for extent in source.extents():
        if not extent.data:
            await target.zero(extent.offset, extent.length)
            continue
        for offset in range(extent.offset, extent.offset + extent.length, CHUNK):
            await target.write(offset, await source.read(offset, min(CHUNK, extent.offset + extent.length - offset)))
    await target.flush()


async def mark_written(run: Run) -> None:
    await drop_beside(run)
    async with run.save() as tx:
        volume = await steps.touch(tx, run)
        await keep(tx, volume, kept(await images.get(run.context, tx, run.input["image"])))
        volume.bootable = True
        if volume.status == states.DOWNLOADING:
            states.settle(volume, states.AVAILABLE if volume.previous_status == states.ERROR else None, fault=None)
        await tell(tx, run.context, volume, "reimage.end")


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        volume = await tx.get_one(Volume, run.input["volume"])
        if volume.status == states.DOWNLOADING:
            states.settle(volume, states.ERROR)
        await faults.record(tx, run.context, volume, error, doing="The image could not be written over the volume",
                            action=messages.REIMAGE, detail=messages.REIMAGE_FAILED)


REIMAGE = Job("block.volume.reimage", [
    Step(prepare, undo=drop_beside, deadline="transfer"), Step(write_over, deadline="disks"), Step(mark_written),
], on_fail=mark_error, limit=2)
