"""No list of identity costs more queries when it is longer."""

import itertools

import pytest

from tests.api.identity.test_projects import V3, make

NUMBERS = itertools.count(1)
LISTS = """
    users users?limit=2 groups projects projects?limit=2 domains roles services endpoints regions credentials policies
    registered_limits limits role_assignments role_assignments?include_names=1 role_assignments?effective=1
    role_assignments?effective=1&include_names=1 role_assignments?scope.project.id={project}&include_subtree=1&effective=1
    role_inferences roles/{role}/implies groups/{group}/users users/{user}/groups users/{user}/projects
    projects/{project}/users/{user}/roles domains/default/groups/{group}/roles system/users/{user}/roles projects/{project}/tags
    users/{own}/application_credentials users/{own}/access_rules users/{own}/credentials/OS-EC2 OS-TRUST/trusts OS-OAUTH1/consumers
    OS-FEDERATION/identity_providers OS-FEDERATION/identity_providers/{idp}/protocols OS-FEDERATION/mappings
    OS-FEDERATION/service_providers OS-EP-FILTER/endpoint_groups OS-EP-FILTER/projects/{project}/endpoints
    OS-EP-FILTER/projects/{project}/endpoint_groups OS-EP-FILTER/endpoint_groups/{endpoint_group}/projects auth/projects auth/domains
    auth/catalog projects/{project}?subtree_as_list=1 projects/{project}?subtree_as_ids=1"""


async def more(cloud, names):
    """One more row for every list; the first ones are those whose own lists are asked for, given in `names`."""
    number = next(NUMBERS)
    user, group = await make(cloud, "user", name=f"lq-{number}"), await make(cloud, "group", name=f"lq-{number}")
    role, service = await make(cloud, "role", name=f"lq-{number}"), await make(cloud, "service", type=f"lq-{number}")
    project = await make(cloud, "project", name=f"lq-{number}", **({"parent_id": names["project"]} if names else {}))
    endpoint = await make(cloud, "endpoint", service_id=service["id"], interface="public", url="http://lq.example", region=f"lq-{number}")
    made = {"user": user["id"], "group": group["id"], "role": role["id"], "project": project["id"], "idp": f"lq-{number}",
            "own": cloud.admin.user_id}
    for name, value in made.items():
        names.setdefault(name, value)
    await records(cloud, number, user, service, project)
    await relations(cloud, number, names, made, endpoint["id"])


async def records(cloud, number, user, service, project):
    async def sent(path, body, method="post"):
        answer = await getattr(cloud.admin, method)(f"{V3}/{path}", body)
        assert answer.status == 201, answer.content

    name = f"lq-{number}"
    await make(cloud, "domain", name=name)
    await make(cloud, "credential", user_id=user["id"], type="cert", blob="b")
    await sent("policies", {"policy": {"blob": "b", "type": "t"}})
    await sent("registered_limits", {"registered_limits": [{"service_id": service["id"], "resource_name": name, "default_limit": 9}]})
    await sent("limits", {"limits": [{"service_id": service["id"], "resource_name": name, "resource_limit": 5,
                                      "project_id": project["id"]}]})
    await sent("OS-OAUTH1/consumers", {"consumer": {}})
    await sent(f"OS-FEDERATION/mappings/{name}", {"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [
        {"type": "REMOTE_USER"}]}]}}, "put")
    await sent(f"OS-FEDERATION/identity_providers/{name}", {"identity_provider": {"remote_ids": [name]}}, "put")
    await sent(f"OS-FEDERATION/service_providers/{name}", {"service_provider": {
        "auth_url": "http://lq.example", "sp_url": "http://lq.example"}}, "put")
    own = f"users/{cloud.admin.user_id}"
    await sent(f"{own}/application_credentials", {"application_credential": {"name": name, "access_rules": [
        {"service": "identity", "method": "GET", "path": f"/v3/{name}"}]}})
    await sent(f"{own}/credentials/OS-EC2", {"tenant_id": cloud.admin.project_id})
    await sent("OS-TRUST/trusts", {"trust": {
        "trustor_user_id": cloud.admin.user_id, "trustee_user_id": user["id"], "project_id": cloud.admin.project_id,
        "impersonation": False, "roles": [{"name": "admin"}]}})


async def relations(cloud, number, names, made, endpoint):
    """Rows that join the new records to those first made."""
    group = await cloud.admin.post(f"{V3}/OS-EP-FILTER/endpoint_groups", {"endpoint_group": {
        "name": f"lq-{number}", "filters": {"interface": "public"}}})
    names.setdefault("endpoint_group", group.body["endpoint_group"]["id"])
    user, project, admin, role = names["user"], names["project"], cloud.admin.user_id, made["role"]
    wanted = [f"groups/{names['group']}/users/{made['user']}", f"groups/{made['group']}/users/{user}",
              f"projects/{made['project']}/users/{user}/roles/{role}", f"projects/{project}/users/{made['user']}/roles/{role}",
              f"projects/{project}/users/{user}/roles/{role}", f"projects/{made['project']}/users/{admin}/roles/{role}",
              f"OS-INHERIT/projects/{project}/groups/{made['group']}/roles/{role}/inherited_to_projects",
              f"domains/default/groups/{names['group']}/roles/{role}", f"system/users/{user}/roles/{role}",
              f"OS-EP-FILTER/projects/{project}/endpoints/{endpoint}", f"projects/{project}/tags/lq-{number}",
              f"OS-EP-FILTER/endpoint_groups/{group.body['endpoint_group']['id']}/projects/{project}",
              f"OS-EP-FILTER/endpoint_groups/{names['endpoint_group']}/projects/{made['project']}"]
    if role != names["role"]:
        wanted.append(f"roles/{names['role']}/implies/{role}")
    for path in wanted:
        answer = await cloud.admin.put(f"{V3}/{path}")
        assert answer.status in (201, 204), (path, answer.content)
    answer = await cloud.admin.put(f"{V3}/OS-FEDERATION/identity_providers/{names['idp']}/protocols/lq-{number}", {
        "protocol": {"mapping_id": f"lq-{number}"}})
    assert answer.status == 201, answer.content


@pytest.fixture
async def growing(cloud):
    """Ids of what has lists of its own; every list has three rows."""
    names: dict[str, str] = {}
    for _ in range(3):
        await more(cloud, names)
    yield names
    await tidy(cloud)


async def tidy(cloud):
    """Take the endpoints out of the catalog, at which others look."""
    for endpoint in (await cloud.admin.get(f"{V3}/endpoints")).body["endpoints"]:
        if endpoint["url"] == "http://lq.example":
            assert (await cloud.admin.delete(f"{V3}/endpoints/{endpoint['id']}")).status == 204


async def test_no_list_costs_more_queries_when_it_is_longer(cloud, growing):
    async def once(path):
        before = cloud.parts.database.queries
        answer = await cloud.admin.get(f"{V3}/{path.format_map(growing)}")
        assert answer.status == 200, answer.content
        return cloud.parts.database.queries - before

    async def cost(path):                                      # the bus may be telling of what went before
        return min([await once(path) for _ in range(4)])

    few = {path: await cost(path) for path in LISTS.split()}
    for _ in range(4):
        await more(cloud, growing)
    many = {path: await cost(path) for path in LISTS.split()}
    assert many == few
    assert max(many.values()) <= 12, many
