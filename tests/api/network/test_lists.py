"""Lists: filters, sorting, pages, members; tags, quotas, sharing, and what stands beside the resources."""

import pytest

from tests.api.network.conftest import refused


@pytest.fixture
async def three(net):
    """Networks a, b, c, with tags."""
    rows = [await net.make("network", name=name, description=text, tags=tags) for name, text, tags in (
        ("a", "x", ["red"]), ("b", "x", ["red", "blue"]), ("c", "", []))]
    return {row["name"]: row for row in rows}


async def names(net, query):
    answer = await net.call("GET", f"/networks?project_id={net.project_id}&{query}")
    assert answer.status == 200, answer.content
    return [row["name"] for row in answer.body["networks"]]


@pytest.mark.parametrize("query, wanted", [
    ("sort_key=name", "abc"), ("sort_key=name&sort_dir=desc", "cba"), ("name=a&name=c&sort_key=name", "ac"),
    ("description=x&sort_key=name", "ab"), ("description=&sort_key=name", "c"), ("admin_state_up=TRUE&sort_key=name", "abc"),
    ("shared=True", ""), ("router:external=True", ""), ("router:external=false&sort_key=name", "abc"),
    ("tags=red&sort_key=name", "ab"), ("tags=red,blue", "b"), ("tags-any=red,blue&sort_key=name", "ab"),
    ("not-tags=red,blue&sort_key=name", "ac"), ("not-tags-any=red,blue", "c"), ("changed_since=2100-01-01T00:00:00Z", ""),
    ("sort_key=description&sort_key=name&sort_dir=desc&sort_dir=desc", "bac"),
])
async def test_filters_and_sorting(net, three, query, wanted):
    assert await names(net, query) == list(wanted)


async def test_pages_go_forth_and_back(net, three):
    async def page(path):
        answer = await net.call("GET", path.split("/networking/v2.0", 1)[-1])
        links = {link["rel"]: link["href"] for link in answer.body.get("networks_links", ())}
        return [row["name"] for row in answer.body["networks"]], links

    first, links = await page(f"/networks?project_id={net.project_id}&limit=2&sort_key=name&fields=name")
    assert first == ["a", "b"] and set(links) == {"next", "previous"}
    second, links = await page(links["next"])
    assert second == ["c"] and set(links) == {"previous"}
    assert (await page(links["previous"]))[0] == ["a", "b"]
    assert (await page("/networks"))[1] == {}


async def test_fields(net, three):
    rows = (await net.call("GET", "/networks?fields=id&fields=name")).body["networks"]
    assert all(set(row) == {"id", "name"} for row in rows)
    assert await net.show(f"/networks/{three['a']['id']}?fields=name") == {"name": "a"}


async def test_what_a_list_refuses(net):
    refused(await net.call("GET", "/networks?colour=red"), 400, "HTTPBadRequest", "colour")
    refused(await net.call("GET", "/networks?sort_key=colour"), 400, "BadRequest", "colour")
    refused(await net.call("GET", "/networks?limit=few"), 400, "BadRequest", "few")
    refused(await net.call("GET", "/networks?admin_state_up=perhaps"), 400, "BadRequest", "perhaps")
    assert (await net.call("GET", "/networks?marker=nothing&limit=1")).status == 404


async def test_ports_by_their_addresses(net):
    network, subnet = await net.lan("10.1.0.0/24", enable_dhcp=False)
    one = await net.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.1.0.11"}])
    two = await net.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.1.0.12"}], device_id="d", device_owner="me")

    async def found(query):
        return {row["id"] for row in (await net.call("GET", f"/ports?{query}")).body["ports"]}

    assert await found("fixed_ips=ip_address=10.1.0.11") == {one["id"]}
    assert await found("fixed_ips=ip_address_substr=0.1.0.1") == {one["id"], two["id"]}
    assert await found(f"fixed_ips=subnet_id={subnet['id']}&fixed_ips=ip_address=10.1.0.12") == {two["id"]}
    assert await found("device_id=d&device_owner=me") == {two["id"]}
    assert await found(f"mac_address={one['mac_address']}&status=DOWN") == {one["id"]}
    assert await found(f"security_groups={one['security_groups'][0]}") == {one["id"], two["id"]}


