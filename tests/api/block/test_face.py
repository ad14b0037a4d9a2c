"""What compute does with volumes through the face: claims in its own transaction, connections in its jobs, and giving back."""

import pytest

from cloudd import block
from cloudd.core import ids
from cloudd.core.context import internal
from cloudd.core.errors import BadRequest, Conflict
from tests.api.block.room import V

SERVER, OTHER = ids.new_uuid(), ids.new_uuid()


@pytest.fixture
def work(room):
    """A write transaction, and the context of whoever works in the room."""
    return room.cloud.parts.database.write, internal(room.user.project_id, room.user.user_id)


async def test_all_or_none_of_a_servers_volumes_are_claimed(room, work):
    write, context = work
    first, second = await room.volume(), await room.volume()
    await room.user.post(f"{V}/attachments", {"attachment": {"volume_uuid": second}})
    with pytest.raises(BadRequest, match="current status is reserved"):
        async with write() as tx:
            for volume in (await block.many(context, tx, [first, second])).values():
                await block.reserve(context, tx, volume, SERVER)
    assert await room.status(first) == "available"


async def test_claimed_attached_detached_and_back(room, work, driver):
    write, context = work
    volume = await room.volume()
    async with write() as tx:
        held = await block.reserve(context, tx, await block.get(tx, context, volume), SERVER, mode="ro")
    with pytest.raises(BadRequest):
        async with write() as tx:
            await block.reserve(context, tx, await block.get(tx, context, volume), SERVER)
    connection = await block.connect(room.cloud.parts, held.id)
    assert (connection.volume_id, connection.read_only, connection.shareable) == (volume, True, False)
    for _ in range(2):
        async with write() as tx:
            await block.complete(context, tx, held.id, host="node", device="/dev/vdb")
    shown = await room.show(volume)
    assert shown["status"] == "in-use" and shown["attachments"][0]["device"] == "/dev/vdb"
    assert (await room.user.delete(f"{V}/attachments/{held.id}")).status == 409
    async with write() as tx:
        await block.begin_detach(context, tx, held.id)
    assert await room.status(volume) == "detaching"
    async with write() as tx:
        await block.roll_back_detach(context, tx, held.id)
    assert await room.status(volume) == "in-use"
    for _ in range(2):
        async with write() as tx:
            await block.release(context, tx, held.id)
    await block.disconnect(room.cloud.parts, volume)
    assert await room.status(volume) == "available"
    async with write() as tx:
        await block.roll_back_detach(context, tx, held.id)
    assert await room.status(volume) == "available"


async def test_of_several_servers_one_gives_its_volume_back(room, work):
    write, context = work
    volume, held = await room.volume(volume_type=await room.type({"multiattach": "<is> True"})), []
    for server in (SERVER, OTHER):
        async with write() as tx:
            held.append(await block.reserve(context, tx, await block.get(tx, context, volume), server))
            await block.complete(context, tx, held[-1].id, host="node", device=None)
    assert (await block.connect(room.cloud.parts, held[0].id)).shareable
    async with write() as tx:
        await block.release(context, tx, held[0].id)
    shown = await room.show(volume)
    assert shown["status"] == "in-use" and [one["server_id"] for one in shown["attachments"]] == [OTHER]


async def test_a_volume_ordered_with_its_server_is_ready_when_its_job_has_ended(room, work, driver):
    write, context = work
    async with write() as tx:
        good = await block.create(context, tx, block.Order(size=1, name="root"))
        await block.reserve(context, tx, good, SERVER)
    await room.cloud.settled()
    async with room.cloud.parts.database.read() as tx:
        await block.require_ready(tx, [good.id])
    assert await room.status(good.id) == "reserved" and good.id in {info.id for info in (await driver.list()).volumes}
    driver.fail("create_volume")
    async with write() as tx:
        bad = await block.create(context, tx, block.Order(size=1))
        held = await block.reserve(context, tx, bad, SERVER)
    await room.cloud.settled()
    async with room.cloud.parts.database.read() as tx:
        with pytest.raises(Conflict, match="is error. The volume could not be created: "):
            await block.require_ready(tx, [good.id, bad.id])
    async with write() as tx:
        await block.release(context, tx, held.id)
    assert await room.status(bad.id) == "error"


async def test_a_volume_given_back_before_it_is_made_is_being_made_until_then(room, work):
    write, context = work
    async with write() as tx:
        volume = await block.create(context, tx, block.Order(size=1))
        held = await block.reserve(context, tx, volume, SERVER)
        await block.release(context, tx, held.id)
        assert volume.status == "creating"
    await room.cloud.settled()
    assert await room.status(volume.id) == "available"


async def test_what_goes_with_its_server_goes_unless_somebody_needs_it(room, work):
    write, context = work
    loose, kept, busy = await room.volume(), await room.volume(), await room.volume()
    await room.snapshot(kept)
    await room.act(busy, "os-attach", {"host_name": "elsewhere", "mountpoint": "/dev/vdb"})
    async with write() as tx:
        assert await block.delete_loose(context, tx, [loose, kept, busy, ids.new_uuid()]) == [loose]
    await room.cloud.settled()
    assert [await room.status(one) for one in (loose, kept, busy)] == [None, "available", "in-use"]
