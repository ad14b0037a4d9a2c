"""Networks and subnets: what they look like, who may say what, what holds them."""

from tests.api.network.conftest import refused


async def test_a_network_has_all_its_members(net, admin):
    made = await net.make("network", name="one", description="first", mtu="1400")
    assert made["status"] == "ACTIVE" and made["admin_state_up"] is True and made["shared"] is False
    assert made["project_id"] == made["tenant_id"] == net.project_id
    assert made["router:external"] is False and made["port_security_enabled"] is True and made["mtu"] == 1400
    assert made["subnets"] == [] and made["tags"] == [] and made["revision_number"] == 0
    assert "provider:network_type" not in made
    assert await net.show(f"/networks/{made['id']}") == made
    seen = await admin.show(f"/networks/{made['id']}")
    assert seen["provider:network_type"] == "vxlan" and seen["provider:segmentation_id"] >= 1


async def test_only_administrators_send_some_attributes(net):
    for name, value in (("shared", True), ("router:external", True), ("provider:network_type", "flat"), ("is_default", True)):
        refused(await net.try_make("network", **{name: value}), 403, "PolicyNotAuthorized", f"create_network:{name}")
    assert (await net.try_make("network", shared=False)).status == 201
    made = await net.make("network")
    refused(await net.try_change("network", made, shared=True), 403, "PolicyNotAuthorized", "update_network:shared")


async def test_bad_bodies_are_refused_by_name(net):
    refused(await net.try_make("network", colour="red"), 400, "HTTPBadRequest", "Unrecognized attribute(s) 'colour'")
    refused(await net.try_make("network", id="x"), 400, "HTTPBadRequest", "Attribute 'id' not allowed in POST")
    refused(await net.try_make("network", name=5), 400, "HTTPBadRequest", "Invalid input for name")
    refused(await net.try_make("network", admin_state_up="maybe"), 400, "HTTPBadRequest", "maybe")
    refused(await net.call("POST", "/networks", {"net": {}}), 400, "HTTPBadRequest", "Unable to find 'network'")
    refused(await net.try_make("subnet", cidr="10.0.0.0/24"), 400, "HTTPBadRequest", "network_id")
    made = await net.make("network")
    refused(await net.try_change("network", made, status="DOWN"), 400, "HTTPBadRequest", "read-only attribute status")
    refused(await net.try_make("network", project_id="f" * 32), 400, "HTTPBadRequest", "admin privileges")


async def test_many_are_made_at_once_or_none(net):
    answer = await net.call("POST", "/networks", {"networks": [{"name": "a"}, {"name": "b"}]})
    assert answer.status == 201 and [one["name"] for one in answer.body["networks"]] == ["a", "b"]
    lan = answer.body["networks"][0]["id"]
    both = {"subnets": [{"network_id": lan, "cidr": "10.0.0.0/24", "ip_version": 4},
                        {"network_id": lan, "cidr": "10.0.0.0/25", "ip_version": 4}]}
    refused(await net.call("POST", "/subnets", both), 400, "InvalidInput", "overlaps with another subnet")
    assert (await net.call("GET", f"/subnets?network_id={lan}")).body["subnets"] == []


async def test_others_do_not_see_it(net, other):
    made = await net.make("network")
    refused(await other.call("GET", f"/networks/{made['id']}"), 404, "NetworkNotFound", made["id"])
    refused(await other.try_delete("network", made), 404, "NetworkNotFound")
    refused(await other.try_make("subnet", network_id=made["id"], cidr="10.0.0.0/24"), 404, "NetworkNotFound")
    refused(await other.try_make("port", network_id=made["id"]), 404, "NetworkNotFound")


