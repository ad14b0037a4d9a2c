"""What is told of the host: hypervisors, services, availability zones, aggregates."""

import itertools

import pytest

from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

NUMBERS = itertools.count()
H, S, A = f"{C}/os-hypervisors", f"{C}/os-services", f"{C}/os-aggregates"


async def the_host(cloud):
    return (await cloud.admin.get(f"{H}/detail")).body["hypervisors"][0]


@pytest.mark.parametrize("version", ["2.1", "2.27", "2.28", "2.33", "2.52", "2.53", "2.75", "2.87", "2.88", "2.104"])
async def test_hypervisors_have_tempests_form(cloud, version):
    admin, minor = cloud.admin.at(version), int(version[2:])
    listed = fits(await admin.get(H), "hypervisors", "list_search_hypervisors", version)["hypervisors"]
    assert [row["state"] for row in listed] == ["up"] and [row["status"] for row in listed] == ["enabled"]
    assert isinstance(listed[0]["id"], str if minor >= 53 else int)
    detail, shown = await admin.get(f"{H}/detail"), await admin.get(f"{H}/{listed[0]['id']}")
    lasting = [{key: value for key, value in row.items() if key != "uptime"}             # which has the time of day in it
               for row in (*detail.body["hypervisors"], shown.body["hypervisor"])]
    assert len(lasting) == 2 and lasting[0] == lasting[1]
    if minor < 88:
        fits(detail, "hypervisors", "list_hypervisors_detail", version)
        fits(shown, "hypervisors", "get_hypervisor", version)
        fits(await admin.get(f"{H}/statistics"), "hypervisors", "get_hypervisor_statistics", version)
        fits(await admin.get(f"{H}/{listed[0]['id']}/uptime"), "hypervisors", "get_hypervisor_uptime", version)
        assert isinstance(shown.body["hypervisor"]["cpu_info"], dict if minor >= 28 else str)
    else:
        assert "vcpus" not in shown.body["hypervisor"] and shown.body["hypervisor"]["uptime"]
        assert (await admin.get(f"{H}/statistics")).status == 404
        assert (await admin.get(f"{H}/{listed[0]['id']}/uptime")).status == 404


async def test_hypervisors_by_name(cloud):
    name = (await the_host(cloud))["hypervisor_hostname"]
    part = name[1:3] if len(name) > 3 else name
    found = fits(await cloud.admin.get(f"{H}/{part}/search"), "hypervisors", "list_search_hypervisors")
    assert found["hypervisors"][0]["hypervisor_hostname"] == name
    fits(await cloud.admin.get(f"{H}/{name}/servers"), "hypervisors", "get_hypervisors_servers")
    assert (await cloud.admin.get(f"{H}/no-such-host/search")).status == 404
    assert (await cloud.admin.at("2.53").get(f"{H}/{name}/search")).status == 404
    new = cloud.admin.at("2.53")
    assert len((await new.get(f"{H}?hypervisor_hostname_pattern={part}")).body["hypervisors"]) == 1
    assert (await new.get(f"{H}?hypervisor_hostname_pattern=no-such-host")).status == 404
    assert (await new.get(f"{H}?hypervisor_hostname_pattern={part}&limit=1")).status == 400
    assert (await new.get(f"{H}/1")).status == 400
    assert (await cloud.admin.get(f"{H}/99")).status == 404
    assert (await cloud.demo.get(H)).status == 403


async def test_hypervisors_tell_their_servers_and_what_they_hold(cloud):
    before = await the_host(cloud)
    room = await make_room(cloud)
    server = await room.server()
    after = await the_host(cloud)
    assert after["running_vms"] == before["running_vms"] + 1 and after["vcpus_used"] == before["vcpus_used"] + 1
    assert after["memory_mb_used"] == before["memory_mb_used"] + 128 and after["local_gb_used"] == before["local_gb_used"] + 1
    rows = (await cloud.admin.at("2.53").get(f"{H}/detail?with_servers=true")).body["hypervisors"]
    assert server in [row["uuid"] for row in rows[0]["servers"]]
    assert "servers" not in (await cloud.admin.at("2.53").get(f"{H}/detail")).body["hypervisors"][0]
    old = (await cloud.admin.get(f"{H}/{after['hypervisor_hostname']}/servers")).body["hypervisors"]
    assert server in [row["uuid"] for row in old[0]["servers"]]


async def test_a_hypervisor_out_of_reach_is_down(cloud):
    driver = cloud.parts.driver(Hypervisor)
    driver.fail("host")
    down = await the_host(cloud)
    assert (down["state"], down["hypervisor_type"]) == ("down", None) and down["vcpus"] > 0
    assert (await the_host(cloud))["state"] == "up"


@pytest.mark.parametrize("version", ["2.1", "2.10", "2.11", "2.52", "2.53", "2.69"])
async def test_services_have_tempests_form(cloud, version):
    rows = (await cloud.admin.at(version).get(S)).body["services"]
    if int(version[2:]) >= 53:
        fits(await cloud.admin.at(version).get(S), "services", "list_services", version)
    assert {row["binary"] for row in rows} == {"nova-compute", "nova-conductor", "nova-scheduler"}
    assert {row["zone"] for row in rows if row["binary"] != "nova-compute"} == {"internal"}
    assert {(row["state"], row["status"]) for row in rows} == {("up", "enabled")}
    assert all(("forced_down" in row) == (int(version[2:]) >= 11) for row in rows)


