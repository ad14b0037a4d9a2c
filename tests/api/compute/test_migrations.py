"""Resizes leave records: what they say at each version, to whom, and how they are found."""

import itertools

import pytest

from cloudd.drivers.hypervisor.base import Hypervisor, HypervisorError
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

NUMBERS = itertools.count(1)
M = f"{C}/os-migrations"


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


async def flavor(room):
    body = {"flavor": {"id": str(90000 + next(NUMBERS)), "name": f"larger-{room.name}-{next(NUMBERS)}", "ram": 192, "vcpus": 1, "disk": 1}}
    return (await room.cloud.admin.post(f"{C}/flavors", body)).body["flavor"]["id"]


async def resized(room, *actions):
    server = await room.server(networks=[{"uuid": room.network}])
    assert (await room.act(server, "resize", {"flavorRef": await flavor(room)})).status == 202
    for action in actions:
        assert (await room.act(server, action)).status in (202, 204)
    return server


async def found(room, query, version="2.80"):
    answer = await room.cloud.admin.at(version).get(f"{M}?{query}")
    assert answer.status == 200, answer.content
    return answer.body["migrations"]


@pytest.mark.parametrize("version", ["2.1", "2.23", "2.59", "2.66", "2.80", "2.104"])
async def test_a_resize_leaves_a_record_of_tempests_form(room, version):
    server = await resized(room)
    rows = fits(await room.cloud.admin.at(version).get(f"{M}?instance_uuid={server}"), "migrations", "list_migrations", version)
    (row,), minor = rows["migrations"], int(version[2:])
    host = (await room.cloud.admin.get(f"{C}/os-hypervisors/detail")).body["hypervisors"][0]
    assert (row["status"], row["source_compute"], row["dest_compute"]) == ("finished", *[host["service"]["host"]] * 2)
    assert (row["source_node"], row["dest_host"]) == (host["hypervisor_hostname"], host["host_ip"])
    assert row["new_instance_type_id"] > 90000 and row["old_instance_type_id"] is None and row["updated_at"] >= row["created_at"]
    assert ("migration_type" in row, "uuid" in row, "user_id" in row, "project_id" in row) == (
        minor >= 23, minor >= 59, minor >= 80, minor >= 80)
    assert row.get("migration_type", "resize") == "resize" and row.get("project_id", room.user.project_id) == room.user.project_id


@pytest.mark.parametrize(("action", "status"), [("confirmResize", "confirmed"), ("revertResize", "reverted")])
async def test_it_ends_with_the_resize(room, action, status):
    server = await resized(room, action)
    assert [row["status"] for row in await found(room, f"instance_uuid={server}")] == [status]
    assert (await room.act(server, "resize", {"flavorRef": await flavor(room)})).status == 202
    assert [row["status"] for row in await found(room, f"instance_uuid={server}")] == ["finished", status]
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()
    assert await found(room, f"instance_uuid={server}") == []


async def test_a_resize_that_fails_is_told(room):
    server = await room.server(networks=[{"uuid": room.network}])
    room.cloud.parts.driver(Hypervisor).fail("define", error=HypervisorError("no"))
    await room.act(server, "resize", {"flavorRef": await flavor(room)})
    assert [row["status"] for row in await found(room, f"instance_uuid={server}")] == ["error"]


async def test_filters(room):
    server, other = await resized(room), await resized(room, "confirmResize")
    both, host = f"project_id={room.user.project_id}", (await found(room, f"instance_uuid={server}"))[0]["source_compute"]
    for query, wanted in (
            ("status=finished", {server}), ("status=confirmed", {other}), ("status=nothing", set()), (f"host={host}", {server, other}),
            (f"source_compute={host}", {server, other}), ("host=elsewhere", set()), ("migration_type=resize", {server, other}),
            ("migration_type=live-migration", set()), (f"user_id={room.user.user_id}", {server, other}), ("user_id=nobody", set()),
            ("changes-since=2020-01-01T00:00:00Z", {server, other}), ("changes-since=2099-01-01T00:00:00Z", set()),
            ("changes-before=2020-01-01T00:00:00Z", set()), (f"instance_uuid={other}", {other}), ("hidden=false", {server, other})):
        assert {row["instance_uuid"] for row in await found(room, f"{both}&{query}")} == wanted, query
    admin = room.cloud.admin
    for version, query in (("2.59", "colour=red"), ("2.59", "changes-since=never"), ("2.59", "marker=nothing"),
                           ("2.65", "changes-before=x"), ("2.79", "user_id=x")):
        assert (await admin.at(version).get(f"{M}?{query}")).status == 400, query
    backwards = "changes-since=2021-01-01T00:00:00Z&changes-before=2020-01-01T00:00:00Z"
    assert (await admin.at("2.66").get(f"{M}?{backwards}")).status == 400
    assert (await admin.get(f"{M}?limit=1&changes-since=never")).status == 200


async def test_pages_come_newest_first(room):
    servers = [await resized(room) for _ in range(3)]
    query = f"project_id={room.user.project_id}&limit=2"
    first = (await room.cloud.admin.at("2.80").get(f"{M}?{query}")).body
    assert [row["instance_uuid"] for row in first["migrations"]] == servers[:0:-1]
    marker = first["migrations"][-1]["uuid"]
    assert f"marker={marker}" in first["migrations_links"][0]["href"]
    rest = (await room.cloud.admin.at("2.80").get(f"{M}?{query}&marker={marker}")).body
    assert [row["instance_uuid"] for row in rest["migrations"]] == servers[:1] and "migrations_links" not in rest


async def test_a_manager_sees_his_projects_and_no_hosts(room):
    server, admin = await resized(room), room.cloud.admin
    user = (await admin.post("/identity/v3/users", {"user": {"name": f"m-{room.name}", "password": "a-password-of-tests"}})).body["user"]
    role = (await admin.get("/identity/v3/roles?name=manager")).body["roles"][0]["id"]
    await admin.put(f"/identity/v3/projects/{room.user.project_id}/users/{user['id']}/roles/{role}")
    manager = await room.cloud.login(f"m-{room.name}", "a-password-of-tests", {"project": {"id": room.user.project_id}})
    rows = (await manager.at("2.80").get(M)).body["migrations"]
    assert [(row["instance_uuid"], row["source_compute"], row["dest_node"]) for row in rows] == [(server, None, None)]
    assert (await manager.at("2.80").get(f"{M}?host=x")).status == 403
    assert (await room.user.get(M)).status == 403


async def test_a_resize_is_no_live_migration(room):
    server = await resized(room)
    key, admin = (await found(room, f"instance_uuid={server}"))[0]["id"], room.cloud.admin
    path = f"{C}/servers/{server}/migrations"
    assert (await admin.at("2.23").get(path)).body == {"migrations": []}
    answers = [await admin.at("2.23").get(f"{path}/{key}"), await admin.at("2.24").delete(f"{path}/{key}"),
               await admin.at("2.22").post(f"{path}/{key}/action", {"force_complete": None})]
    assert all(answer.status == 404 and "is not live-migration" in answer.body["itemNotFound"]["message"] for answer in answers)
    assert (await admin.at("2.23").get(f"{path}/x")).status == 404
