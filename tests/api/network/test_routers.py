"""Routers and floating addresses."""

import pytest

from cloudd.network import changes
from cloudd.network.dataplane import repair
from tests.api.network.conftest import refused


@pytest.fixture
async def routed(net, external):
    """A router between a LAN and the outside."""
    network, subnet = await net.lan()
    router = await net.make("router", name="r", external_gateway_info={"network_id": external["id"]})
    await net.join(router, subnet_id=subnet["id"])
    return network, subnet, router


async def test_a_router_has_a_gateway(net, external):
    router = await net.make("router", external_gateway_info={"network_id": external["id"]}, admin_state_up=False)
    info = router["external_gateway_info"]
    assert info["network_id"] == external["id"] and info["enable_snat"] is True and len(info["external_fixed_ips"]) == 1
    assert router["status"] == "ACTIVE" and router["admin_state_up"] is False and "distributed" not in router
    assert (await net.call("GET", f"/ports?device_id={router['id']}")).body["ports"] == []
    bare = await net.change("router", router, external_gateway_info={})
    assert bare["external_gateway_info"] is None
    await net.delete("router", router)


async def test_gateways_that_cannot_be(net, external):
    network, _ = await net.lan()
    refused(await net.try_make("router", external_gateway_info={"network_id": network["id"]}), 400, "BadRequest", "not an external")
    refused(await net.try_make("router", external_gateway_info={"network_id": external["id"], "enable_snat": False}), 403,
            "PolicyNotAuthorized", "enable_snat")
    refused(await net.try_make("router", external_gateway_info={"network_id": external["subnet"]["id"]}), 404, "NetworkNotFound")


async def test_interfaces_come_and_go(net):
    network, subnet = await net.lan()
    router = await net.make("router", admin_state_up=False)
    made = await net.join(router, subnet_id=subnet["id"])
    assert made["id"] == router["id"] and made["subnet_ids"] == [subnet["id"]] and made["network_id"] == network["id"]
    await net.cloud.settled()
    port = await net.show(f"/ports/{made['port_id']}")
    assert port["status"] == "ACTIVE" and port["device_owner"] == "network:router_interface"
    assert port["fixed_ips"][0]["ip_address"] == "10.1.0.1" and port["security_groups"] == []
    refused(await net.call("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}), 400, "BadRequest",
            "already has a port on subnet")
    refused(await net.try_delete("router", router), 409, "RouterInUse", made["port_id"])
    refused(await net.try_change("subnet", subnet, gateway_ip="10.1.0.9"), 409, "GatewayIpInUse")
    assert (await net.leave(router, subnet_id=subnet["id"])).status == 200
    refused(await net.leave(router, subnet_id=subnet["id"]), 404, "RouterInterfaceNotFoundForSubnet")
    await net.delete("router", router)


async def test_an_interface_by_port(net):
    network, _ = await net.lan()
    router = await net.make("router")
    port = await net.make("port", network_id=network["id"])
    made = await net.join(router, port_id=port["id"])
    assert made["port_id"] == port["id"]
    assert (await net.show(f"/ports/{port['id']}"))["device_id"] == router["id"]
    refused(await net.call("PUT", f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]}), 409, "PortInUse",
            router["id"])
    assert (await net.leave(router, port_id=port["id"])).status == 200
    refused(await net.call("GET", f"/ports/{port['id']}"), 404, "PortNotFound")


async def test_subnets_that_overlap_do_not_meet(net):
    router = await net.make("router")
    _, one = await net.lan("10.1.0.0/24")
    _, two = await net.lan("10.1.0.0/25")
    await net.join(router, subnet_id=one["id"])
    refused(await net.call("PUT", f"/routers/{router['id']}/add_router_interface", {"subnet_id": two["id"]}), 400, "BadRequest",
            "overlaps with cidr 10.1.0.0/24")
    refused(await net.call("PUT", f"/routers/{router['id']}/add_router_interface", {}), 400, "BadRequest", "subnet_id")


