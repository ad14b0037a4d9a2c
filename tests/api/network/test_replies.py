"""What stands beside the resources answers as /openapi.json says: each of these is held against it (tests/replies.py)."""

PATHS = ("/quotas", "/quotas/project", "/quotas/tenant", "/quotas/{project}", "/quotas/{project}/default", "/quotas/{project}/details",
         "/quotas/{project}/details.json", "/extensions", "/extensions/router", "/service-providers", "/availability_zones",
         "/floatingip_pools", "/network-ip-availabilities", "/network-ip-availabilities/{network}", "/networks/{network}/tags",
         "/networks/{network}/dhcp-agents", "/agents", "/")


async def test_each_reads_as_it_is_declared(admin):
    network = await admin.make("network", **{"router:external": True})
    await admin.make("subnet", network_id=network["id"], cidr="198.51.100.0/24", ip_version=4)
    await admin.make("subnet", network_id=network["id"], cidr="2001:db8:77::/64", ip_version=6)
    await admin.call("PUT", f"/quotas/{admin.project_id}", {"quota": {"network": 55}})
    for path in PATHS:
        answer = await admin.call("GET", path.format(project=admin.project_id, network=network["id"]))
        assert answer.status == 200, answer.content
    assert (await admin.call("PUT", f"/networks/{network['id']}/tags/red")).content == b""


async def test_an_agent_is_given_a_network_and_answers_null(admin):
    agents = (await admin.call("GET", "/agents")).body["agents"]
    network = await admin.make("network")
    await admin.make("subnet", network_id=network["id"], cidr="198.51.100.0/24", ip_version=4)
    dhcp = next(one for one in agents if one["agent_type"] == "DHCP agent")
    await admin.call("DELETE", f"/agents/{dhcp['id']}/dhcp-networks/{network['id']}")
    answer = await admin.call("POST", f"/agents/{dhcp['id']}/dhcp-networks", {"network_id": network["id"]})
    assert (answer.status, answer.content) == (201, b"null")
