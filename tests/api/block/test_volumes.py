"""Volumes: made from nothing, images, snapshots, each other; shown at every version; changed and deleted."""

import pytest

from tests.api.block.room import V

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_blank_volume_becomes_available(room):
    answer = await room.create(name="disk", description="mine", metadata={"a": "b"})
    assert answer.status == 202
    made = answer.body["volume"]
    assert (made["status"], made["size"], made["bootable"], made["encrypted"]) == ("creating", 1, "false", False)
    await room.cloud.settled()
    shown = await room.show(made["id"])
    assert shown["status"] == "available" and shown["metadata"] == {"a": "b"} and shown["volume_type"] == "__DEFAULT__"
    assert shown["os-vol-tenant-attr:tenant_id"] == room.user.project_id and "os-vol-host-attr:host" not in shown
    by_admin = (await room.admin.get(f"{V}/volumes/{made['id']}")).body["volume"]
    assert by_admin["os-vol-host-attr:host"].endswith("@simulated#simulated")


@pytest.mark.parametrize("size", [0, -1, "x", 2**31, 2**63, 1.5, True, None])
async def test_sizes_that_are_none_are_refused(room, size):
    answer = await room.create(size=size)
    assert answer.status == 400, answer.content
    assert (await room.user.get(f"{V}/volumes")).body["volumes"] == []


async def test_another_projects_volume_is_not_there(room, cloud):
    volume = await room.volume()
    assert (await cloud.demo.get(f"{V}/volumes/{volume}")).status == 404
    assert (await cloud.demo.delete(f"{V}/volumes/{volume}")).status == 404
    assert (await cloud.demo.post(f"{V}/volumes", {"volume": {"source_volid": volume, "size": 1}})).status == 404
    await room.user.delete(f"{V}/volumes/{volume}")


BASE = {"id", "status", "size", "availability_zone", "created_at", "updated_at", "name", "description", "volume_type", "snapshot_id",
        "source_volid", "metadata", "links", "user_id", "bootable", "encrypted", "replication_status", "consistencygroup_id",
        "multiattach", "attachments", "os-vol-tenant-attr:tenant_id"}
ADMINS = {"migration_status", "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat", "os-vol-mig-status-attr:name_id"}


@pytest.mark.parametrize(("version", "more", "admins"), [
    ("3.0", set(), set()), ("3.12", set(), set()), ("3.13", {"group_id"}, set()), ("3.20", {"group_id"}, set()),
    ("3.21", {"group_id"}, {"provider_id"}), ("3.47", {"group_id"}, {"provider_id"}),
    ("3.48", {"group_id", "shared_targets", "service_uuid"}, {"provider_id"}),
    ("3.61", {"group_id", "shared_targets", "service_uuid"}, {"provider_id", "cluster_name"}),
    ("3.63", {"group_id", "shared_targets", "service_uuid", "volume_type_id"}, {"provider_id", "cluster_name"}),
    ("3.65", {"group_id", "shared_targets", "service_uuid", "volume_type_id", "consumes_quota"}, {"provider_id", "cluster_name"}),
])
async def test_each_version_shows_its_members_to_each_role(room, version, more, admins):
    volume = await room.volume()
    shown = (await room.at(version).get(f"{V}/volumes/{volume}")).body["volume"]
    assert set(shown) == BASE | more
    by_admin = (await room.cloud.admin.at(version, "volume").get(f"{V}/volumes/{volume}")).body["volume"]
    assert set(by_admin) == BASE | more | ADMINS | admins


async def test_the_project_may_stand_in_the_path_and_then_stands_in_the_links(room):
    volume = await room.volume()
    project = room.user.project_id
    shown = (await room.at("3.0").get(f"{V}/{project}/volumes/{volume}")).body["volume"]
    assert [link["href"] for link in shown["links"]] == [f"{room.cloud.url}/volume/v3/{project}/volumes/{volume}",
                                                         f"{room.cloud.url}/volume/{project}/volumes/{volume}"]
    short = (await room.user.get(f"{V}/volumes/{volume}")).body["volume"]
    assert short["links"][0]["href"] == f"{room.cloud.url}/volume/v3/volumes/{volume}"
    assert (await room.user.get(f"{V}/{room.admin.project_id}/volumes/{volume}")).status == 400


@pytest.mark.parametrize(("body", "since"), [({"strange": 1}, "3.53")])
async def test_unknown_members_are_refused_from_3_53_on(room, body, since):
    assert (await room.at("3.52").post(f"{V}/volumes", {"volume": {"size": 1, **body}})).status == 202
    assert (await room.at(since).post(f"{V}/volumes", {"volume": {"size": 1, **body}})).status == 400


@pytest.mark.parametrize("body", [
    {"metadata": {"k" * 256: "v"}}, {"metadata": {"k": "v" * 256}}, {"metadata": {"": "v"}}, {"metadata": {"k": 5}}, {"name": "n" * 256},
    {"name": 5}, {"description": "d" * 256}, {"availability_zone": "elsewhere"}, {"availability_zone": ""}, {"snapshot_id": "x"},
    {"source_volid": "x"}, {"multiattach": True}])
async def test_bad_bodies_are_refused(room, body):
    answer = await room.create(**body)
    assert answer.status == 400, answer.content


@pytest.mark.parametrize("name", ["  padded  ", "ünïcødé", "日本語", "💾", "a'b\"c", "<script>", ""])
async def test_names_in_every_script_come_back_as_they_were(room, name):
    shown = await room.show(await room.volume(name=name, description=name))
    assert (shown["name"], shown["description"]) == (name.strip(), name.strip())


