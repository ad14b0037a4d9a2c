"""Services, hosts, zones, pools, capabilities, log levels, clusters, clean-up."""

import logging

import pytest

from cloudd.block.config import CONFIG
from cloudd.block.models import BlockService
from cloudd.core import clock
from tests.api.block.forms import B, at, fits, words

S = f"{B}/os-services"
BACKEND = "simulated"


@pytest.fixture
def host():
    return f"{CONFIG.host}@{BACKEND}"


async def listed(cloud, query="", version="3.0"):
    return {(row["binary"], row["host"]): row for row in (await at(cloud.admin, version).get(f"{S}{query}")).body["services"]}


async def test_services(cloud, host):
    fits(await cloud.admin.get(S), "services", "list_services")
    rows = await listed(cloud)
    assert {("cinder-volume", host), ("cinder-scheduler", CONFIG.host), ("cinder-backup", CONFIG.host)} <= set(rows)
    volume, scheduler = rows["cinder-volume", host], rows["cinder-scheduler", CONFIG.host]
    assert (volume["state"], volume["status"], volume["zone"], volume["frozen"]) == ("up", "enabled", "nova", False)
    assert (volume["replication_status"], volume["active_backend_id"]) == ("disabled", None)
    assert not {"frozen", "replication_status", "cluster", "backend_state"} & set(scheduler)
    assert set(await listed(cloud, "?binary=cinder-backup")) == {("cinder-backup", CONFIG.host)}
    assert ("cinder-volume", host) in await listed(cloud, f"?host={CONFIG.host}&binary=cinder-volume")
    assert set(await listed(cloud, f"?host={host}")) == {("cinder-volume", host)}
    assert await listed(cloud, "?host=elsewhere") == {}
    assert (await cloud.demo.get(S)).status == 403


async def test_what_versions_add_to_services(cloud, host):
    assert (await listed(cloud, version="3.7"))["cinder-volume", host]["cluster"] is None
    rows = await listed(cloud, version="3.49")
    assert rows["cinder-volume", host]["backend_state"] == "up"
    assert "backend_state" not in rows["cinder-backup", CONFIG.host]
    assert "backend_state" not in (await listed(cloud, version="3.48"))["cinder-volume", host]


async def test_a_service_is_disabled_with_a_reason_and_enabled_again(cloud, host):
    which = {"host": host, "binary": "cinder-volume"}
    fits(await cloud.admin.put(f"{S}/disable", which), "services", "disable_service")
    row = (await listed(cloud))["cinder-volume", host]
    assert (row["status"], row["disabled_reason"], row["state"]) == ("disabled", None, "up")
    assert {"zoneName": "nova", "zoneState": {"available": False}} in (
        await cloud.demo.get(f"{B}/os-availability-zone")).body["availabilityZoneInfo"]
    answer = await cloud.admin.put(f"{S}/disable-log-reason", {**which, "disabled_reason": "new disks"})
    assert fits(answer, "services", "disable_log_reason")["disabled_reason"] == "new disks"
    assert (await listed(cloud))["cinder-volume", host]["disabled_reason"] == "new disks"
    assert fits(await cloud.admin.put(f"{S}/enable", which), "services", "enable_service")["status"] == "enabled"
    row = (await listed(cloud))["cinder-volume", host]
    assert (row["status"], row["disabled_reason"]) == ("enabled", None)
    assert (await cloud.demo.get(f"{B}/os-availability-zone")).body["availabilityZoneInfo"] == [
        {"zoneName": "nova", "zoneState": {"available": True}}]


@pytest.mark.parametrize(("action", "body", "status"), [
    ("enable", {"host": "invalid_host", "binary": "cinder-volume"}, 404), ("disable", {"host": "HOST", "binary": "invalid_binary"}, 404),
    ("disable", {"host": "HOST"}, 400), ("disable", {"binary": "cinder-volume"}, 400), ("enable", {"host": "a b", "binary": "x"}, 400),
    ("disable-log-reason", {"host": "HOST", "binary": "cinder-volume", "disabled_reason": None}, 400),
    ("disable-log-reason", {"host": "HOST", "binary": "cinder-volume", "disabled_reason": " "}, 400),
    ("freeze", {"host": "invalid_host"}, 400), ("thaw", {"host": "invalid_host"}, 400), ("freeze", {}, 400),
    ("thaw", {"host": "HOST"}, 400),
    ("freeze", {"host": "HOST", "more": 1}, 400), ("failover_host", {"host": "HOST"}, 400), ("failover_host", {"host": "nowhere"}, 400)])
async def test_what_cannot_be_is_refused(cloud, host, action, body, status):
    body = {name: host if value == "HOST" else value for name, value in body.items()}
    answer = await cloud.admin.put(f"{S}/{action}", body)
    assert answer.status == status, answer.content
    assert (await cloud.demo.put(f"{S}/{action}", body)).status in (400, 403)


