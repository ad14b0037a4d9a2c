"""NICs, addresses and security groups of servers, and the security group proxies of old."""

import asyncio

import pytest

from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

N = "/networking/v2.0"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture
async def server(room):
    return await room.server()


async def nics(room, server, version="2.1"):
    answer = await room.user.at(version).get(f"{C}/servers/{server}/os-interface")
    return fits(answer, "interfaces", "list_interfaces", version)["interfaceAttachments"]


async def attach(room, server, version="2.1", **wanted):
    answer = await room.user.at(version).post(f"{C}/servers/{server}/os-interface", {"interfaceAttachment": wanted})
    await room.cloud.settled()
    return answer


async def second_network(room, **more):
    made = await room.networks(name="other")
    subnet = {"network_id": made["id"], "cidr": "10.2.0.0/24", "ip_version": 4, **more}
    await room.user.post(f"{N}/subnets", {"subnet": subnet})
    return made["id"]


async def test_a_nic_comes_and_goes(room, server):
    made = fits(await attach(room, server, net_id=room.network), "interfaces", "get_create_interfaces")["interfaceAttachment"]
    listed = await nics(room, server)
    assert [row["port_state"] for row in listed] == ["ACTIVE", "ACTIVE"] and listed[1]["port_id"] == made["port_id"]
    path = f"{C}/servers/{server}/os-interface/{made['port_id']}"
    assert fits(await room.user.get(path), "interfaces", "get_create_interfaces")["interfaceAttachment"] == listed[1]
    assert len((await room.show(server))["addresses"]["net"]) == 2
    fits(await room.user.delete(path), "interfaces", "delete_interface")
    await room.cloud.settled()
    assert len(await nics(room, server)) == 1 and (await room.user.get(path)).status == 404
    assert (await room.user.delete(path)).status == 404
    assert (await room.user.get(f"{N}/ports/{made['port_id']}")).status == 404
    actions = (await room.user.get(f"{C}/servers/{server}/os-instance-actions")).body["instanceActions"]
    assert [row["action"] for row in actions[:2]] == ["detach_interface", "attach_interface"]


async def test_a_port_that_was_brought_lives_on(room, server):
    port = (await room.user.post(f"{N}/ports", {"port": {"network_id": room.network}})).body["port"]["id"]
    assert (await attach(room, server, port_id=port)).status == 200
    bound = (await room.user.get(f"{N}/ports/{port}")).body["port"]
    assert (bound["device_id"], bound["device_owner"], bound["status"]) == (server, "compute:nova", "ACTIVE")
    assert (await attach(room, server, port_id=port)).status in (400, 409)
    await room.user.delete(f"{C}/servers/{server}/os-interface/{port}")
    await room.cloud.settled()
    free = (await room.user.get(f"{N}/ports/{port}")).body["port"]
    assert (free["device_id"], free["device_owner"], free["status"]) == ("", "", "DOWN")


async def test_what_may_be_said_of_a_nic(room, server):
    assert (await attach(room, server)).status == 200                      # the only network there is
    fixed = await attach(room, server, net_id=room.network, fixed_ips=[{"ip_address": "10.1.0.77"}])
    assert fixed.body["interfaceAttachment"]["fixed_ips"][0]["ip_address"] == "10.1.0.77"
    same = await attach(room, server, net_id=room.network, fixed_ips=[{"ip_address": "10.1.0.77"}])
    assert same.status == 409
    tagged = await attach(room, server, "2.70", net_id=room.network, tag="wan")
    assert tagged.body["interfaceAttachment"]["tag"] == "wan" and (await nics(room, server, "2.70"))[0]["tag"] is None
    assert (await attach(room, server, "2.48", net_id=room.network, tag="wan")).status == 400
    for wrong in ({"net_id": room.network, "port_id": NOBODY}, {"fixed_ips": [{"ip_address": "10.1.0.9"}]}, {"net_id": "x"},
                  {"net_id": room.network, "fixed_ips": []}, {"net_id": room.network, "fixed_ips": [{"ip_address": "x"}]},
                  {"colour": "red"}):
        assert (await attach(room, server, **wrong)).status == 400, wrong
    assert (await attach(room, server, net_id=NOBODY)).status == 404
    assert (await attach(room, server, port_id=NOBODY)).status == 404
    await second_network(room)
    assert (await attach(room, server)).status == 409


async def test_only_at_rest_and_only_ones_own(cloud, room, server):
    assert (await cloud.demo.get(f"{C}/servers/{server}/os-interface")).status == 404
    await room.act(server, "suspend")
    assert (await attach(room, server, net_id=room.network)).status == 409


