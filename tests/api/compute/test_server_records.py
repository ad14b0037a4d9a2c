"""What hangs on a server: actions, usage, tags, metadata, password, diagnostics, events of others, migrations."""

import pytest

from cloudd.compute.api import API
from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture(scope="module")
async def server(room):
    return await room.server()


# -- actions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1", "2.20", "2.51", "2.58", "2.62", "2.84", "2.104"])
async def test_actions_have_tempests_form(cloud, room, server, version):
    path, minor = f"{C}/servers/{server}/os-instance-actions", int(version[2:])
    for client in (room.user.at(version), cloud.admin.at(version)):
        rows = fits(await client.get(path), "servers", "list_instance_actions", version)["instanceActions"]
        assert rows[-1]["action"] == "create" and rows[-1]["user_id"] == room.user.user_id
        shown = fits(await client.get(f"{path}/{rows[-1]['request_id']}"), "servers", "show_instance_action", version)
    events = shown["instanceAction"]["events"]
    assert [event["result"] for event in events] == ["Success"] and ("host" in events[0]) == (minor >= 62)
    mine = (await room.user.at(version).get(f"{path}/{rows[-1]['request_id']}")).body["instanceAction"]
    assert ("events" in mine) == (minor >= 51)
    assert not any("traceback" in event or "host" in event for event in mine.get("events", ()))


async def test_actions_of_the_deleted_pages_and_times(room):
    server = await room.server()
    await room.act(server, "os-stop")
    await room.act(server, "os-start")
    path = f"{C}/servers/{server}/os-instance-actions"
    rows = (await room.user.at("2.58").get(path)).body["instanceActions"]
    assert [row["action"] for row in rows] == ["start", "stop", "create"]
    first = (await room.user.at("2.58").get(f"{path}?limit=1")).body
    assert [row["action"] for row in first["instanceActions"]] == ["start"] and first["links"][0]["rel"] == "next"
    rest = (await room.user.at("2.58").get(f"{path}?marker={rows[0]['request_id']}")).body["instanceActions"]
    assert [row["action"] for row in rest] == ["stop", "create"]
    assert (await room.user.at("2.58").get(f"{path}?marker=req-nothing")).status == 404
    for name in ("changes-since", "changes-before"):
        assert (await room.user.at("2.66").get(f"{path}?{name}=yesterday")).status == 400
    assert (await room.user.at("2.66").get(f"{path}?changes-since=2999-01-01T00:00:00")).body["instanceActions"] == []
    assert (await room.user.at("2.66").get(f"{path}?changes-before=2000-01-01T00:00:00")).body["instanceActions"] == []
    assert (await room.user.at("2.58").get(f"{path}?colour=red")).status == 400
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()
    assert (await room.user.at("2.20").get(path)).status == 404
    assert (await room.user.at("2.21").get(path)).body["instanceActions"][0]["action"] == "delete"


async def test_actions_of_others(cloud, server):
    assert (await cloud.demo.get(f"{C}/servers/{server}/os-instance-actions")).status == 404
    assert (await cloud.admin.get(f"{C}/servers/{server}/os-instance-actions/req-nothing")).status == 404


# -- usage ------------------------------------------------------------------------------------------------------------


async def test_usage(cloud, room, server):
    path = f"{C}/os-simple-tenant-usage"
    mine = fits(await room.user.get(f"{path}/{room.user.project_id}?end=2999-01-01T00:00:00"),
                "tenant_usages", "get_tenant_usage")["tenant_usage"]
    row = next(row for row in mine["server_usages"] if row["instance_id"] == server)
    assert 0 < row["hours"] < 1                              # a period that ends tomorrow does not count the future
    assert (row["vcpus"], row["memory_mb"], row["local_gb"], row["state"], row["ended_at"]) == (1, 128, 1, "active", None)
    rows = fits(await cloud.admin.get(f"{path}?detailed=1"), "tenant_usages", "list_tenant_usage")["tenant_usages"]
    assert next(row for row in rows if row["tenant_id"] == room.user.project_id)["server_usages"]
    rows = (await cloud.admin.get(path)).body["tenant_usages"]
    assert all("server_usages" not in row for row in rows)
    assert (await room.user.get(path)).status == 403
    assert (await cloud.demo.get(f"{path}/{room.user.project_id}")).status == 403
    assert (await cloud.demo.get(f"{path}/{cloud.demo.project_id}")).body == {"tenant_usage": {}}


async def test_usage_of_a_period_and_its_pages(cloud, room, server):
    path = f"{C}/os-simple-tenant-usage/{room.user.project_id}"
    assert (await room.user.get(f"{path}?start=2001-01-01T00:00:00&end=2001-02-01T00:00:00")).body == {"tenant_usage": {}}
    for wrong in ("start=yesterday", "start=2001-02-01T00:00:00&end=2001-01-01T00:00:00"):
        assert (await room.user.get(f"{path}?{wrong}")).status == 400
    await room.server()
    first = (await room.user.at("2.40").get(f"{path}?limit=1")).body
    assert len(first["tenant_usage"]["server_usages"]) == 1 and first["tenant_usage_links"][0]["rel"] == "next"
    marker = first["tenant_usage"]["server_usages"][0]["instance_id"]
    rest = (await room.user.at("2.40").get(f"{path}?limit=1&marker={marker}")).body
    assert rest["tenant_usage"]["server_usages"][0]["instance_id"] != marker
    assert (await room.user.at("2.40").get(f"{path}?marker={NOBODY}")).status == 400