async def test_freezing_stops_new_volumes_until_it_is_thawed(cloud, host):
    fits(await cloud.admin.put(f"{S}/freeze", {"host": host}), "services", "freeze_host")
    row = (await listed(cloud))["cinder-volume", host]
    assert (row["frozen"], row["status"], row["disabled_reason"]) == (True, "disabled", "frozen")
    assert (await cloud.admin.put(f"{S}/freeze", {"host": host})).status == 400
    fits(await cloud.admin.put(f"{S}/thaw", {"host": host}), "services", "thaw_host")
    row = (await listed(cloud))["cinder-volume", host]
    assert (row["frozen"], row["status"], row["disabled_reason"]) == (False, "enabled", None)


async def test_failover_says_that_nothing_replicates(cloud, host):
    answer = await cloud.admin.put(f"{S}/failover_host", {"host": host, "backend_id": "other"})
    assert answer.status == 400 and "replication_status" in words(answer)
    newer = at(cloud.admin, "3.26")
    assert (await newer.put(f"{S}/failover", {"host": host})).status == 400
    assert "cluster" in words(await newer.put(f"{S}/failover", {"host": host, "cluster": "both"}))
    assert (await cloud.admin.put(f"{S}/failover", {"host": host})).status == 400


async def test_a_service_of_an_earlier_name_is_down_and_can_be_cleaned_up_after(cloud):
    async with cloud.parts.database.write() as tx:
        tx.add(BlockService(host="old@simulated", binary="cinder-volume", zone="nova", created_at=clock.now()))
    assert (await listed(cloud))["cinder-volume", "old@simulated"]["state"] == "down"
    admin = at(cloud.admin, "3.24")
    for send in (admin.post, admin.put):
        answer = await send(f"{B}/workers/cleanup", {})
        assert answer.status == 202 and answer.body["cleaning"] == []
        assert [row["host"] for row in answer.body["unavailable"]] == ["old@simulated"]
    up = (await admin.post(f"{B}/workers/cleanup", {"is_up": "true", "binary": "cinder-volume"})).body
    assert [row["host"] for row in up["cleaning"]] == [f"{CONFIG.host}@{BACKEND}"] and up["unavailable"] == []
    one = (await admin.post(f"{B}/workers/cleanup", {"is_up": True, "service_id": str(up["cleaning"][0]["id"])})).body
    assert one["cleaning"] == up["cleaning"]
    async with cloud.parts.database.write() as tx:
        await tx.delete(await tx.get(BlockService, answer.body["unavailable"][0]["id"]))


@pytest.mark.parametrize("wrong", [{"binary": "cinder-api"}, {"resource_type": "Server"}, {"resource_id": "x"}, {"more": 1},
                                   {"resource_id": "00000000-0000-4000-8000-000000000000"}, {"is_up": "perhaps"}, {"service_id": "x"}])
async def test_clean_up_refuses_what_it_does_not_know(cloud, wrong):
    assert (await at(cloud.admin, "3.24").post(f"{B}/workers/cleanup", wrong)).status == 400


async def test_clean_up_is_administrators_and_comes_with_3_24(cloud):
    assert (await at(cloud.demo, "3.24").post(f"{B}/workers/cleanup", {})).status == 403
    assert (await at(cloud.admin, "3.23").post(f"{B}/workers/cleanup", {})).status == 404


async def test_log_levels(cloud):
    admin, logger = at(cloud.admin, "3.32"), logging.getLogger("cloudd.http")
    shown = (await admin.put(f"{S}/get-log", {})).body["log_levels"]
    assert {row["binary"] for row in shown} == {"cinder-api", "cinder-scheduler", "cinder-volume", "cinder-backup"}
    assert "cloudd.http" in shown[0]["levels"] and "aiohttp" not in str(shown)
    one = (await admin.put(f"{S}/get-log", {"binary": "cinder-api", "prefix": "cloudd.http"})).body["log_levels"]
    assert [set(row["levels"]) for row in one] == [{"cloudd.http"}]
    before = logger.level
    try:
        assert (await admin.put(f"{S}/set-log", {"level": "error", "prefix": "cloudd.http", "binary": "*"})).status == 202
        assert logger.level == logging.ERROR
        assert (await admin.put(f"{S}/get-log", {"prefix": "cloudd.http"})).body["log_levels"][0]["levels"] == {"cloudd.http": "ERROR"}
        assert (await admin.put(f"{S}/set-log", {"level": "debug", "prefix": "sqlalchemy"})).status == 202
        assert not logging.getLogger("sqlalchemy.engine").isEnabledFor(logging.DEBUG)
    finally:
        logger.setLevel(before)
    for wrong in ({"level": "loud"}, {}, {"level": None}, {"level": "info", "binary": "nova-api"}):
        assert (await admin.put(f"{S}/set-log", wrong)).status == 400, wrong
    assert (await admin.put(f"{S}/get-log", {"server": "elsewhere"})).body == {"log_levels": []}
    assert (await at(cloud.demo, "3.32").put(f"{S}/get-log", {})).status == 403
    assert (await at(cloud.admin, "3.31").put(f"{S}/get-log", {})).status == 404


