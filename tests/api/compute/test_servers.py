"""Servers made, shown, changed and deleted over the simulated drivers; replies held against Tempest's own schemas."""

import importlib

import jsonschema
import pytest

from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_image, make_room

SCHEMAS = ("2.1", "2.3", "2.9", "2.16", "2.19", "2.26", "2.47", "2.63", "2.71", "2.73", "2.75", "2.89", "2.96", "2.98", "2.100")


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


def schema(version, name):
    module = importlib.import_module(f"tempest.lib.api_schema.response.compute.v{version.replace('.', '_')}.servers")
    return getattr(module, name)["response_body"]


def check(body, version, name):
    jsonschema.validate(body, schema(version, name), format_checker=jsonschema.FormatChecker())


async def test_a_server_is_built_with_the_only_network(room):
    answer = await room.create(metadata={"hello": "world"})
    assert answer.status == 202
    check(answer.body, "2.1", "create_server_with_admin_pass")
    server = answer.body["server"]["id"]
    assert answer.headers["Location"].endswith(f"/compute/v2.1/servers/{server}")
    await room.cloud.settled()
    shown = await room.show(server)
    assert (shown["status"], shown["OS-EXT-STS:task_state"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", None, 1)
    assert [entry["OS-EXT-IPS:type"] for entry in shown["addresses"]["net"]] == ["fixed"]
    assert shown["metadata"] == {"hello": "world"}
    ports = (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"]
    assert [(port["status"], port["device_owner"]) for port in ports] == [("ACTIVE", "compute:nova")]


@pytest.mark.parametrize("version", SCHEMAS)
async def test_replies_have_tempests_form(room, version):
    server = await room.server(networks=[{"uuid": room.network}])
    for client in (room.user.at(version), room.cloud.admin.at(version)):
        answer = await client.get(f"{C}/servers/{server}")
        check(answer.body, version, "get_server")
        assert answer.headers["X-OpenStack-Nova-API-Version"] == version
        check((await client.get(f"{C}/servers/detail")).body, version, "list_servers_detail")
        check((await client.put(f"{C}/servers/{server}", {"server": {"name": "two"}})).body, version, "update_server")
        answer = await client.post(f"{C}/servers/{server}/action", {"rebuild": {"imageRef": room.image}})
        assert answer.status == 202, answer.content
        check(answer.body, version, "rebuild_server_with_admin_pass")
        await room.cloud.settled()


async def test_all_that_can_be_said_is_kept(room):
    key = await room.user.at("2.100").post(f"{C}/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}})
    assert key.status == 201, key.content
    group = (await room.user.post("/networking/v2.0/security-groups", {"security_group": {"name": "web"}})).body["security_group"]
    answer = await room.create(
        room.user.at("2.100"), networks=[{"uuid": room.network, "fixed_ip": "10.1.0.77", "tag": "front"}], key_name="k",
        security_groups=[{"name": "web"}], user_data="IyEvYmluL3NoCg==", config_drive=True, description="a server",
        hostname="host-1", tags=["b", "a"], accessIPv6="0000:0000:0000:0000:0000:babe:220.12.22.2", availability_zone="nova",
        trusted_image_certificates=["cert"], **{"OS-DCF:diskConfig": "AUTO"}, adminPass="s3cret-s3cret")
    assert answer.status == 202, answer.content
    assert answer.body["server"]["adminPass"] == "s3cret-s3cret"
    await room.cloud.settled()
    shown = await room.show(answer.body["server"]["id"], "2.100")
    assert shown["addresses"]["net"][0]["addr"] == "10.1.0.77"
    assert shown["security_groups"] == [{"name": group["name"]}]
    assert (shown["key_name"], shown["config_drive"], shown["description"]) == ("k", "True", "a server")
    assert (shown["OS-EXT-SRV-ATTR:hostname"], shown["tags"], shown["OS-DCF:diskConfig"]) == ("host-1", ["a", "b"], "AUTO")
    assert (shown["accessIPv6"], shown["trusted_image_certificates"]) == ("::babe:dc0c:1602", ["cert"])
    assert shown["pinned_availability_zone"] == "nova"


async def test_several_at_once_have_one_reservation(room):
    answer = await room.create(min_count=2, max_count=3, return_reservation_id=True)
    assert answer.status == 202, answer.content
    reservation = answer.body["reservation_id"]
    await room.cloud.settled()
    listed = (await room.user.get(f"{C}/servers?reservation_id={reservation}")).body["servers"]
    assert sorted(server["name"] for server in listed) == ["one-1", "one-2", "one-3"]


async def test_quota_is_told_in_novas_words(room):
    answer = await room.create(min_count=11)
    assert answer.status == 403
    assert answer.body["forbidden"]["message"].startswith(
        "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances")
    assert (await room.user.get(f"{C}/servers")).body == {"servers": []}


async def test_what_the_host_has_not_is_refused_with_what_would_fit(room):
    huge = {"flavor": {"name": f"huge-{room.flavor}", "ram": 1 << 30, "vcpus": 1, "disk": 1}}
    flavor = (await room.cloud.admin.post(f"{C}/flavors", huge)).body["flavor"]["id"]
    await room.cloud.admin.put(f"{C}/os-quota-sets/{room.user.project_id}", {"quota_set": {"ram": -1}})
    answer = await room.create(flavorRef=flavor)
    assert answer.status == 409
    message = answer.body["conflictingRequest"]["message"]
    assert message.startswith("No valid host was found. ") and f"memory MiB {1 << 30}" in message and "Would fit: " in message


NETWORK = "11111111-1111-1111-1111-111111111111"
BAD = [
    ({"name": ""}, 400, "name"), ({"name": "x" * 256}, 400, "name"), ({"imageRef": NETWORK}, 400, NETWORK),
    ({"imageRef": ""}, 400, "imageRef"), ({"flavorRef": "nope"}, 400, "nope"), ({"networks": [{"uuid": NETWORK}]}, 400, NETWORK),
    ({"networks": [{"uuid": "x"}]}, 400, "(x)"), ({"networks": [{"port": NETWORK}]}, 400, NETWORK),
    ({"networks": "auto"}, 400, "auto"), ({"key_name": "nokey"}, 400, "nokey"),
    ({"security_groups": [{"name": "nogroup"}]}, 400, "nogroup"), ({"user_data": "%%%"}, 400, "base 64"),
    ({"availability_zone": "mars"}, 400, "mars"), ({"availability_zone": "nova:host"}, 403, "forced_host"),
    ({"metadata": {"k": "v" * 256}}, 400, "v"), ({"unknown": 1}, 400, "unknown"),
    ({"min_count": 3, "max_count": 2}, 400, "min_count"),
    ({"block_device_mapping_v2": [{"boot_index": 0, "source_type": "volume", "uuid": NETWORK, "destination_type": "volume"}]},
     400, "volume"),
    ({"accessIPv4": "1.2.3"}, 400, "accessIPv4"), ({"min_count": 0}, 400, "min_count"),
    ({"description": "at 2.19"}, 400, "description"),
]


@pytest.mark.parametrize(("more", "status", "words"), BAD)
async def test_bad_orders_are_refused_and_leave_nothing(room, more, status, words):
    answer = await room.create(**more)
    assert answer.status == status, answer.content
    assert words in next(iter(answer.body.values()))["message"]
    assert (await room.user.get(f"{C}/servers")).body == {"servers": []}
    assert (await room.user.get("/networking/v2.0/ports?device_owner=compute:nova")).body["ports"] == []


async def test_images_must_fit(room):
    big = await make_image(room.user, min_ram=4096)
    answer = await room.create(imageRef=big)
    assert (answer.status, "memory is too small" in answer.body["badRequest"]["message"]) == (400, True)
    wide = await make_image(room.user, min_disk=50)
    assert "disk is smaller" in (await room.create(imageRef=wide)).body["badRequest"]["message"]
    strange = await make_image(room.user, hw_disk_bus="floppy")
    assert "hw_disk_bus = floppy" in (await room.create(imageRef=strange)).body["badRequest"]["message"]
    strange = await make_image(room.user, hw_cpu_policy="dedicated")
    assert "hw_cpu_policy = dedicated" in (await room.create(imageRef=strange)).body["badRequest"]["message"]
    empty = {"name": "q", "disk_format": "raw", "container_format": "bare"}
    queued = (await room.user.post("/image/v2/images", empty)).body["id"]
    assert "not active" in (await room.create(imageRef=queued)).body["badRequest"]["message"]


async def test_networks_without_a_choice(cloud):
    room = await make_room(cloud, networked=False)
    server = await room.server()
    assert (await room.show(server))["addresses"] == {}
    for name in ("a", "b"):
        network = await room.networks(name=name)
        await room.user.post("/networking/v2.0/subnets", {"subnet": {"network_id": network["id"], "cidr": "10.2.0.0/24",
                                                                   "ip_version": 4}})
    answer = await room.create()
    assert (answer.status, answer.body["conflictingRequest"]["message"]) == (
        409, "Multiple possible networks found, use a Network ID to be more specific.")
    assert (await room.create(room.user.at("2.37"))).status == 400
    answer = await room.create(room.user.at("2.37"), networks="none")
    await cloud.settled()
    assert (await room.show(answer.body["server"]["id"]))["addresses"] == {}


async def test_a_port_of_the_users_outlives_the_server(room):
    port = (await room.user.post("/networking/v2.0/ports", {"port": {"network_id": room.network}})).body["port"]
    server = await room.server(networks=[{"port": port["id"]}])
    shown = await room.show(server)
    assert shown["addresses"]["net"][0]["addr"] == port["fixed_ips"][0]["ip_address"]
    again = await room.create(networks=[{"port": port["id"]}])
    assert (again.status, again.body["conflictingRequest"]["message"]) == (409, f"Port {port['id']} is still in use.")
    assert (await room.user.delete(f"{C}/servers/{server}")).status == 204
    await room.cloud.settled()
    left = (await room.user.get(f"/networking/v2.0/ports/{port['id']}")).body["port"]
    assert (left["device_id"], left["status"]) == ("", "DOWN")


async def test_deleting_takes_everything_and_may_be_asked_twice(room):
    server = await room.server(config_drive=True)
    assert (await room.user.delete(f"{C}/servers/{server}")).status == 204
    assert (await room.user.delete(f"{C}/servers/{server}")).status in (204, 404)
    await room.cloud.settled()
    assert (await room.user.get(f"{C}/servers/{server}")).status == 404
    assert (await room.user.delete(f"{C}/servers/{server}")).status == 404
    assert (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"] == []
    driver = room.cloud.parts.driver(Hypervisor)
    assert server not in {status.server_id for status in await driver.list()}
    assert server not in await driver.disks.owners()
    deleted = (await room.cloud.admin.get(f"{C}/servers/detail?deleted=1&all_tenants=1&uuid={server}")).body["servers"]
    assert [entry["status"] for entry in deleted] == ["DELETED"]


async def test_deleting_ends_a_build_under_way(room):
    answer = await room.create()
    server = answer.body["server"]["id"]
    assert (await room.user.delete(f"{C}/servers/{server}")).status == 204
    await room.cloud.settled()
    assert (await room.user.get(f"{C}/servers/{server}")).status == 404
    assert (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"] == []


async def test_a_failed_build_says_why_and_can_be_deleted(room):
    driver = room.cloud.parts.driver(Hypervisor)
    driver.fail("start")
    server = await room.server()
    shown = await room.show(server)
    assert shown["status"] == "ERROR"
    assert shown["fault"]["message"].startswith("The server could not be built: The simulated hypervisor was told to fail")
    assert server not in await driver.disks.owners()
    refused = await room.act(server, "reboot", {"type": "HARD"})
    assert (refused.status, "never been active" in refused.body["conflictingRequest"]["message"]) == (409, True)
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()
    assert (await room.user.get(f"{C}/servers/{server}")).status == 404


async def test_another_projects_server_is_not_there(cloud, room):
    server = await room.server()
    other = await make_room(cloud, networked=False)
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/action")):
        answer = await other.user.request(method, f"{C}/servers/{server}{path}", json={"server": {"name": "x"}} if method == "PUT"
                                          else {"os-stop": None} if method == "POST" else None)
        assert answer.status == 404, (method, answer.content)
    assert (await cloud.admin.get(f"{C}/servers/{server}")).status == 200


async def test_changes_are_written_down(room):
    server = await room.server()
    answer = await room.user.at("2.90").put(f"{C}/servers/{server}", {"server": {
        "name": "new", "accessIPv4": "192.0.2.1", "description": "d", "hostname": "other", "OS-DCF:diskConfig": "AUTO"}})
    assert answer.status == 200, answer.content
    shown = await room.show(server, "2.90")
    assert (shown["name"], shown["accessIPv4"], shown["description"]) == ("new", "192.0.2.1", "d")
    assert (shown["OS-EXT-SRV-ATTR:hostname"], shown["OS-DCF:diskConfig"]) == ("other", "AUTO")
    assert (await room.user.put(f"{C}/servers/{server}", {"server": {"name": ""}})).status == 400


async def test_versions_are_documents(cloud):
    listed = (await cloud.anonymous.get("/compute/")).body["versions"]
    assert [entry["id"] for entry in listed] == ["v2.0", "v2.1"]
    for entry in listed:
        own = entry["links"][0]["href"].removeprefix(cloud.url)
        shown = (await cloud.anonymous.get(own)).body["version"]
        assert [link for link in shown["links"] if link["rel"] == "self"] == entry["links"]
        assert (shown["version"], shown["min_version"]) == (entry["version"], entry["min_version"])


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP+tRXJ4uVQwzInJiEbyh7wfJm7kjudY+z22fSDNU+Qk test"