async def test_a_nic_of_a_server_that_is_off_waits_for_its_start(room, server):
    await room.act(server, "os-stop")
    made = (await attach(room, server, net_id=room.network)).body["interfaceAttachment"]
    assert {row["port_state"] for row in await nics(room, server)} == {"DOWN"}
    await room.act(server, "os-start")
    assert made["port_id"] in [row["port_id"] for row in await nics(room, server) if row["port_state"] == "ACTIVE"]


async def test_a_nic_that_cannot_be_plugged_leaves_nothing(room, server):
    room.cloud.parts.driver(Hypervisor).fail("attach_nic")
    made = (await attach(room, server, net_id=room.network)).body["interfaceAttachment"]
    assert len(await nics(room, server)) == 1
    assert (await room.user.get(f"{N}/ports/{made['port_id']}")).status == 404
    shown = await room.show(server)
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    action = (await room.user.get(f"{C}/servers/{server}/os-instance-actions")).body["instanceActions"][0]
    assert (action["action"], action["message"]) == ("attach_interface", "Error")


async def test_a_nic_that_the_guest_keeps_stays(room, server):
    port = (await attach(room, server, net_id=room.network)).body["interfaceAttachment"]["port_id"]
    room.cloud.parts.driver(Hypervisor).fail("detach_nic")
    assert (await room.user.delete(f"{C}/servers/{server}/os-interface/{port}")).status == 202
    await room.cloud.settled()
    assert [row["port_state"] for row in await nics(room, server)] == ["ACTIVE", "ACTIVE"]


async def test_a_port_that_is_deleted_takes_its_nic_along(room, server):
    port = (await nics(room, server))[0]["port_id"]
    async with room.cloud.parts.bus.stream() as news:
        assert (await room.user.delete(f"{N}/ports/{port}")).status == 204
        while (await asyncio.wait_for(news.get(), 10)).name != "compute.instance.interface_detach.end":
            pass
    assert await nics(room, server) == []
    assert (await room.show(server))["addresses"] == {}


async def test_addresses(room, server):
    found = fits(await room.user.get(f"{C}/servers/{server}/ips"), "servers", "list_addresses")["addresses"]
    assert [entry["version"] for entry in found["net"]] == [4]
    one = fits(await room.user.get(f"{C}/servers/{server}/ips/net"), "servers", "list_addresses_by_network")
    assert one == {"net": found["net"]}
    assert (await room.user.get(f"{C}/servers/{server}/ips/elsewhere")).status == 404


async def test_fixed_addresses_of_old(room, server):
    assert (await room.act(server, "addFixedIp", {"networkId": room.network})).status == 202
    added = [row["ip_address"] for row in (await nics(room, server))[0]["fixed_ips"]]
    assert len(added) == 2
    assert (await room.act(server, "removeFixedIp", {"address": added[1]})).status == 202
    assert [row["ip_address"] for row in (await nics(room, server))[0]["fixed_ips"]] == added[:1]
    assert (await room.act(server, "removeFixedIp", {"address": "10.9.9.9"})).status == 400
    assert (await room.act(server, "addFixedIp", {"networkId": NOBODY})).status == 400
    for action in ("addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"):
        answer = await room.user.at("2.44").post(f"{C}/servers/{server}/action", {action: {}})
        assert answer.status == 404


async def test_floating_addresses_of_old(cloud, room, server):
    outside = {"network": {"name": "outside", "router:external": True}}
    external = (await cloud.admin.post(f"{N}/networks", outside)).body["network"]["id"]
    subnet = {"network_id": external, "cidr": "172.30.0.0/24", "ip_version": 4, "enable_dhcp": False}
    await cloud.admin.post(f"{N}/subnets", {"subnet": subnet})
    router = {"router": {"external_gateway_info": {"network_id": external}}}
    router = (await room.user.post(f"{N}/routers", router)).body["router"]["id"]
    await room.user.put(f"{N}/routers/{router}/add_router_interface", {"subnet_id": room.subnet})
    floating = (await room.user.post(f"{N}/floatingips", {"floatingip": {"floating_network_id": external}})).body["floatingip"]
    address = floating["floating_ip_address"]
    assert (await room.act(server, "addFloatingIp", {"address": address, "fixed_address": "10.9.9.9"})).status == 400
    assert (await room.act(server, "addFloatingIp", {"address": "172.30.0.250"})).status == 404
    assert (await room.act(server, "addFloatingIp", {"address": address})).status == 202
    kinds = [entry["OS-EXT-IPS:type"] for entry in (await room.show(server))["addresses"]["net"]]
    assert kinds == ["fixed", "floating"]
    assert (await room.act(server, "removeFloatingIp", {"address": address})).status == 202
    assert (await room.act(server, "removeFloatingIp", {"address": address})).status == 409