async def test_the_number_of_queries_does_not_grow_with_the_rows(net, external):
    database = net.cloud.parts.database

    async def queries(path):
        before = database.queries
        assert (await net.call("GET", path)).status == 200
        return database.queries - before

    async def count():
        return [await queries(path) for path in ("/networks", "/subnets", "/ports", "/routers", "/floatingips", "/security-groups",
                                                 "/security-group-rules")]

    async def one_more(number):
        network, _ = await net.lan()
        await net.make("port", network_id=network["id"])
        await net.make("router", external_gateway_info={"network_id": external["id"]})
        await net.make("floatingip", floating_network_id=external["id"])
        await net.make("security_group", name=f"g{number}")

    await one_more(0)
    await net.cloud.settled()
    few = await count()
    for number in range(1, 5):
        await one_more(number)
    await net.cloud.settled()
    assert await count() == few


async def test_tags(net, three):
    path = f"/networks/{three['c']['id']}/tags"
    assert (await net.call("PUT", f"{path}/green")).status == 201
    assert (await net.call("GET", f"{path}/green")).status == 204
    assert (await net.call("GET", f"{path}/grey")).status == 404
    assert (await net.call("POST", path, {"tags": ["blue"]})).body == {"tags": ["blue", "green"]}
    assert (await net.call("PUT", path, {"tags": ["one", "two"]})).body == {"tags": ["one", "two"]}
    assert (await net.call("DELETE", f"{path}/one")).status == 204
    refused(await net.call("DELETE", f"{path}/one"), 404, "TagNotFound", "one")
    assert (await net.show(f"/networks/{three['c']['id']}"))["tags"] == ["two"]
    assert (await net.call("DELETE", path)).status == 204
    assert (await net.call("GET", path)).body == {"tags": []}


async def test_quotas(net, admin):
    path = f"/quotas/{net.project_id}"
    assert (await admin.call("PUT", path, {"quota": {"network": 1, "port": "3"}})).body["quota"]["network"] == 1
    await net.make("network")
    refused(await net.try_make("network"), 409, "OverQuota", "network", "Requested 1", "used 1 of 1")
    refused(await net.call("PUT", path, {"quota": {"network": 9}}), 403, "PolicyNotAuthorized")
    details = (await admin.call("GET", f"{path}/details.json")).body["quota"]
    assert details["network"] == {"limit": 1, "used": 1, "reserved": 0}
    assert (await admin.call("GET", f"{path}/default")).body["quota"]["network"] == 100
    assert net.project_id in {one["project_id"] for one in (await admin.call("GET", "/quotas")).body["quotas"]}
    refused(await admin.call("PUT", path, {"quota": {"network": 0, "check_limit": True}}), 400, "QuotaLimitInUse")
    assert (await admin.call("DELETE", path)).status == 204
    assert (await net.try_make("network")).status == 201


async def test_sharing_with_one_project(net, other, admin):
    network, _ = await net.lan()
    entry = await net.make("rbac_policy", path="/rbac-policies", object_type="network", object_id=network["id"],
                           action="access_as_shared", target_tenant=other.project_id)
    assert entry["target_tenant"] == entry["target_project"] == other.project_id
    assert (await other.show(f"/networks/{network['id']}"))["shared"] is True
    assert (await net.show(f"/networks/{network['id']}"))["shared"] is False
    port = await other.make("port", network_id=network["id"])
    refused(await net.call("DELETE", f"/rbac-policies/{entry['id']}"), 409, "RbacPolicyInUse")
    await other.delete("port", port)
    assert (await net.call("DELETE", f"/rbac-policies/{entry['id']}")).status == 204
    assert (await other.call("GET", f"/networks/{network['id']}")).status == 404
    refused(await net.try_make("rbac_policy", path="/rbac-policies", object_type="network", object_id=network["id"],
                               action="access_as_shared", target_tenant="*"), 403, "PolicyNotAuthorized", "target_tenant")