@pytest.mark.parametrize("body", [{"snapshot_id": NOBODY}, {"source_volid": NOBODY}, {"backup_id": NOBODY}, {"group_id": NOBODY},
                                  {"volume_type": "no such type"}])
async def test_sources_that_are_not_there_are_404(room, body):
    assert (await room.create(**body)).status == 404


async def test_what_is_written_down_can_be_changed(room):
    volume = await room.volume(name="before", metadata={"old": "1"})
    body = {"display_name": "after", "description": None, "metadata": {"a": "b"}}
    answer = await room.user.put(f"{V}/volumes/{volume}", {"volume": body})
    assert answer.status == 200, answer.content
    changed = answer.body["volume"]
    assert (changed["name"], changed["metadata"]) == ("after", {"a": "b"}) and changed["updated_at"]
    assert (await room.user.put(f"{V}/volumes/{volume}", {"volume": {}})).status == 400
    assert (await room.at("3.52").put(f"{V}/volumes/{volume}", {"volume": {}})).status == 200
    assert (await room.user.put(f"{V}/volumes/{volume}", {"volume": {"size": 5}})).status == 400


async def test_metadata_is_added_replaced_and_removed_with_etags(room):
    volume = await room.volume(metadata={"a": "1"})
    url = f"{V}/volumes/{volume}/metadata"
    read = await room.user.get(url)
    assert read.body == {"metadata": {"a": "1"}} and read.headers["ETag"]
    assert "ETag" not in (await room.at("3.14").get(url)).headers
    stale = {"If-Match": '"something else"'}
    assert (await room.user.post(url, {"metadata": {"b": "2"}}, headers=stale)).status == 412
    added = await room.user.post(url, {"metadata": {"b": "2"}}, headers={"If-Match": read.headers["ETag"]})
    assert added.body == {"metadata": {"a": "1", "b": "2"}}
    assert (await room.user.put(url, {"metadata": {"c": "3"}})).body == {"metadata": {"c": "3"}}
    assert (await room.user.put(f"{url}/c", {"meta": {"c": "4"}})).body == {"meta": {"c": "4"}}
    assert (await room.user.put(f"{url}/c", {"meta": {"d": "4"}})).status == 400
    assert (await room.user.get(f"{url}/c")).body == {"meta": {"c": "4"}}
    assert (await room.user.delete(f"{url}/c")).status == 200 and (await room.user.delete(f"{url}/c")).status == 404
    assert (await room.user.get(f"{url}/c")).status == 404


async def test_a_volume_with_snapshots_goes_with_cascade_only(room):
    volume = await room.volume()
    snapshots = [await room.snapshot(volume) for _ in range(3)]
    refused = await room.user.delete(f"{V}/volumes/{volume}")
    assert refused.status == 400 and b"it has 3 snapshots" in refused.content
    assert (await room.user.delete(f"{V}/volumes/{volume}?cascade=true")).status == 202
    await room.cloud.settled()
    assert await room.status(volume) is None
    for snapshot in snapshots:
        assert (await room.user.get(f"{V}/snapshots/{snapshot}")).status == 404


async def test_a_delete_may_be_repeated_and_afterwards_the_volume_is_not_there(room, driver):
    volume = await room.volume()
    for _ in range(2):
        assert (await room.user.delete(f"{V}/volumes/{volume}")).status in (202, 404)
    await room.cloud.settled()
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 404
    assert volume not in {info.id for info in (await driver.list()).volumes}


async def test_a_delete_that_failed_says_why_and_works_the_next_time(room, driver):
    volume = await room.volume()
    driver.guest_opens(volume)
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 202
    await room.cloud.settled()
    assert await room.status(volume) == "error_deleting" and "is open" in await room.fault(volume)
    driver.guest_closes(volume)
    assert (await room.user.delete(f"{V}/volumes/{volume}")).status == 202
    await room.cloud.settled()
    assert await room.status(volume) is None


async def test_force_deletes_whatever_is_under_way_for_administrators_only(room):
    volume = (await room.create()).body["volume"]["id"]
    assert (await room.user.delete(f"{V}/volumes/{volume}?force=true")).status == 403
    assert (await room.cloud.admin.at("3.23", "volume").delete(f"{V}/volumes/{volume}?force=true")).status == 202
    await room.cloud.settled()
    assert await room.status(volume) is None


async def test_two_orders_for_the_last_gigabyte_leave_one_winner(room):
    answers = [await room.create(size=size) for size in (500, 499, 1, 1)]
    assert [answer.status for answer in answers] == [202, 202, 202, 413]
    over = answers[-1].body["overLimit"]
    assert "gigabytes" in over["message"] and "already used 1000 of 1000" in over["message"] and over["retryAfter"] == "0"


async def test_events_tell_of_a_volumes_life(room):
    from sqlalchemy import select

    from cloudd.core.tables import EventRow
    volume = await room.volume()
    await room.user.delete(f"{V}/volumes/{volume}")
    await room.cloud.settled()
    async with room.cloud.parts.database.read() as tx:
        names = (await tx.execute(select(EventRow.name).where(EventRow.resource_id == volume).order_by(EventRow.serial))).scalars().all()
    assert names == ["volume.create.start", "volume.create.end", "volume.delete.start", "volume.delete.end"]