async def test_hosts(cloud, host):
    rows = fits(await cloud.admin.get(f"{B}/os-hosts"), "hosts", "list_hosts")["hosts"]
    assert {"cinder-volume", "cinder-scheduler"} <= {row["service"] for row in rows}
    assert (await cloud.admin.get(f"{B}/os-hosts?zone=moon")).body == {"hosts": []}
    shown = fits(await cloud.admin.get(f"{B}/os-hosts/{host}"), "hosts", "show_host")["host"]
    assert shown[0]["resource"]["project"] == "(total)"
    assert (await cloud.admin.get(f"{B}/os-hosts/{CONFIG.host}")).status == 404
    assert (await cloud.demo.get(f"{B}/os-hosts")).status == 403


async def test_capabilities(cloud, host):
    shown = fits(await cloud.admin.get(f"{B}/capabilities/{host}"), "capabilities", "show_backend_capabilities")
    assert shown["volume_backend_name"] == shown["storage_protocol"] == BACKEND
    assert (await cloud.admin.get(f"{B}/capabilities/{host}%23{BACKEND}")).status == 200
    missing = await cloud.admin.get(f"{B}/capabilities/nowhere")
    assert missing.status == 404 and host in words(missing)
    assert (await cloud.demo.get(f"{B}/capabilities/{host}")).status == 403


async def test_pools(cloud, host):
    path, name = f"{B}/scheduler-stats/get_pools", f"{host}#{BACKEND}"
    assert {"name": name} in fits(await cloud.admin.get(path), "scheduler_stats", "get_pools_no_detail")["pools"]
    pools = fits(await cloud.admin.get(f"{path}?detail=True"), "scheduler_stats", "get_pools_with_detail")["pools"]
    facts = next(pool["capabilities"] for pool in pools if pool["name"] == name)
    assert facts["volume_backend_name"] == BACKEND and facts["total_capacity_gb"] > 0
    assert (await cloud.admin.get(f"{path}?detail=perhaps")).status == 400
    assert (await cloud.demo.get(path)).status == 403


async def test_pools_are_filtered_from_3_28_and_by_type_from_3_35(cloud, host):
    path, name = f"{B}/scheduler-stats/get_pools", f"{host}%23{BACKEND}"

    async def found(query, version):
        answer = await at(cloud.admin, version).get(f"{path}?{query}")
        assert answer.status == 200, answer.content
        return len(answer.body["pools"])
    assert await found("name=nothing", "3.27") >= 1
    assert (await found("name=nothing", "3.28"), await found(f"name={name}", "3.28")) == (0, 1)
    assert (await found("storage_protocol=simulated", "3.28"), await found("storage_protocol=ceph", "3.28")) == (1, 0)
    assert (await at(cloud.admin, "3.31").get(f"{path}?storage_protocol=ceph")).status == 400
    for protocol, count in (("simulated", 1), ("ceph", 0)):
        wanted = {"volume_type": {"name": f"pools-{protocol}-{cloud.parts.database.queries}",
                                  "extra_specs": {"storage_protocol": protocol}}}
        made = (await cloud.admin.post(f"{B}/types", wanted)).body["volume_type"]
        assert await found(f"volume_type={made['name']}", "3.35") == count
        assert await found(f"volume_type={made['id']}", "3.34") >= 1
    assert (await at(cloud.admin, "3.35").get(f"{path}?volume_type=nothing")).status == 404


async def test_clusters_are_none(cloud):
    admin = at(cloud.admin, "3.7")
    for path in ("clusters", "clusters/detail", "clusters?is_up=true&name=x"):
        assert (await admin.get(f"{B}/{path}")).body == {"clusters": []}
    assert (await admin.get(f"{B}/clusters/one")).status == 404
    assert (await admin.put(f"{B}/clusters/enable", {"name": "one"})).status == 404
    assert (await admin.put(f"{B}/clusters/disable", {"name": "one", "disabled_reason": "x"})).status == 404
    for wrong in ("clusters?colour=red", "clusters?frozen=true", "clusters?is_up=perhaps"):
        assert (await admin.get(f"{B}/{wrong}")).status == 400
    assert (await at(cloud.admin, "3.26").get(f"{B}/clusters?frozen=true")).status == 200
    assert (await admin.put(f"{B}/clusters/disable", {"name": " "})).status == 400
    assert (await at(cloud.demo, "3.7").get(f"{B}/clusters")).status == 403
    assert (await at(cloud.admin, "3.6").get(f"{B}/clusters")).status == 404