async def test_services_are_filtered(cloud):
    rows = (await cloud.admin.get(f"{S}?binary=nova-compute")).body["services"]
    assert [row["binary"] for row in rows] == ["nova-compute"]
    assert (await cloud.admin.get(f"{S}?host=elsewhere")).body["services"] == []
    assert (await cloud.admin.at("2.75").get(f"{S}?colour=red")).status == 400
    assert (await cloud.demo.get(S)).status == 403


async def test_a_disabled_service_takes_no_servers(cloud):
    room, host = await make_room(cloud), (await the_host(cloud))["service"]["host"]
    which = {"host": host, "binary": "nova-compute"}
    fits(await cloud.admin.put(f"{S}/disable", which), "services", "enable_disable_service")
    reason = {**which, "disabled_reason": "being mended"}
    fits(await cloud.admin.put(f"{S}/disable-log-reason", reason), "services", "disable_log_reason")
    refused = await room.create()
    assert (await the_host(cloud))["status"] == "disabled"
    fits(await cloud.admin.put(f"{S}/enable", which), "services", "enable_disable_service")
    assert refused.status >= 400 and "being mended" in str(refused.body)
    assert (await room.create()).status == 202
    await cloud.settled()


async def test_services_by_uuid(cloud):
    admin = cloud.admin.at("2.53")
    rows = (await admin.get(S)).body["services"]
    mine = next(row for row in rows if row["binary"] == "nova-compute")
    other = next(row for row in rows if row["binary"] == "nova-conductor")
    changed = fits(await admin.put(f"{S}/{mine['id']}", {"status": "disabled", "disabled_reason": "why not"}),
                   "services", "update_service", "2.53")["service"]
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "why not")
    down = (await admin.put(f"{S}/{mine['id']}", {"status": "enabled", "forced_down": True})).body["service"]
    assert (down["status"], down["state"], down["forced_down"], down["disabled_reason"]) == ("enabled", "down", True, None)
    assert (await admin.put(f"{S}/{mine['id']}", {"forced_down": False})).body["service"]["state"] == "up"
    for wrong in ({}, {"disabled_reason": "x"}, {"status": "enabled", "disabled_reason": "x"}, {"status": "perhaps"}):
        assert (await admin.put(f"{S}/{mine['id']}", wrong)).status == 400
    assert (await admin.put(f"{S}/{other['id']}", {"status": "disabled"})).status == 400
    assert (await admin.put(f"{S}/1", {"status": "disabled"})).status == 400
    assert (await admin.delete(f"{S}/{mine['id']}")).status == 409
    assert (await cloud.admin.delete(f"{S}/999")).status == 404
    assert (await cloud.admin.at("2.53").put(f"{S}/disable", {"host": "x", "binary": "y"})).status == 404


async def test_force_down_by_name(cloud):
    which = {"host": (await the_host(cloud))["service"]["host"], "binary": "nova-compute"}
    down = await cloud.admin.at("2.11").put(f"{S}/force-down", {**which, "forced_down": True})
    assert down.body["service"] == {**which, "forced_down": True}
    assert (await cloud.admin.at("2.11").put(f"{S}/force-down", {**which, "forced_down": False})).status == 200
    assert (await cloud.admin.put(f"{S}/enable", {"host": "elsewhere", "binary": "nova-compute"})).status == 404


async def test_zones(cloud):
    path = f"{C}/os-availability-zone"
    rows = fits(await cloud.demo.get(path), "availability_zone", "list_availability_zone_list")["availabilityZoneInfo"]
    assert rows == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    answer = await cloud.admin.get(f"{path}/detail")
    rows = fits(answer, "availability_zone", "list_availability_zone_list_detail")["availabilityZoneInfo"]
    assert [row["zoneName"] for row in rows] == ["internal", "nova"]
    assert (await cloud.demo.get(f"{path}/detail")).status == 403


async def aggregate(cloud, version="2.1", **more):
    answer = await cloud.admin.at(version).post(A, {"aggregate": {"name": f"aggregate-{next(NUMBERS)}", **more}})
    return fits(answer, "aggregates", "create_aggregate", version)["aggregate"]


