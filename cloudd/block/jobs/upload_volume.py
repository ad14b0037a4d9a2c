"""Make an image of a volume's data."""

from cloudd import image as images
from cloudd.block import faults, messages, states
from cloudd.block.jobs import steps
from cloudd.block.models import Volume
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.volume.base import VolumeRef


async def copy_out(run: Run) -> None:
    volume = await steps.volume_of(run)
    path = steps.staged(run, "upload")
    path.unlink(missing_ok=True)
    driver = steps.backends(run).of(volume.host)
    await driver.export(VolumeRef(volume.id), path, FORMATS.get(run.input["format"], run.input["format"]),
                        compress=run.input["compress"])


FORMATS = {"vhd": "vpc"}
"""What QEMU calls a format of Glance's."""


async def drop_copy(run: Run) -> None:
    steps.staged(run, "upload").unlink(missing_ok=True)


async def store(run: Run) -> None:
    """Hand the copy to the image service. After a crash in its middle the copy may be gone into the store already."""
    if (path := steps.staged(run, "upload")).exists():
        await images.store_file(run.parts, run.context, run.input["image"], path)


async def mark_uploaded(run: Run) -> None:
    async with run.save() as tx:
        volume = await steps.touch(tx, run)
        if volume.status == states.UPLOADING:
            states.settle(volume)


async def mark_failed(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        await images.drop(run.context, tx, run.input["image"])
        volume = await tx.get_one(Volume, run.input["volume"])
        if volume.status == states.UPLOADING:
            states.settle(volume)
        await faults.record(tx, run.context, volume, error, doing="No image could be made of the volume",
                            action=messages.COPY_TO_IMAGE, detail=messages.UPLOAD_FAILED)


UPLOAD = Job("block.volume.upload", [
    Step(copy_out, undo=drop_copy, deadline="disks"), Step(store, deadline="transfer"), Step(mark_uploaded),
], on_fail=mark_failed, limit=2)
