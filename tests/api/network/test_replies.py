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
