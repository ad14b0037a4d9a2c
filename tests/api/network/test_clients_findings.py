"""What other people's clients found different from Neutron."""

import pytest

from tests.api.network.conftest import refused


@pytest.mark.parametrize("path", ["/service-providers?service_type=VPN", "/service-providers?name=other", "/availability_zones?name=mars",
                                  "/availability_zones?resource=port", "/floatingip_pools?cidr=1.2.3.0/24"])
async def test_a_filter_that_matches_nothing_lists_nothing(net, external, path):
    answer = await net.call("GET", path)
    assert answer.status == 200 and list(answer.body.values()) == [[]]
    refused(await net.call("GET", path.split("?")[0] + "?colour=red"), 400, "HTTPBadRequest", "colour")


async def test_the_providers_of_routers_are_found_by_their_type(net):
    answer = await net.call("GET", "/service-providers?service_type=L3_ROUTER_NAT")
    assert [row["service_type"] for row in answer.body["service_providers"]] == ["L3_ROUTER_NAT"]


async def test_a_routers_gateway_on_an_external_network_without_subnets(net, admin):
    bare = await admin.make("network", **{"router:external": True})
    router = await net.make("router", external_gateway_info={"network_id": bare["id"]})
    assert router["external_gateway_info"] == {"network_id": bare["id"], "enable_snat": True, "external_fixed_ips": []}
    await net.cloud.settled()
    assert (await net.show(f"/routers/{router['id']}"))["status"] == "ACTIVE"
    gateway = net.driver.routers[router["id"]].gateway
    assert gateway.addresses == () and gateway.nexthops == ()
    await net.delete("router", router)


async def test_a_floating_ip_updated_with_an_empty_body_lets_go_of_its_port(net, external):
    network, subnet = await net.lan()
    router = await net.make("router", external_gateway_info={"network_id": external["id"]})
    await net.join(router, subnet_id=subnet["id"])
    port = await net.make("port", network_id=network["id"])
    floating = await net.make("floatingip", floating_network_id=external["id"], port_id=port["id"])
    kept = await net.change("floatingip", floating, description="words only")
    assert kept["port_id"] == port["id"]
    gone = await net.change("floatingip", floating)
    assert gone["port_id"] is None and gone["fixed_ip_address"] is None


async def test_ipv6_needs_an_mtu_of_1280(net):
    small = await net.make("network", mtu=1279)
    ask = {"network_id": small["id"], "cidr": "fd00:12::/64", "ip_version": 6}
    refused(await net.try_make("subnet", **ask), 409, "NetworkMTUSubnetConflict", "1280")
    await net.change("network", small, mtu=1280)
    await net.make("subnet", **ask)
    refused(await net.try_change("network", small, mtu=1279), 409, "NetworkMTUSubnetConflict", "1280")


async def test_a_dhcp_port_set_down_is_down(net, admin):
    network, _ = await net.lan()
    await net.cloud.settled()
    port = (await net.call("GET", f"/ports?network_id={network['id']}&device_owner=network:dhcp")).body["ports"][0]
    assert port["status"] == "ACTIVE"
    await admin.change("port", port, admin_state_up=False)
    await net.cloud.settled()
    assert (await net.show(f"/ports/{port['id']}"))["status"] == "DOWN"
    assert net.driver.networks[network["id"]].dhcp_port is None
    await admin.change("port", port, admin_state_up=True)
    await net.cloud.settled()
    assert (await net.show(f"/ports/{port['id']}"))["status"] == "ACTIVE"
    assert net.driver.networks[network["id"]].dhcp_port is not None


async def test_a_routers_interface_set_down_is_down(net):
    _, subnet = await net.lan()
    router = await net.make("router")
    made = await net.join(router, subnet_id=subnet["id"])
    await net.cloud.settled()
    port = {"id": made["port_id"]}
    await net.change("port", port, admin_state_up=False)
    await net.cloud.settled()
    assert (await net.show(f"/ports/{port['id']}"))["status"] == "DOWN" and not net.driver.routers[router["id"]].interfaces
    await net.change("port", port, admin_state_up=True)
    await net.cloud.settled()
    assert (await net.show(f"/ports/{port['id']}"))["status"] == "ACTIVE"


async def test_replies_to_adding_are_json(net, admin):
    network, subnet = await net.lan()
    router = await net.make("router")
    for verb in ("add", "remove"):
        answer = await net.call("PUT", f"/routers/{router['id']}/{verb}_router_interface", {"subnet_id": subnet["id"]})
        assert answer.headers["Content-Type"].startswith("application/json") and answer.body["subnet_id"] == subnet["id"]
    agents = {row["agent_type"]: row["id"] for row in (await admin.call("GET", "/agents")).body["agents"]}
    for kind, path, body in (("L3 agent", "l3-routers", {"router_id": router["id"]}),
                             ("DHCP agent", "dhcp-networks", {"network_id": network["id"]})):
        await admin.call("DELETE", f"/agents/{agents[kind]}/{path}/{next(iter(body.values()))}")
        answer = await admin.call("POST", f"/agents/{agents[kind]}/{path}", body)
        assert answer.status == 201 and answer.content == b"null" and answer.headers["Content-Type"].startswith("application/json")


async def test_rbac_replies_have_both_names_and_policies_in_use_stay(net, other):
    pool = await net.make("subnetpool", name="p", prefixes=["10.70.0.0/16"])
    scope = await net.make("address_scope", name="s")
    for kind, row in (("subnetpool", pool), ("address_scope", scope)):
        policy = await net.make("rbac_policy", "/rbac-policies", object_type=kind, object_id=row["id"], action="access_as_shared",
                                target_tenant=other.project_id)
        assert policy["target_tenant"] == other.project_id
        if kind == "subnetpool":
            network = await other.make("network")
            held = await other.make("subnet", network_id=network["id"], subnetpool_id=pool["id"], ip_version=4, prefixlen=24)
        else:
            held = await other.make("subnetpool", name="theirs", prefixes=["10.71.0.0/16"], address_scope_id=scope["id"])
        refused(await net.call("DELETE", f"/rbac-policies/{policy['id']}"), 409, "RbacPolicyInUse", held["id"])
        await other.delete("subnet" if kind == "subnetpool" else "subnetpool", held)
        assert (await net.call("DELETE", f"/rbac-policies/{policy['id']}")).status == 204


async def test_the_default_group_is_there_as_soon_as_somebody_looks(cloud, admin):
    async def groups(project):
        rows = (await admin.call("GET", f"/security-groups?project_id={project}")).body["security_groups"]
        return [row["name"] for row in rows]

    async def project(name):
        return (await cloud.admin.post("/identity/v3/projects", {"project": {"name": name}})).body["project"]["id"]

    looked_for = await project("default-group-looked-for")
    assert await groups(looked_for) == ["default"]
    given = await project("default-group-by-network")
    await admin.make("network", project_id=given)
    everybody = (await admin.call("GET", "/security-groups?name=default")).body["security_groups"]
    assert given in [row["project_id"] for row in everybody]


@pytest.mark.parametrize("protocol", ["ipv6-encap", "41", "43", "44", "58", "59", "60", "ipv6-icmp"])
async def test_protocols_of_ipv6_on_ipv4_are_refused_by_name_and_number(net, protocol):
    group = await net.make("security_group", name="g")
    ask = {"security_group_id": group["id"], "direction": "ingress", "protocol": protocol}
    refused(await net.try_make("security_group_rule", **ask, ethertype="IPv4"), 400, "SecurityGroupEthertypeConflictWithProtocol")
    assert (await net.try_make("security_group_rule", **ask, ethertype="IPv6")).status == 201