# -- tags -------------------------------------------------------------------------------------------------------------


async def test_tags(room, server):
    path, client = f"{C}/servers/{server}/tags", room.user.at("2.26")
    assert (await room.user.at("2.25").get(path)).status == 404
    assert fits(await client.put(path, {"tags": ["b", "a"]}), "servers", "update_all_tags", "2.26") == {"tags": ["a", "b"]}
    assert fits(await client.get(path), "servers", "list_tags", "2.26") == {"tags": ["a", "b"]}
    added = await client.put(f"{path}/c")
    assert added.status == 201 and added.headers["Location"].endswith(f"/servers/{server}/tags/c")
    assert (await client.put(f"{path}/c")).status == 204
    assert (await client.get(f"{path}/c")).status == 204
    assert (await client.delete(f"{path}/c")).status == 204
    assert (await client.get(f"{path}/c")).status == 404 and (await client.delete(f"{path}/c")).status == 404
    for wrong in (["x" * 61], ["a,b"], ["a/b"], [""], ["a", "a"], [str(number) for number in range(51)], "a"):
        assert (await client.put(path, {"tags": wrong})).status == 400
    assert (await client.put(f"{path}/{'x' * 61}")).status == 400 and (await client.put(f"{path}/a,b")).status == 400
    assert (await room.cloud.demo.at("2.26").get(path)).status == 404
    assert (await client.put(path, {"tags": [str(number) for number in range(50)]})).status == 200
    assert (await client.put(f"{path}/more")).status == 400
    assert (await client.delete(path)).status == 204 and (await client.get(path)).body == {"tags": []}


# -- metadata ---------------------------------------------------------------------------------------------------------


async def test_metadata(room, server):
    path = f"{C}/servers/{server}/metadata"
    first = {"metadata": {"a": "1", "b": "2"}}
    assert fits(await room.user.put(path, first), "servers", "set_server_metadata") == first
    merged = fits(await room.user.post(path, {"metadata": {"b": "3", "c": "4"}}), "servers", "update_server_metadata")
    assert merged == {"metadata": {"a": "1", "b": "3", "c": "4"}}
    assert fits(await room.user.get(path), "servers", "list_server_metadata") == merged
    one = fits(await room.user.put(f"{path}/d", {"meta": {"d": "5"}}), "servers", "set_show_server_metadata_item")
    assert one == {"meta": {"d": "5"}} and (await room.user.get(f"{path}/d")).body == one
    assert (await room.user.put(f"{path}/d", {"meta": {"e": "5"}})).status == 400
    assert (await room.user.put(f"{path}/d", {"meta": {"d": "5", "e": "6"}})).status == 400
    fits(await room.user.delete(f"{path}/d"), "servers", "delete_server_metadata_item")
    assert (await room.user.get(f"{path}/d")).status == 404 and (await room.user.delete(f"{path}/d")).status == 404
    for wrong in ({"a/b": "x"}, {"": "x"}, {"a": "x" * 256}, {"a": 1}, {"a": None}, {"x" * 256: "x"}):
        assert (await room.user.post(path, {"metadata": wrong})).status == 400
    many = {"metadata": {str(number): "x" for number in range(129)}}
    answer = await room.user.post(path, many)
    assert answer.status == 403 and "128" in answer.body["forbidden"]["message"]
    assert (await room.show(server))["metadata"] == merged["metadata"]


async def test_a_locked_server_is_left_alone(room):
    server = await room.server()
    await room.cloud.admin.post(f"{C}/servers/{server}/action", {"lock": None})
    assert (await room.user.post(f"{C}/servers/{server}/metadata", {"metadata": {"a": "b"}})).status == 409
    assert (await room.user.at("2.26").put(f"{C}/servers/{server}/tags/a")).status == 409
    assert (await room.user.post(f"{C}/servers/{server}/os-interface", {})).status == 409
    assert (await room.cloud.admin.post(f"{C}/servers/{server}/metadata", {"metadata": {"a": "b"}})).status == 200


# -- the rest ---------------------------------------------------------------------------------------------------------


async def test_the_guests_password(room, server):
    path = f"{C}/servers/{server}/os-server-password"
    assert fits(await room.user.get(path), "servers", "show_password") == {"password": ""}
    fits(await room.user.delete(path), "servers", "server_actions_delete_password")


