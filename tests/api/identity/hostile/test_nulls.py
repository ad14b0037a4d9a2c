"""A null that Keystone takes in an update takes the value away; what was not sent stays."""

import pytest

from tests.api.identity.hostile.test_bodies import names  # noqa: F401 - the fixture
from tests.api.identity.test_projects import V3, make

CLEARED = {
    "users/{user}": {"default_project_id": "{project}", "email": "a@b.example"}, "projects/{project}": {"description": "d", "own": "x"},
    "domains/{made_domain}": {"description": "d"}, "groups/{group}": {"description": "d"}, "roles/{role}": {"description": "d"},
    "regions/{region}": {"description": "d", "parent_region_id": "{parent}"}, "services/{service}": {"name": "n", "description": "d"},
    "endpoints/{endpoint}": {"region_id": "{parent}"}, "credentials/{credential}": {"project_id": "{project}"},
    "limits/{limit}": {"description": "d"}, "registered_limits/{free_limit}": {"description": "d", "region_id": "{parent}"},
    "OS-FEDERATION/identity_providers/{idp}": {"description": "d", "authorization_ttl": 5, "remote_ids": ["r"]},
    "OS-FEDERATION/service_providers/{service_provider}": {"description": "d"}, "OS-OAUTH1/consumers/{consumer}": {"description": "d"},
    "OS-EP-FILTER/endpoint_groups/{endpoint_group}": {"description": "d"}}
CASES = [(path, member) for path, members in CLEARED.items() for member in members]


@pytest.fixture(scope="module")
async def more_names(cloud, names):  # noqa: F811
    parent = (await cloud.admin.post(f"{V3}/regions", {"region": {}})).body["region"]["id"]
    free = await cloud.admin.post(f"{V3}/registered_limits", {"registered_limits": [
        {"service_id": names["service"], "resource_name": "nulls", "default_limit": 1}]})
    mine = await cloud.admin.post(f"{V3}/credentials", {"credential": {"type": "cert", "blob": "x"}})      # an EC2 one keeps its project
    return {**names, "parent": parent, "credential": mine.body["credential"]["id"], "made_domain": (await make(cloud, "domain"))["id"],
            "free_limit": free.body["registered_limits"][0]["id"]}


@pytest.mark.parametrize(("path", "member"), CASES)
async def test_null_clears(cloud, more_names, path, member):
    kind, value = path.rpartition("/{")[0].rpartition("/")[2][:-1], CLEARED[path][member]
    value = value.format(**more_names) if isinstance(value, str) else value
    url = f"{V3}/{path.format(**more_names)}"
    for sent, shown in ((value, (value,)), (..., (value,)), (None, (None, "", []))):
        changed = await cloud.admin.patch(url, {kind: {} if sent is ... else {member: sent}})
        assert changed.status == 200 or sent is ..., changed.content       # Keystone refuses some empty updates
        assert (await cloud.admin.get(url)).body[kind].get(member) in shown
