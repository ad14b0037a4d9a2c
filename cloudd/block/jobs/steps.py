"""What steps of several jobs do."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.block.backends import Backends
from cloudd.block.models import Snapshot, Volume
from cloudd.core import ids
from cloudd.core.disks.files import write_sparse
from cloudd.core.jobs import Run
from cloudd.drivers.volume.base import FromImage, StillNeeded, VolumeDriver, VolumeMissing, VolumeSpec

GIB = 1 << 30
FORMATS = {"ami": "raw", "aki": "raw", "ari": "raw"}
"""What Glance calls a disk that is raw all the same."""


def backends(run: Run) -> Backends:
    return run.parts.service(Backends)


def driver_of(run: Run, volume: Volume | None) -> VolumeDriver:
    """The driver of the back end that a volume lies in. Raises Unavailable for one that lies nowhere."""
    return backends(run).of(volume.host if volume is not None else None)


async def volume_of(run: Run) -> Volume:
    async with run.read() as tx:
        return await tx.get_one(Volume, run.input["volume"])


async def snapshot_of(run: Run) -> tuple[Snapshot, Volume | None]:
    async with run.read() as tx:
        snapshot = await tx.get_one(Snapshot, run.input["snapshot"])
        return snapshot, await tx.get(Volume, snapshot.volume_id)


async def remove(driver: VolumeDriver, delete: Callable[[], Awaitable[None]]) -> None:
    """Delete what clones may hang on: they are made to stand by themselves first."""
    try:
        await delete()
    except StillNeeded as exc:
        for volume_id in exc.by:
            await driver.merge_volume(volume_id, alone=True)
        await delete()


async def from_image(run: Run, driver: VolumeDriver, spec: VolumeSpec, image_id: str) -> None:
    """Make a volume of an image, which is brought to the back end first if it is not there."""
    try:
        await driver.create_volume(spec, FromImage(image_id))
    except VolumeMissing:
        await bring_image(run, driver, image_id)
        await driver.create_volume(spec, FromImage(image_id))


async def bring_image(run: Run, driver: VolumeDriver, image_id: str) -> None:
    """Have the back end convert an image. Who wants it meanwhile waits, and finds it there."""
    async with run.read() as tx:
        image = await images.get(run.context, tx, image_id)
    there = backends(run)
    async with there.fetching(image_id):
        if any(one.id == image_id for one in (await driver.list()).images):
            return
        if (path := images.local_path(run.parts, image)) is not None:
            await driver.cache_image(image_id, path, FORMATS.get(image.disk_format, image.disk_format))
            return
        staged = there.staging / f"image-{image_id}"
        try:
            await write_sparse(staged, images.open_data(run.parts, image))
            await driver.cache_image(image_id, staged, FORMATS.get(image.disk_format, image.disk_format))
        finally:
            staged.unlink(missing_ok=True)


async def named(driver: VolumeDriver, ref: str, of_volume: str = "") -> str:
    """What a driver calls a thing that shall be managed: as it is given, or what bears that id in its name."""
    if not ids.is_uuid(ref):
        return ref
    found = [one.reference for one in await driver.manageable() if one.safe and ref in one.reference and one.of_volume == of_volume]
    return found[0] if len(found) == 1 else ref


def staged(run: Run, name: str) -> Path:
    """A file of this job's own, on its way."""
    return backends(run).staging / f"{name}-{run.row.id}"


async def touch(tx: AsyncSession, run: Run) -> Volume:
    """The volume of a job, which is about to change."""
    volume = await tx.get_one(Volume, run.input["volume"])
    volume.updated_at = run.context.now()
    return volume
