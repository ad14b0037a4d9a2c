"""Rows compared with the back end: what is lost is told and found again, what was abandoned does not stay on its way."""

from datetime import timedelta

import pytest

from cloudd.block import repair, states
from cloudd.block.models import Snapshot, Volume
from cloudd.core import clock
from tests.api.block.room import V


async def test_a_volume_that_its_back_end_has_no_more_is_in_error_until_it_is_there_again(room, driver):
    volume = await room.volume()
    record = driver._records.get("volume", volume)
    driver._records.drop(record)
    await repair.repair(room.cloud.parts)
    assert await room.status(volume) == "error" and "has it no more" in await room.fault(volume)
    await repair.repair(room.cloud.parts)
    driver._records.put(record)
    await repair.repair(room.cloud.parts)
    assert await room.status(volume) == "available" and await room.fault(volume) is None


@pytest.mark.parametrize("status", states.PASSING)
async def test_no_volume_stays_on_its_way_without_a_job(room, status):
    volume = await room.volume()
    for age, then in ((0, status), (120, "error")):
        async with room.cloud.parts.database.write() as tx:
            row = await tx.get_one(Volume, volume)
            states.VOLUME.force(row, state=status, updated_at=clock.now() - timedelta(seconds=age))
        await repair.repair(room.cloud.parts)
        async with room.cloud.parts.database.read() as tx:
            assert (await tx.get_one(Volume, volume)).status == then
    assert f"({status}) ended without saying how" in await room.fault(volume)
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 202


@pytest.mark.parametrize("status", states.SNAPSHOT_PASSING)
async def test_no_snapshot_stays_on_its_way_without_a_job(room, status):
    snapshot = await room.snapshot(await room.volume())
    async with room.cloud.parts.database.write() as tx:
        states.settle_snapshot(await tx.get_one(Snapshot, snapshot), status, updated_at=clock.now() - timedelta(seconds=120))
    await repair.repair(room.cloud.parts)
    assert (await room.user.get(f"{V}/snapshots/{snapshot}")).body["snapshot"]["status"] == "error"


async def test_what_a_job_works_on_is_left_alone_and_a_back_end_that_is_away_loses_nothing(room, driver):
    volume = await room.volume()
    driver.fail("list")
    await repair.repair(room.cloud.parts)
    assert await room.status(volume) == "available"
    await repair.repair(room.cloud.parts)
    assert await room.status(volume) == "available"


async def test_health_tells_of_a_back_end_that_does_not_work(room, driver):
    driver.fail("health")
    answer = await room.cloud.anonymous.get("/healthz")
    assert answer.status == 503 and b"volumes" in answer.content
    assert (await room.cloud.anonymous.get("/healthz")).status == 200