@pytest.mark.parametrize("version", ["2.1", "2.48"])
async def test_diagnostics(cloud, room, server, version):
    path = f"{C}/servers/{server}/diagnostics"
    shown = fits(await cloud.admin.at(version).get(path), "servers", "show_server_diagnostics", version)
    assert shown["num_nics"] == 1 if version == "2.48" else "cpu0_time" in shown
    assert (await room.user.get(path)).status == 403
    cloud.parts.driver(Hypervisor).fail("stats")
    assert (await cloud.admin.at(version).get(path)).status == 503
    await room.act(server, "os-stop")
    assert (await cloud.admin.at(version).get(path)).status == 409
    await room.act(server, "os-start")


async def test_events_of_other_services(cloud, server):
    path = f"{C}/os-server-external-events"
    plugged = {"name": "network-vif-plugged", "server_uuid": server, "tag": "port", "status": "completed"}
    answer = fits(await cloud.admin.post(path, {"events": [plugged]}), "server_external_events", "create")
    assert answer["events"] == [{**plugged, "code": 200}]
    mixed = await cloud.admin.post(path, {"events": [plugged, {**plugged, "server_uuid": NOBODY}]})
    assert mixed.status == 207 and [event["code"] for event in mixed.body["events"]] == [200, 404]
    assert (await cloud.admin.post(path, {"events": [{**plugged, "server_uuid": NOBODY}]})).status == 404
    grown = {"name": "volume-extended", "server_uuid": server, "tag": NOBODY}
    assert (await cloud.admin.at("2.50").post(path, {"events": [grown]})).status == 400
    assert (await cloud.admin.at("2.51").post(path, {"events": [grown]})).status == 200
    power = {"name": "power-update", "server_uuid": server, "tag": "PERHAPS"}
    assert (await cloud.admin.at("2.76").post(path, {"events": [power]})).status == 400
    assert (await cloud.admin.post(path, {"events": []})).status == 400
    assert (await cloud.demo.post(path, {"events": [plugged]})).status == 403


async def test_migrations_and_topology(cloud, room, server):
    mine = f"{C}/os-migrations?instance_uuid={server}"
    assert fits(await cloud.admin.get(mine), "migrations", "list_migrations") == {"migrations": []}
    assert (await cloud.admin.at("2.59").get(f"{C}/os-migrations?colour=red")).status == 400
    assert (await cloud.admin.at("2.59").get(f"{C}/os-migrations?changes-since=never")).status == 400
    assert (await cloud.admin.at("2.23").get(f"{C}/servers/{server}/migrations")).body == {"migrations": []}
    assert (await cloud.admin.at("2.22").get(f"{C}/servers/{server}/migrations")).status == 404
    assert (await cloud.admin.at("2.24").delete(f"{C}/servers/{server}/migrations/1")).status == 404
    hurry = await cloud.admin.at("2.22").post(f"{C}/servers/{server}/migrations/1/action", {"force_complete": None})
    assert hurry.status == 404
    shown = await room.user.at("2.78").get(f"{C}/servers/{server}/topology")
    assert shown.body == {"nodes": [], "pagesize_kb": None}


async def test_extensions(cloud):
    rows = fits(await cloud.demo.get(f"{C}/extensions"), "extensions", "list_extensions")["extensions"]
    assert {"os-keypairs", "servers", "os-hypervisors"} <= {row["alias"] for row in rows}
    assert (await cloud.demo.get(f"{C}/extensions/os-keypairs")).body["extension"]["alias"] == "os-keypairs"
    assert (await cloud.demo.get(f"{C}/extensions/nothing")).status == 404


async def test_the_audit_log_is_empty(cloud):
    path = f"{C}/os-instance_usage_audit_log"
    log = fits(await cloud.admin.get(path), "instance_usage_audit_logs", "list_instance_usage_audit_log")
    assert log["instance_usage_audit_logs"]["num_hosts_not_run"] == 0
    october = (await cloud.admin.get(f"{path}/2026-11-15 12:00:00")).body["instance_usage_audit_log"]
    assert (october["period_beginning"], october["period_ending"]) == ("2026-10-01 00:00:00", "2026-11-01 00:00:00")
    fits(await cloud.admin.get(f"{path}/2026-03-15 12:00:00"), "instance_usage_audit_logs", "get_instance_usage_audit_log")
    assert (await cloud.admin.get(f"{path}/whenever")).status == 400 and (await cloud.demo.get(path)).status == 403


async def test_the_usage_of_a_project_without_an_id_is_not_that_of_all(cloud):
    """Tempest's `test_get_usage_tenant_with_empty_tenant_id`."""
    answer = await cloud.admin.get(f"{C}/os-simple-tenant-usage/")
    assert answer.status == 404 and "id of a project is missing" in answer.body["itemNotFound"]["message"]


async def test_lists_are_served_with_a_slash_at_their_end_too(cloud):
    lists = {operation.path for operation in API.operations if operation.method == "GET" and "{" not in operation.path}
    lists.remove("/os-simple-tenant-usage")
    for path in sorted(lists):
        plain, slashed = [(await cloud.admin.at("2.1").get(f"{C}{path}{end}")).status for end in ("", "/")]
        assert slashed == plain, path
