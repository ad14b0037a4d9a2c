"""Compares the rows with what the back ends hold, at the start and each minute: a difference is mended, or told in words."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.backends import Backends, name_of
from cloudd.block.models import Snapshot, Volume
from cloudd.core import clock, jobs, log
from cloudd.core.parts import Parts
from cloudd.drivers.volume.base import VolumeError

LOG = log.get("cloudd.volumes")
LEFT_ALONE = timedelta(seconds=60)
"""So long a passing status may stand without a job: whoever has set it may be about to ask for one."""
LOST = "The back end {} has it no more. If it comes back there, it is available again by itself; else delete it."
ABANDONED = "What was done to it ({}) ended without saying how. Its data is as it was left."
Found = dict[str, set[str]]
"""The ids of the volumes in each back end that answers."""


async def repair(parts: Parts) -> None:
    """One comparison. A back end that does not answer is left out."""
    found: Found = {}
    for name, driver in parts.service(Backends).by_name.items():
        try:
            found[name] = {info.id for info in (await driver.list()).volumes}
        except VolumeError as exc:
            LOG.warning("a back end of volumes does not answer; its volumes are compared when it does", backend=name, error=str(exc))
    if not await _differs(parts, found):
        return
    async with parts.database.write() as tx:
        held = await jobs.locked(tx)
        for volume in (await tx.execute(select(Volume))).scalars():
            if volume.id not in held:
                _mend(volume, found)
        for snapshot in (await tx.execute(select(Snapshot))).scalars():
            if snapshot.id not in held and _abandoned(snapshot, states.SNAPSHOT_PASSING):
                LOG.warning("a snapshot's work ended without a word", snapshot=snapshot.id, status=snapshot.status)
                snapshot.fault = ABANDONED.format(snapshot.status)
                states.settle_snapshot(snapshot, states.ERROR)


async def _differs(parts: Parts, found: Found) -> bool:
    """Whether a look with the right to write is worth while."""
    async with parts.database.read() as tx:
        held = await jobs.locked(tx)
        volumes = [volume for volume in await _all(tx, Volume) if volume.id not in held]
        snapshots = [snapshot for snapshot in await _all(tx, Snapshot) if snapshot.id not in held]
    return (any(_abandoned(row, states.PASSING) or _is_lost(row, found) is not None for row in volumes)
            or any(_abandoned(row, states.SNAPSHOT_PASSING) for row in snapshots))


async def _all(tx: AsyncSession, model: Any) -> list[Any]:
    return list((await tx.execute(select(model))).scalars())


def _mend(volume: Volume, found: Found) -> None:
    lost = _is_lost(volume, found)
    if lost is True:
        LOG.error("a volume is not in its back end any more", volume=volume.id, host=volume.host)
        volume.lost, volume.fault = True, LOST.format(name_of(volume.host or ""))
        states.settle(volume, states.ERROR)
    elif lost is False:
        LOG.info("a volume is in its back end again", volume=volume.id, host=volume.host)
        volume.lost, volume.fault = False, None
        states.settle(volume, states.AVAILABLE)
    elif _abandoned(volume, states.PASSING):
        LOG.warning("a volume's work ended without a word", volume=volume.id, status=volume.status)
        volume.fault, volume.wanted_size = ABANDONED.format(volume.status), None
        states.settle(volume, states.ERROR)


def _is_lost(volume: Volume, found: Found) -> bool | None:
    """True for one that has just been lost, False for one that is there again, None where nothing changed or nobody knows."""
    held = found.get(name_of(volume.host or ""))
    if held is None:
        return None
    there = volume.id in held
    if volume.lost:
        return False if there and volume.status == states.ERROR else None
    return True if not there and volume.status == states.AVAILABLE else None


def _abandoned(row: Volume | Snapshot, passing: tuple[str, ...]) -> bool:
    return row.status in passing and clock.now() - (row.updated_at or row.created_at) > LEFT_ALONE