async def test_subnets_from_pools(net):
    pool = await net.make("subnetpool", name="p", prefixes=["10.8.0.0/24", "10.8.1.0/24"], default_prefixlen=26)
    assert pool["prefixes"] == ["10.8.0.0/23"] and pool["ip_version"] == 4 and pool["min_prefixlen"] == 8
    network = await net.make("network")
    made = [await net.make("subnet", network_id=network["id"], subnetpool_id=pool["id"], ip_version=4) for _ in range(3)]
    assert [one["cidr"] for one in made] == ["10.8.0.0/26", "10.8.0.64/26", "10.8.0.128/26"]
    exact = await net.make("subnet", network_id=network["id"], subnetpool_id=pool["id"], cidr="10.8.1.0/24", ip_version=4)
    assert exact["subnetpool_id"] == pool["id"]
    refused(await net.try_make("subnet", network_id=network["id"], subnetpool_id=pool["id"], prefixlen=25, ip_version=4), 400,
            "SubnetAllocationError", "/25")
    refused(await net.try_delete("subnetpool", pool), 409, "SubnetPoolDeleteError", pool["id"])
    refused(await net.try_make("subnetpool", name="p", prefixes=["10.0.0.0/8", "fd00::/48"]), 400, "PrefixVersionMismatch")


async def test_a_network_for_who_asks_for_any(net, admin):
    path = f"/auto-allocated-topology/{net.project_id}"
    refused(await net.call("GET", path), 409, "AutoAllocationFailure", "external network")
    outside = await admin.make("network", is_default=True, **{"router:external": True})
    await admin.make("subnet", network_id=outside["id"], cidr="172.30.0.0/24", ip_version=4, enable_dhcp=False)
    pool = await admin.make("subnetpool", name="d", prefixes=["10.200.0.0/16"], default_prefixlen=26, is_default=True, shared=True)
    assert (await net.call("GET", f"{path}?fields=dry-run")).body["auto_allocated_topology"]["id"] == "dry-run=pass"
    made = (await net.call("GET", path)).body["auto_allocated_topology"]
    assert (await net.show(f"/networks/{made['id']}"))["name"] == "auto_allocated_network"
    assert (await net.call("GET", path)).body["auto_allocated_topology"] == made
    assert (await net.call("DELETE", path)).status == 204
    assert (await net.call("GET", "/networks?router:external=False&shared=False")).body["networks"] == []
    await admin.delete("subnetpool", pool)
    await admin.delete("network", outside)


async def test_versions_extensions_zones(net, admin):
    assert (await net.client.get("/networking/")).body["versions"][0]["id"] == "v2.0"
    assert {"network", "subnet", "port"} <= {one["name"] for one in (await net.call("GET", "/")).body["resources"]}
    extensions = (await net.call("GET", "/extensions")).body["extensions"]
    for extension in extensions:
        assert (await net.call("GET", f"/extensions/{extension['alias']}")).body["extension"] == extension
    assert (await net.call("GET", "/extensions/none")).status == 404
    zones = (await net.call("GET", "/availability_zones?resource=router")).body["availability_zones"]
    assert zones == [{"name": "nova", "resource": "router", "state": "available"}]
    network, _ = await net.lan("fd00:9::/64")
    use = await admin.show(f"/network-ip-availabilities/{network['id']}")
    assert use["used_ips"] == 1 and use["total_ips"] == 2**64 - 2
    refused(await net.call("GET", f"/network-ip-availabilities/{network['id']}"), 403, "PolicyNotAuthorized")