@pytest.mark.parametrize("version", ["2.1", "2.40", "2.41", "2.104"])
async def test_aggregates_have_tempests_form(cloud, version):
    admin, made = cloud.admin.at(version), await aggregate(cloud, version)
    path, host = f"{A}/{made['id']}", (await the_host(cloud))["service"]["host"]
    fits(await admin.get(path), "aggregates", "get_aggregate", version)
    renamed = {"aggregate": {"name": made["name"] + "-new"}}
    changed = fits(await admin.put(path, renamed), "aggregates", "update_aggregate", version)
    assert changed["aggregate"]["name"] == made["name"] + "-new"
    rows = fits(await admin.get(A), "aggregates", "list_aggregates", version)["aggregates"]
    assert made["id"] in [row["id"] for row in rows]
    metadata = {"set_metadata": {"metadata": {"ssd": "true", "old": None}}}
    with_metadata = fits(await admin.post(f"{path}/action", metadata), "aggregates", "aggregate_set_metadata", version)
    assert with_metadata["aggregate"]["metadata"] == {"ssd": "true"}
    add = {"add_host": {"host": host}}
    added = fits(await admin.post(f"{path}/action", add), "aggregates", "aggregate_add_remove_host", version)
    assert added["aggregate"]["hosts"] == [host]
    assert (await admin.delete(path)).status == 400
    assert (await admin.post(f"{path}/action", {"add_host": {"host": host}})).status == 409
    await admin.post(f"{path}/action", {"remove_host": {"host": host}})
    assert (await admin.post(f"{path}/action", {"remove_host": {"host": host}})).status == 404
    fits(await admin.delete(path), "aggregates", "delete_aggregate", version)
    assert (await admin.get(path)).status == 404


async def test_an_aggregate_with_a_zone_moves_its_empty_host(cloud):
    host = (await the_host(cloud))["service"]["host"]
    held = (await the_host(cloud))["running_vms"]
    made = await aggregate(cloud, availability_zone="mine")
    assert made["availability_zone"] == "mine"
    answer = await cloud.admin.post(f"{A}/{made['id']}/action", {"add_host": {"host": host}})
    assert answer.status == (409 if held else 200)
    if not held:
        rows = (await cloud.demo.get(f"{C}/os-availability-zone")).body["availabilityZoneInfo"]
        assert [row["zoneName"] for row in rows] == ["mine"]
        await cloud.admin.post(f"{A}/{made['id']}/action", {"remove_host": {"host": host}})
    await cloud.admin.delete(f"{A}/{made['id']}")


async def test_a_host_with_servers_joins_and_leaves_aggregates_that_leave_it_in_its_zone(cloud):
    room = await make_room(cloud)
    await room.server()
    host, other = (await the_host(cloud))["service"]["host"], await aggregate(cloud, availability_zone="elsewhere")
    same = [await aggregate(cloud, availability_zone="nova"), await aggregate(cloud, availability_zone="nova"), await aggregate(cloud)]

    async def act(row, **action):
        return (await cloud.admin.post(f"{A}/{row['id']}/action", action)).status
    for row in same:
        assert await act(row, add_host={"host": host}) == 200
    assert await act(other, add_host={"host": host}) == 409
    assert await act(same[0], set_metadata={"metadata": {"availability_zone": "elsewhere"}}) == 409
    for row in same:
        assert await act(row, remove_host={"host": host}) == 200
    await cloud.admin.delete(f"{A}/{other['id']}")


async def test_null_takes_an_aggregate_out_of_its_zone(cloud):
    made = await aggregate(cloud, availability_zone="gone")
    answer = await cloud.admin.put(f"{A}/{made['id']}", {"aggregate": {"availability_zone": None}})
    assert answer.status == 200 and answer.body["aggregate"]["availability_zone"] is None
    assert "availability_zone" not in answer.body["aggregate"]["metadata"]


async def test_what_aggregates_refuse(cloud):
    made = await aggregate(cloud)
    path = f"{A}/{made['id']}"
    assert (await cloud.admin.post(A, {"aggregate": {"name": made["name"]}})).status == 409
    for wrong in ({}, {"name": ""}, {"name": "x", "colour": "red"}, {"name": "x", "availability_zone": "a:b"}):
        assert (await cloud.admin.post(A, {"aggregate": wrong})).status == 400
    assert (await cloud.admin.put(path, {"aggregate": {}})).status == 400
    assert (await cloud.admin.post(f"{path}/action", {"add_host": {"host": "elsewhere"}})).status == 404
    assert (await cloud.admin.post(f"{path}/action", {"dance": {}})).status == 400
    assert (await cloud.demo.get(A)).status == 403 and (await cloud.demo.post(A, {"aggregate": {"name": "x"}})).status == 403
    assert (await cloud.admin.get(f"{A}/x")).status == 404
    images = {"cache": [{"id": "00000000-0000-4000-8000-000000000000"}]}
    assert (await cloud.admin.at("2.80").post(f"{path}/images", images)).status == 404
    assert (await cloud.admin.at("2.81").post(f"{path}/images", images)).status == 400


async def test_images_are_fetched_before_they_are_needed(cloud):
    room, made = await make_room(cloud, networked=False), await aggregate(cloud)
    host = (await the_host(cloud))["service"]["host"]
    await cloud.admin.post(f"{A}/{made['id']}/action", {"add_host": {"host": host}})
    answer = await cloud.admin.at("2.81").post(f"{A}/{made['id']}/images", {"cache": [{"id": room.image}]})
    assert answer.status == 202
    await cloud.settled()
    assert room.image in await cloud.parts.driver(Hypervisor).disks.cached_images()
    await cloud.admin.post(f"{A}/{made['id']}/action", {"remove_host": {"host": host}})
