"""Nothing inside a record, and nothing that a plain member may make, grows without end."""

import pytest

from tests.api.conftest import make_settings, run_cloud
from tests.api.identity.test_projects import V3, make, refused

LIMITS = "credentials_per_user = 3\napplication_credentials_per_user = 2\n"


@pytest.fixture(scope="module")
async def small(tmp_path_factory):
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("small"), LIMITS)):
        yield running


@pytest.mark.parametrize("kind", ["user", "project", "group", "role", "domain"])
async def test_attributes_of_ones_own_do_not_grow_with_every_update(cloud, kind):
    made = await make(cloud, kind, **{f"first_{number}": 1 for number in range(120)})
    path = f"{V3}/{kind}s/{made['id']}"
    assert (await cloud.admin.patch(path, {kind: {f"second_{number}": 1 for number in range(8)}})).status == 200
    await refused(await cloud.admin.patch(path, {kind: {"third": 1}}), 413, "128")
    assert (await cloud.admin.patch(path, {kind: {"first_0": 2}})).status == 200
    await refused(await cloud.admin.patch(path, {kind: {"first_0": "x" * 70_000}}), 413, "65535")
    body = {"name": "too-much", **{f"a{number}": 1 for number in range(129)}}
    await refused(await cloud.admin.post(f"{V3}/{kind}s", {kind: body}), 413, "129")


async def test_a_members_credentials_end_somewhere(small):
    member, path = small.demo, f"{V3}/users/{small.demo.user_id}/credentials/OS-EC2"
    credential = {"credential": {"type": "cert", "blob": "x", "user_id": member.user_id}}
    for _ in range(2):
        assert (await member.post(f"{V3}/credentials", credential)).status == 201
    assert (await member.post(path, {"tenant_id": member.project_id})).status == 201
    await refused(await member.post(path, {"tenant_id": member.project_id}), 403, "maximum of 3")
    await refused(await member.post(f"{V3}/credentials", credential), 403, "maximum of 3")
    listed = (await member.get(f"{V3}/credentials")).body["credentials"]
    assert (await member.delete(f"{V3}/credentials/{listed[0]['id']}")).status == 204
    assert (await member.post(path, {"tenant_id": member.project_id})).status == 201


async def test_a_members_application_credentials_and_access_rules_end_somewhere(small):
    member, path = small.demo, f"{V3}/users/{small.demo.user_id}/application_credentials"

    async def create(name, *rules):
        return await member.post(path, {"application_credential": {"name": name, "access_rules": [
            {"service": "compute", "method": "GET", "path": rule} for rule in rules]}})
    assert (await create("one", "/a", "/b")).status == 201
    await refused(await create("two", "/a", "/c"), 403, "access rules, maximum of 2")
    made = (await create("two", "/a", "/b")).body["application_credential"]["id"]
    await refused(await create("three"), 403, "maximum of 2")
    assert (await member.delete(f"{path}/{made}")).status == 204
    await refused(await create("many", *(f"/{number}" for number in range(129))), 400, "access_rules")


async def test_tags_end_at_eighty_also_one_by_one(cloud):
    project = (await make(cloud, "project", tags=[f"t{number}" for number in range(79)]))["id"]
    path = f"{V3}/projects/{project}/tags"
    assert (await cloud.admin.put(f"{path}/last")).status == 201
    await refused(await cloud.admin.put(f"{path}/more"), 400, "tags")
    await refused(await cloud.admin.put(path, {"tags": [f"t{number}" for number in range(81)]}), 400, "tags")
    await refused(await cloud.admin.put(path, {}), 400, "tags")