async def test_a_subnet_fills_in_its_range(net):
    _, subnet = await net.lan("10.1.0.0/24", dns_nameservers=["9.9.9.9", "1.1.1.1"])
    assert subnet["gateway_ip"] == "10.1.0.1" and subnet["enable_dhcp"] is True and subnet["ip_version"] == 4
    assert subnet["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert subnet["dns_nameservers"] == ["9.9.9.9", "1.1.1.1"] and subnet["host_routes"] == []
    _, bare = await net.lan("10.2.0.8/29", gateway_ip=None, enable_dhcp=False)
    assert bare["gateway_ip"] is None and bare["allocation_pools"] == [{"start": "10.2.0.9", "end": "10.2.0.14"}]
    _, six = await net.lan("fd00:5::/64")
    assert six["gateway_ip"] == "fd00:5::1" and six["ipv6_ra_mode"] is None
    assert six["allocation_pools"] == [{"start": "fd00:5::2", "end": "fd00:5::ffff:ffff:ffff:ffff"}]


async def test_ranges_that_cannot_be(net):
    network, _ = await net.lan("10.1.0.0/24")

    async def attempt(**values):
        return await net.try_make("subnet", network_id=network["id"], ip_version=4, **values)

    refused(await attempt(cidr="10.1.0.128/25"), 400, "InvalidInput", "overlaps with another subnet")
    refused(await attempt(cidr="10.9.0.0/24", gateway_ip="10.9.0.5", allocation_pools=[{"start": "10.9.0.2", "end": "10.9.0.9"}]),
            409, "GatewayConflictWithAllocationPools", "10.9.0.5", "10.9.0.2-10.9.0.9")
    refused(await attempt(cidr="10.9.0.0/24", allocation_pools=[{"start": "10.9.0.2", "end": "10.9.1.9"}]), 400,
            "OutOfBoundsAllocationPool")
    refused(await attempt(cidr="10.9.0.0/24", allocation_pools=[{"start": "10.9.0.9", "end": "10.9.0.2"}]), 400,
            "InvalidAllocationPool")
    refused(await attempt(cidr="10.9.0.0/24", allocation_pools=[{"start": "10.9.0.2", "end": "10.9.0.20"},
                                                                {"start": "10.9.0.20", "end": "10.9.0.30"}]), 409,
            "OverlappingAllocationPools")
    refused(await attempt(cidr="fd00::/64"), 400, "InvalidInput", "ip_version")
    refused(await attempt(), 400, "BadRequest", "subnetpool")
    refused(await attempt(cidr="10.9.0.0/24", ipv6_ra_mode="slaac"), 400, "InvalidInput")


async def test_tenants_may_use_the_same_range(net, other):
    await net.lan("10.1.0.0/24")
    await other.lan("10.1.0.0/24")


async def test_deleting_a_network_takes_subnets_and_dhcp_but_not_ports(net):
    network, subnet = await net.lan()
    port = await net.make("port", network_id=network["id"])
    refused(await net.try_delete("network", network), 409, "NetworkInUse", port["id"])
    refused(await net.try_delete("subnet", subnet), 409, "SubnetInUse", port["id"])
    await net.delete("port", port)
    await net.delete("network", network)
    refused(await net.call("GET", f"/subnets/{subnet['id']}"), 404, "SubnetNotFound")
    assert (await net.call("GET", f"/ports?network_id={network['id']}")).body["ports"] == []


async def test_the_dhcp_port_comes_and_goes_with_dhcp(net):
    network, subnet = await net.lan()
    query = f"/ports?network_id={network['id']}&device_owner=network:dhcp"
    ports = (await net.call("GET", query)).body["ports"]
    assert [one["fixed_ips"][0]["ip_address"] for one in ports] == ["10.1.0.2"]
    await net.cloud.settled()
    assert (await net.show(f"/ports/{ports[0]['id']}"))["status"] == "ACTIVE"
    await net.change("subnet", subnet, enable_dhcp=False)
    assert (await net.call("GET", query)).body["ports"] == []


async def test_sharing_with_everybody_and_back(net, other, admin):
    network, _ = await net.lan()
    await admin.change("network", network, shared=True)
    seen = await other.show(f"/networks/{network['id']}")
    assert seen["shared"] is True
    refused(await other.try_change("network", network, name="mine"), 403, "PolicyNotAuthorized", "update_network")
    port = await other.make("port", network_id=network["id"])
    refused(await admin.try_change("network", network, shared=False), 409, "InvalidSharedSetting")
    await other.delete("port", port)
    assert (await admin.change("network", network, shared=False))["shared"] is False
    refused(await other.call("GET", f"/networks/{network['id']}"), 404, "NetworkNotFound")


async def test_a_provider_network_is_checked(admin):
    made = await admin.make("network", **{"provider:network_type": "vlan", "provider:physical_network": "public",
                                          "provider:segmentation_id": 77})
    refused(await admin.try_make("network", **{"provider:network_type": "vlan", "provider:physical_network": "public",
                                               "provider:segmentation_id": 77}), 409, "VlanIdInUse", "77")
    refused(await admin.try_make("network", **{"provider:network_type": "flat"}), 400, "InvalidInput", "physical_network")
    refused(await admin.try_make("network", **{"provider:network_type": "flat", "provider:physical_network": "moon"}), 400,
            "InvalidInput", "moon")
    await admin.delete("network", made)


async def test_the_dataplane_follows(net):
    network, subnet = await net.lan()
    await net.cloud.settled()
    spec = net.driver.networks[network["id"]]
    assert [one.id for one in spec.subnets] == [subnet["id"]] and spec.dhcp_port.addresses == ("10.1.0.2/24",)
    await net.make("port", network_id=network["id"], mac_address="fa:16:3e:00:00:09", dns_name="guest")
    await net.cloud.settled()
    assert [(host.mac, host.hostname, host.addresses) for host in net.driver.networks[network["id"]].hosts] == [
        ("fa:16:3e:00:00:09", "guest", ("10.1.0.3",))]


async def test_if_match_guards_a_revision(net):
    made = await net.make("network")
    answer = await net.call("PUT", f"/networks/{made['id']}", {"network": {"name": "x"}},
                            headers={"If-Match": "revision_number=7"})
    refused(answer, 412, "RevisionNumberConstraintFailed")
    changed = await net.change("network", made, name="y")
    assert changed["revision_number"] == 1