async def test_ipv6_prefixes_share_a_port(net):
    network, one = await net.lan("fd00:1::/64")
    two = await net.make("subnet", network_id=network["id"], cidr="fd00:2::/64", ip_version=6)
    router = await net.make("router")
    first = await net.join(router, subnet_id=one["id"])
    second = await net.join(router, subnet_id=two["id"])
    assert first["port_id"] == second["port_id"] and second["subnet_id"] == two["id"]
    assert (await net.leave(router, subnet_id=one["id"])).status == 200
    assert len((await net.show(f"/ports/{first['port_id']}"))["fixed_ips"]) == 1


async def test_routes(net, routed):
    _, _, router = routed
    route = {"destination": "10.50.0.0/16", "nexthop": "10.1.0.9"}
    assert (await net.change("router", router, routes=[route]))["routes"] == [route]
    refused(await net.try_change("router", router, routes=[{"destination": "10.50.0.0/16", "nexthop": "10.77.0.9"}]), 400,
            "InvalidRoutes", "10.77.0.9")
    refused(await net.try_change("router", router, routes=[{"destination": "10.50.0.0/16", "nexthop": "10.1.0.1"}]), 400,
            "InvalidRoutes", "used by router")
    more = {"destination": "10.60.0.0/16", "nexthop": "10.1.0.9"}
    added = await net.call("PUT", f"/routers/{router['id']}/add_extraroutes", {"router": {"routes": [more, route]}})
    assert added.status == 200 and added.body["router"]["routes"] == [route, more]
    taken = await net.call("PUT", f"/routers/{router['id']}/remove_extraroutes", {"router": {"routes": [route]}})
    assert taken.body["router"]["routes"] == [more]
    refused(await net.leave(router, subnet_id=routed[1]["id"]), 409, "RouterInterfaceInUseByRoute")
    assert (await net.change("router", router, routes=None))["routes"] == []


