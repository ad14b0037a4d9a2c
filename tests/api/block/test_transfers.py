"""Transfers at both addresses: the volume changes hands with its snapshots and its quota; the key is told once."""

import pytest

from tests.api.block.room import Room, V

BOTH = ("os-volume-transfer", "volume-transfers")


@pytest.fixture
async def other(cloud):
    room = await Room.make(cloud)
    yield room
    await room.clean()


async def offer(room, volume, path="volume-transfers", **values):
    return await room.user.post(f"{V}/{path}", {"transfer": {"volume_id": volume, "name": "take it", **values}})


@pytest.mark.parametrize("path", BOTH)
async def test_a_volume_changes_hands(room, other, path):
    volume = await room.volume(metadata={"a": "b"})
    made = (await offer(room, volume, path)).body["transfer"]
    assert made["auth_key"] and made["links"][0]["href"].endswith(f"/{path}/{made['id']}")
    assert await room.status(volume) == "awaiting-transfer"
    url = f"{V}/{path}/{made['id']}"
    assert "auth_key" not in (await room.user.get(url)).body["transfer"]
    assert (await other.user.get(url)).status == 404
    assert (await other.user.post(f"{url}/accept", {"accept": {"auth_key": "guessed"}})).status == 400
    taken = await other.user.post(f"{url}/accept", {"accept": {"auth_key": made["auth_key"]}})
    assert taken.status == 202 and taken.body["transfer"]["volume_id"] == volume, taken.content
    assert await room.status(volume) is None
    shown = await other.show(volume)
    assert (shown["status"], shown["metadata"], shown["user_id"]) == ("available", {"a": "b"}, other.user.user_id)
    assert (await room.user.get(url)).status == 404
    assert (await other.user.post(f"{url}/accept", {"accept": {"auth_key": made["auth_key"]}})).status == 404


async def test_snapshots_go_along_unless_they_shall_not(room, other):
    for no_snapshots in (False, True):
        volume = await room.volume()
        snapshot = await room.snapshot(volume)
        made = (await offer(room, volume, no_snapshots=no_snapshots)).body["transfer"]
        assert made["no_snapshots"] is no_snapshots
        await other.user.post(f"{V}/volume-transfers/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}})
        holder, stranger = (room, other) if no_snapshots else (other, room)
        assert (await holder.user.get(f"{V}/snapshots/{snapshot}")).status == 200
        assert (await stranger.user.get(f"{V}/snapshots/{snapshot}")).status == 404
        await room.admin.delete(f"{V}/snapshots/{snapshot}")
        await room.cloud.settled()


async def test_an_offer_is_withdrawn(room):
    volume = await room.volume()
    made = (await offer(room, volume)).body["transfer"]
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 400
    assert (await room.user.delete(f"{V}/volume-transfers/{made['id']}")).status == 202
    assert await room.status(volume) == "available"
    assert (await offer(room, volume)).status == 202 and (await offer(room, volume)).status == 400


async def test_who_has_no_quota_left_cannot_take_one(room, other):
    volume = await room.volume(size=500)
    await other.volume(size=600)
    made = (await offer(room, volume)).body["transfer"]
    answer = await other.user.post(f"{V}/volume-transfers/{made['id']}/accept", {"accept": {"auth_key": made["auth_key"]}})
    assert answer.status == 413 and await room.status(volume) == "awaiting-transfer"


async def test_each_version_shows_its_members_and_lists_are_filtered_and_paged(room):
    made = [(await offer(room, await room.volume(), name=name)).body["transfer"]["id"] for name in ("one", "two")]
    base = {"id", "volume_id", "name", "links", "created_at"}
    for version, more in (("3.54", set()), ("3.55", {"no_snapshots"}),
                          ("3.57", {"no_snapshots", "source_project_id", "destination_project_id", "accepted"})):
        for path in BOTH:
            assert set((await room.at(version).get(f"{V}/{path}/{made[0]}")).body["transfer"]) == base | more
    listed = (await room.user.get(f"{V}/volume-transfers?name=two")).body["transfers"]
    assert [one["id"] for one in listed] == [made[1]] and set(listed[0]) == base - {"created_at"}
    assert [one["id"] for one in (await room.user.get(f"{V}/volume-transfers/detail")).body["transfers"]] == made
    paged = (await room.user.get(f"{V}/volume-transfers?limit=1&sort=name:desc")).body
    assert [one["name"] for one in paged["transfers"]] == ["two"] and paged["transfers_links"]
    assert (await room.at("3.54").post(f"{V}/volume-transfers", {"transfer": {"volume_id": made[0], "no_snapshots": True}})).status == 400