async def test_security_groups_of_a_server(room, server):
    group = (await room.user.post(f"{N}/security-groups", {"security_group": {"name": "web"}})).body["security_group"]
    assert (await room.act(server, "addSecurityGroup", {"name": "web"})).status == 202
    assert {row["name"] for row in (await room.show(server))["security_groups"]} == {"default", "web"}
    listed = fits(await room.user.get(f"{C}/servers/{server}/os-security-groups"), "security_groups", "list_security_groups")
    assert {row["name"] for row in listed["security_groups"]} == {"default", "web"}
    assert (await room.act(server, "removeSecurityGroup", {"name": group["id"]})).status == 202
    assert (await room.act(server, "removeSecurityGroup", {"name": "web"})).status == 404
    assert (await room.act(server, "addSecurityGroup", {"name": "nothing"})).status == 404
    assert (await room.act(server, "addSecurityGroup", {})).status == 400


async def test_the_proxies_of_old(room):
    path, rules = f"{C}/os-security-groups", f"{C}/os-security-group-rules"
    body = {"security_group": {"name": "old", "description": "words"}}
    made = fits(await room.user.post(path, body), "security_groups", "get_security_group")["security_group"]
    assert made["rules"] == [] and made["tenant_id"] == room.user.project_id
    assert made in fits(await room.user.get(path), "security_groups", "list_security_groups")["security_groups"]
    ssh = {"parent_group_id": made["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "10.0.0.1/8"}
    rule = fits(await room.user.post(rules, {"security_group_rule": ssh}), "security_groups", "create_security_group_rule")
    rule = rule["security_group_rule"]
    assert (rule["ip_range"], rule["group"], rule["from_port"]) == ({"cidr": "10.0.0.1/8"}, {}, 22)
    ping = {"parent_group_id": made["id"], "ip_protocol": "icmp", "from_port": -1, "to_port": -1}
    ping = (await room.user.post(rules, {"security_group_rule": ping})).body["security_group_rule"]
    assert (ping["from_port"], ping["to_port"], ping["ip_range"]) == (-1, -1, {"cidr": "0.0.0.0/0"})
    friend = {"parent_group_id": made["id"], "ip_protocol": "tcp", "from_port": 80, "to_port": 81, "group_id": made["id"]}
    friend = (await room.user.post(rules, {"security_group_rule": friend})).body["security_group_rule"]
    assert (friend["group"], friend["ip_range"]) == ({"tenant_id": room.user.project_id, "name": "old"}, {})
    shown = fits(await room.user.get(f"{path}/{made['id']}"), "security_groups", "get_security_group")["security_group"]
    assert [row["id"] for row in shown["rules"]] == [rule["id"], ping["id"], friend["id"]]
    fits(await room.user.delete(f"{rules}/{rule['id']}"), "security_groups", "delete_security_group_rule")
    renamed = fits(await room.user.put(f"{path}/{made['id']}", {"security_group": {"name": "new", "description": ""}}),
                   "security_groups", "get_security_group")
    assert renamed["security_group"]["name"] == "new"
    fits(await room.user.delete(f"{path}/{made['id']}"), "security_groups", "delete_security_group")
    assert (await room.user.get(f"{path}/{made['id']}")).status == 404
    assert (await room.user.at("2.36").get(path)).status == 404
    assert (await room.user.delete(f"{path}/")).status == 404
    everybody = (await room.cloud.admin.get(f"{path}?all_tenants=1")).body["security_groups"]
    assert room.user.project_id in {row["tenant_id"] for row in everybody}


async def test_what_the_proxies_refuse(room, server):
    path, rules = f"{C}/os-security-groups", f"{C}/os-security-group-rules"
    groups = (await room.user.get(path)).body["security_groups"]
    default = next(row["id"] for row in groups if row["name"] == "default")
    assert (await room.user.delete(f"{path}/{default}")).status == 400
    assert (await room.user.get(f"{path}/12")).status == 400 and (await room.user.get(f"{path}/{NOBODY}")).status == 404
    assert (await room.user.post(path, {"security_group": {"name": ""}})).status == 400
    good = {"parent_group_id": default, "ip_protocol": "tcp", "from_port": 1, "to_port": 2}
    for wrong in ({"ip_protocol": None}, {"ip_protocol": "dance"}, {"from_port": 9}, {"to_port": 70000}, {"cidr": "x"},
                  {"from_port": "x"}, {"parent_group_id": "x"}):
        answer = await room.user.post(rules, {"security_group_rule": {**good, **wrong}})
        assert answer.status == 400, (wrong, answer.content)
    assert (await room.user.delete(f"{rules}/{NOBODY}")).status == 404