async def test_a_floating_address_leads_to_a_port(net, external, routed):
    network, _, router = routed
    port = await net.make("port", network_id=network["id"], name="guest")
    made = await net.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    assert made["router_id"] == router["id"] and made["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    assert made["port_details"]["name"] == "guest" and made["floating_network_id"] == external["id"]
    await net.cloud.settled()
    assert (await net.show(f"/floatingips/{made['id']}"))["status"] == "ACTIVE"
    spec = net.driver.routers[router["id"]]
    assert [(one.floating, one.fixed) for one in spec.floating_ips] == [(made["floating_ip_address"], made["fixed_ip_address"])]
    refused(await net.leave(router, subnet_id=routed[1]["id"]), 409, "RouterInterfaceInUseByFloatingIP")
    refused(await net.try_change("router", router, external_gateway_info={}), 409, "RouterExternalGatewayInUseByFloatingIp")
    cut = await net.change("floatingip", made, port_id=None)
    assert cut["status"] == "DOWN" and cut["port_id"] is cut["router_id"] is cut["fixed_ip_address"] is cut["port_details"] is None
    await net.cloud.settled()
    assert net.driver.routers[router["id"]].floating_ips == ()
    await net.delete("floatingip", made)


async def test_floating_addresses_that_cannot_be(net, external, routed):
    network, _, _ = routed
    port = await net.make("port", network_id=network["id"])
    await net.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    refused(await net.try_make("floatingip", floating_network_id=external["id"], port_id=port["id"]), 409,
            "FloatingIPPortAlreadyAssociated", port["id"])
    lonely, _ = await net.lan("10.9.0.0/24")
    far = await net.make("port", network_id=lonely["id"])
    refused(await net.try_make("floatingip", floating_network_id=external["id"], port_id=far["id"]), 404,
            "ExternalGatewayForFloatingIPNotFound", external["id"], far["id"])
    refused(await net.try_make("floatingip", floating_network_id=lonely["id"]), 400, "BadRequest", "not a valid external network")
    refused(await net.try_make("floatingip", floating_network_id=external["id"], port_id=port["id"],
                               fixed_ip_address="10.1.0.99"), 400, "BadRequest", "10.1.0.99")
    refused(await net.try_make("floatingip", floating_network_id=external["id"], floating_ip_address="172.20.0.9"), 403,
            "PolicyNotAuthorized", "floating_ip_address")
    assert len((await net.call("GET", "/floatingips")).body["floatingips"]) == 1


async def test_deleting_the_port_frees_the_floating_address(net, external, routed):
    network, _, _ = routed
    port = await net.make("port", network_id=network["id"])
    made = await net.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    await net.delete("port", port)
    assert (await net.show(f"/floatingips/{made['id']}"))["port_id"] is None


async def test_the_driver_hears_of_routers(net, external, routed):
    network, subnet, router = routed
    await net.cloud.settled()
    spec = net.driver.routers[router["id"]]
    assert [one.addresses for one in spec.interfaces] == [("10.1.0.1/24",)] and spec.gateway.enable_snat
    assert spec.gateway.nexthops == (external["subnet"]["gateway_ip"],)
    await net.leave(router, subnet_id=subnet["id"])
    await net.delete("router", router)
    await net.cloud.settled()
    assert router["id"] not in net.driver.routers


async def test_a_driver_that_refuses_makes_the_router_an_error_until_it_works_again(net, external):
    router = await net.make("router")
    await net.cloud.settled()
    for _ in range(4):
        net.driver.fail("apply_router")
    await net.change("router", router, name="a")
    await net.cloud.settled()
    assert (await net.show(f"/routers/{router['id']}"))["status"] == "ERROR"
    database = net.cloud.parts.database
    async with database.write() as tx:                        # what is done once a minute
        await repair.ask_again(tx, await repair.ill_subjects(tx))
    await net.cloud.settled()
    assert (await net.show(f"/routers/{router['id']}"))["status"] == "ACTIVE"
    async with database.read() as tx:
        assert (changes.APPLY_ROUTER, router["id"]) not in await repair.ill_subjects(tx)


async def test_administrators_take_routers_and_networks_from_agents(net, admin, routed):
    network, _, router = routed
    port = await net.make("port", network_id=network["id"])
    floating = await net.make("floatingip", floating_network_id=router["external_gateway_info"]["network_id"], port_id=port["id"])
    await net.cloud.settled()
    agents = {one["agent_type"]: one for one in (await admin.call("GET", "/agents")).body["agents"]}
    assert all(one["alive"] for one in agents.values())
    l3, dhcp = agents["L3 agent"]["id"], agents["DHCP agent"]["id"]
    assert (await admin.call("DELETE", f"/agents/{l3}/l3-routers/{router['id']}")).status == 204
    assert (await admin.call("DELETE", f"/agents/{dhcp}/dhcp-networks/{network['id']}")).status == 204
    await net.cloud.settled()
    assert router["id"] not in net.driver.routers and net.driver.networks[network["id"]].dhcp_port is None
    assert (await net.show(f"/floatingips/{floating['id']}"))["status"] == "DOWN"
    assert (await admin.call("POST", f"/agents/{l3}/l3-routers", {"router_id": router["id"]})).status == 201
    assert (await admin.call("POST", f"/agents/{dhcp}/dhcp-networks", {"network_id": network["id"]})).status == 201
    refused(await admin.call("POST", f"/agents/{dhcp}/dhcp-networks", {"network_id": network["id"]}), 409,
            "NetworkHostedByDHCPAgent")
    await net.cloud.settled()
    assert router["id"] in net.driver.routers and net.driver.networks[network["id"]].dhcp_port is not None
    assert (await net.show(f"/floatingips/{floating['id']}"))["status"] == "ACTIVE"
    assert (await net.call("GET", "/agents")).body == {"agents": []}
