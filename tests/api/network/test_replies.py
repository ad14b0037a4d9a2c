"""What stands beside the resources answers as /openapi.json says: each of these is held against it (tests/replies.py)."""

import pytest

PATHS = ("/quotas", "/quotas/project", "/quotas/tenant", "/quotas/{project}", "/quotas/{project}/default", "/quotas/{project}/details",
         "/quotas/{project}/details.json", "/extensions", "/extensions/router", "/service-providers", "/availability_zones",
         "/floatingip_pools", "/network-ip-availabilities", "/network-ip-availabilities/{network}", "/networks/{network}/tags",
         "/networks/{network}/dhcp-agents", "/agents", "/")


@pytest.fixture
async def outside(admin):
    """An external network of both IP versions, which is gone when the test is over, as is the project's quota."""
    network = await admin.make("network", **{"router:external": True})
    await admin.make("subnet", network_id=network["id"], cidr="198.51.100.0/24", ip_version=4)
    await admin.make("subnet", network_id=network["id"], cidr="2001:db8:77::/64", ip_version=6)
    yield network
    await admin.delete("network", network)
    await admin.call("DELETE", f"/quotas/{admin.project_id}")


async def test_each_reads_as_it_is_declared(admin, outside):
    await admin.call("PUT", f"/quotas/{admin.project_id}", {"quota": {"network": 5555}})
    for path in PATHS:
        answer = await admin.call("GET", path.format(project=admin.project_id, network=outside["id"]))
        assert answer.status == 200, answer.content
    assert (await admin.call("PUT", f"/networks/{outside['id']}/tags/red")).content == b""


async def test_an_agent_is_given_a_network_and_answers_null(admin, outside):
    agents = (await admin.call("GET", "/agents")).body["agents"]
    where = f"/agents/{next(one['id'] for one in agents if one['agent_type'] == 'DHCP agent')}/dhcp-networks"
    await admin.call("DELETE", f"{where}/{outside['id']}")
    answer = await admin.call("POST", where, {"network_id": outside["id"]})
    assert (answer.status, answer.content) == (201, b"null")


@pytest.mark.parametrize("kind, values", [
    ("subnetpool", {"name": "told", "prefixes": ["10.99.0.0/16"]}), ("address_scope", {"name": "told", "ip_version": 4}),
    ("security_group", {"name": "told"}), ("router", {"name": "told"})])
async def test_what_is_shown_and_changed_is_as_declared(net, kind, values):
    row = await net.make(kind, **values)
    where = f"/{kind.replace('_', '-')}s/{row['id']}"
    assert await net.show(where) == row
    assert (await net.change(kind, row, name="other"))["name"] == "other"
    for method in ("PUT", "POST"):
        if kind != "address_scope":
            assert (await net.call(method, f"{where}/tags", {"tags": ["red"]})).body == (await net.call("GET", f"{where}/tags")).body


async def test_a_sharing_is_shown_and_changed_as_declared(net, other, admin):
    network = await net.make("network")
    row = await net.make("rbac_policy", path="/rbac-policies", object_type="network", object_id=network["id"],
                         action="access_as_shared", target_tenant=other.project_id)
    assert await net.show(f"/rbac-policies/{row['id']}") == row
    answer = await net.call("PUT", f"/rbac-policies/{row['id']}", {"rbac_policy": {"target_tenant": admin.project_id}})
    assert answer.body["rbac_policy"]["target_tenant"] == admin.project_id


async def test_agents_tell_what_they_serve_as_declared(admin, net):
    router = await net.make("router")
    for agent in (await admin.call("GET", "/agents")).body["agents"]:
        assert (await admin.show(f"/agents/{agent['id']}"))["agent_type"] == agent["agent_type"]
        assert (await admin.change("agent", agent, description="told"))["description"] == "told"
        for what in ("dhcp-networks", "l3-routers"):
            assert (await admin.call("GET", f"/agents/{agent['id']}/{what}")).status == 200
    assert [one["agent_type"] for one in await admin.show(f"/routers/{router['id']}/l3-agents")] == ["L3 agent"]
