"""Users, groups, roles, grants and assignments; and who may touch them."""

import pytest

from tests.api.conftest import PASSWORD
from tests.api.identity.test_projects import V3, make, refused


async def role_id(cloud, name):
    return (await cloud.admin.get(f"{V3}/roles?name={name}")).body["roles"][0]["id"]


async def test_a_user_has_all_its_members(cloud):
    user = await make(cloud, "user", name="whole", password="x", email="a@b", description="d", project_id="p")
    assert user == {"id": user["id"], "name": "whole", "domain_id": "default", "enabled": True, "options": {}, "email": "a@b",
                    "description": "d", "project_id": "p", "password_expires_at": None,
                    "links": {"self": f"{cloud.url}/identity/v3/users/{user['id']}"}}
    assert (await cloud.admin.get(f"{V3}/users/{user['id']}")).body["user"] == user
    path = f"{V3}/users/{user['id']}"
    changed = (await cloud.admin.patch(path, {"user": {"email": "c@d", "options": {"lock_password": True}}})).body["user"]
    assert changed == {**user, "email": "c@d", "options": {"lock_password": True}}
    await refused(await cloud.admin.patch(path, {"user": {"password": "y"}}), 403, "lock_password")
    listed = (await cloud.admin.get(f"{V3}/users?name=whole")).body
    assert listed["users"] == [changed] and listed["links"]["next"] is None


@pytest.mark.parametrize("members, status", [
    ({}, 400), ({"name": ""}, 400), ({"name": "x" * 256}, 400), ({"name": "u", "password": 5}, 400),
    ({"name": "u", "enabled": 1}, 400),
    ({"name": "u", "options": {"other": True}}, 400), ({"name": "u", "domain_id": "nowhere"}, 404), ({"name": "admin"}, 409),
    ({"name": "u", "password": "x" * 5000}, 400), ({"name": "u", "default_project_id": "default"}, 400)])
async def test_bad_users_are_refused(cloud, members, status):
    await refused(await cloud.admin.post(f"{V3}/users", {"user": members}), status)


async def test_a_users_domain_is_fixed_and_its_name_its_own(cloud):
    one, two = await make(cloud, "user"), await make(cloud, "user")
    await refused(await cloud.admin.patch(f"{V3}/users/{one['id']}", {"user": {"domain_id": "other"}}), 400)
    await refused(await cloud.admin.patch(f"{V3}/users/{one['id']}", {"user": {"name": two["name"]}}), 409, two["name"])
    assert (await cloud.admin.patch(f"{V3}/users/{one['id']}", {"user": {"name": one["name"]}})).status == 200


async def test_a_member_sees_himself_and_nobody_else(cloud):
    someone = await make(cloud, "user")
    assert (await cloud.demo.get(f"{V3}/users/{cloud.demo.user_id}")).status == 200
    assert (await cloud.demo.get(f"{V3}/projects/{cloud.demo.project_id}")).status == 200
    assert (await cloud.demo.get(f"{V3}/domains/default")).status == 200
    await refused(await cloud.demo.get(f"{V3}/users/{someone['id']}"), 403, "identity:get_user")
    await refused(await cloud.demo.get(f"{V3}/users/none"), 403)
    await refused(await cloud.admin.get(f"{V3}/users/none"), 404, "Could not find user: none.")
    for path in ("users", "projects", "domains", "roles", "groups", "services", "endpoints", "role_assignments", "policies"):
        await refused(await cloud.demo.get(f"{V3}/{path}"), 403)
    for kind in ("user", "project", "domain", "role", "group", "service"):
        body = {kind: {"name": "x", **({"type": "t"} if kind == "service" else {})}}
        await refused(await cloud.demo.post(f"{V3}/{kind}s", body), 403, f"identity:create_{kind}")


async def test_groups_and_their_members(cloud):
    group = await make(cloud, "group", project_id="p")
    assert group == {"id": group["id"], "name": group["name"], "domain_id": "default", "description": "", "project_id": "p",
                     "links": {"self": f"{cloud.url}/identity/v3/groups/{group['id']}"}}
    user, path = await make(cloud, "user", email="a@b"), f"{V3}/groups/{group['id']}/users"
    await refused(await cloud.admin.request("GET", f"{path}/{user['id']}"), 404, user["id"])
    for _ in range(2):
        assert (await cloud.admin.put(f"{path}/{user['id']}")).status == 204
    assert (await cloud.admin.request("HEAD", f"{path}/{user['id']}")).status == 204
    assert (await cloud.admin.get(path)).body["users"] == [user]
    groups = (await cloud.admin.get(f"{V3}/users/{user['id']}/groups")).body["groups"]
    assert groups == [{**group, "membership_expires_at": None}]
    assert (await cloud.admin.delete(f"{path}/{user['id']}")).status == 204
    await refused(await cloud.admin.delete(f"{path}/{user['id']}"), 404)
    await refused(await cloud.admin.post(f"{V3}/groups", {"group": {"name": group["name"]}}), 409)
    await refused(await cloud.admin.put(f"{path}/none"), 404, "none")
    assert (await cloud.admin.delete(f"{V3}/groups/{group['id']}")).status == 204


@pytest.mark.parametrize("actor", ["user", "group"])
@pytest.mark.parametrize("target", ["project", "domain", "system", "OS-INHERIT/project", "OS-INHERIT/domain"])
async def test_grants(cloud, actor, target):
    who, role = await make(cloud, actor), await make(cloud, "role")
    kind, inherited = target.rpartition("/")[2], "/inherited_to_projects" if "/" in target else ""
    place = "system" if kind == "system" else f"{target}s/{(await make(cloud, kind))['id']}"
    roles = f"{V3}/{place}/{actor}s/{who['id']}/roles"
    path = f"{roles}/{role['id']}{inherited}"
    await refused(await cloud.admin.get(path), 404, role["id"], who["id"])
    for _ in range(2):
        assert (await cloud.admin.put(path)).status == 204
    assert (await cloud.admin.request("HEAD", path)).status == 204
    listed = (await cloud.admin.get(roles + inherited)).body["roles"]
    assert [row["id"] for row in listed] == [role["id"]]
    found = (await cloud.admin.get(f"{V3}/role_assignments?{actor}.id={who['id']}&role.id={role['id']}")).body["role_assignments"]
    assert len(found) == 1 and found[0][actor] == {"id": who["id"]} and found[0]["role"] == {"id": role["id"]}
    assert found[0]["links"]["assignment"] == cloud.url + path
    assert found[0]["scope"].get("OS-INHERIT:inherited_to") == ("projects" if inherited else None)
    assert (await cloud.admin.delete(path)).status == 204
    await refused(await cloud.admin.delete(path), 404)


async def test_a_role_held_through_a_group_and_from_above(cloud):
    domain = await make(cloud, "domain")
    group, user = await make(cloud, "group", domain_id=domain["id"]), await make(cloud, "user", password=PASSWORD)
    project = await make(cloud, "project", domain_id=domain["id"])
    member, reader = await role_id(cloud, "member"), await role_id(cloud, "reader")
    await cloud.admin.put(f"{V3}/groups/{group['id']}/users/{user['id']}")
    await cloud.admin.put(f"{V3}/OS-INHERIT/domains/{domain['id']}/groups/{group['id']}/roles/{member}/inherited_to_projects")
    client = await cloud.login(user["name"], PASSWORD, {"project": {"id": project["id"]}})
    assert [row["id"] for row in (await client.get(f"{V3}/auth/projects")).body["projects"]] == [project["id"]]
    assert [row["id"] for row in (await client.get(f"{V3}/users/{user['id']}/projects")).body["projects"]] == [project["id"]]
    query = f"{V3}/role_assignments?effective&user.id={user['id']}"
    found = (await cloud.admin.get(query)).body["role_assignments"]
    assert {row["role"]["id"] for row in found} == {member, reader}
    assert {row["scope"]["project"]["id"] for row in found} == {project["id"]}
    assert all(row["links"]["membership"].endswith(f"/groups/{group['id']}/users/{user['id']}") for row in found)
    named = (await cloud.admin.get(f"{query}&include_names&role.id={member}")).body["role_assignments"]
    assert named[0]["user"] == {"id": user["id"], "name": user["name"], "domain": {"id": "default", "name": "Default"}}
    assert named[0]["scope"]["project"]["domain"] == {"id": domain["id"], "name": domain["name"]}
    await cloud.admin.delete(f"{V3}/groups/{group['id']}/users/{user['id']}")
    assert (await client.get(f"{V3}/auth/projects")).status == 401


async def test_assignments_of_a_subtree(cloud):
    top, user, member = await make(cloud, "project"), await make(cloud, "user"), await role_id(cloud, "member")
    below = await make(cloud, "project", parent_id=top["id"])
    for project in (top, below):
        await cloud.admin.put(f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{member}")
    path = f"{V3}/role_assignments?scope.project.id={top['id']}"
    assert len((await cloud.admin.get(path)).body["role_assignments"]) == 1
    assert len((await cloud.admin.get(f"{path}&include_subtree")).body["role_assignments"]) == 2
    await refused(await cloud.admin.get(f"{V3}/role_assignments?include_subtree"), 400)
    await refused(await cloud.admin.get(f"{V3}/role_assignments?user.id=a&group.id=b"), 400)


async def test_roles_and_what_they_imply(cloud):
    prior, implied = await make(cloud, "role", description="d"), await make(cloud, "role")
    assert prior == {"id": prior["id"], "name": prior["name"], "domain_id": None, "description": "d", "options": {},
                     "links": {"self": f"{cloud.url}/identity/v3/roles/{prior['id']}"}}
    path = f"{V3}/roles/{prior['id']}/implies/{implied['id']}"
    await refused(await cloud.admin.get(path), 404)
    made = await cloud.admin.put(path)
    assert made.status == 201 and made.body["role_inference"]["implies"]["id"] == implied["id"]
    assert (await cloud.admin.request("HEAD", path)).status == 204
    listed = (await cloud.admin.get(f"{V3}/roles/{prior['id']}/implies")).body["role_inference"]
    assert listed["prior_role"]["name"] == prior["name"] and [row["id"] for row in listed["implies"]] == [implied["id"]]
    assert any(row["prior_role"]["id"] == prior["id"]
               for row in (await cloud.admin.get(f"{V3}/role_inferences")).body["role_inferences"])
    await refused(await cloud.admin.put(f"{V3}/roles/{prior['id']}/implies/{await role_id(cloud, 'admin')}"), 403, "admin")
    assert (await cloud.admin.delete(path)).status == 204
    await refused(await cloud.admin.post(f"{V3}/roles", {"role": {"name": "admin"}}), 409, "admin")
    await refused(await cloud.admin.delete(f"{V3}/roles/{await role_id(cloud, 'member')}"), 403, "immutable")


async def test_a_domains_role_stays_in_its_domain(cloud):
    domain, user = await make(cloud, "domain"), await make(cloud, "user")
    role = await make(cloud, "role", domain_id=domain["id"])
    own, other = await make(cloud, "project", domain_id=domain["id"]), await make(cloud, "project")
    assert (await cloud.admin.put(f"{V3}/projects/{own['id']}/users/{user['id']}/roles/{role['id']}")).status == 204
    await refused(await cloud.admin.put(f"{V3}/projects/{other['id']}/users/{user['id']}/roles/{role['id']}"), 403, role["id"])
    assert role["id"] not in {row["id"] for row in (await cloud.admin.get(f"{V3}/roles")).body["roles"]}
    listed = (await cloud.admin.get(f"{V3}/roles?domain_id={domain['id']}")).body["roles"]
    assert [row["id"] for row in listed] == [role["id"]]


async def manager_of(cloud, domain, role="manager"):
    """Somebody with a role on a domain, logged in there."""
    user = await make(cloud, "user", domain_id=domain["id"], password=PASSWORD)
    await cloud.admin.put(f"{V3}/domains/{domain['id']}/users/{user['id']}/roles/{await role_id(cloud, role)}")
    return await cloud.login(user["name"], PASSWORD, {"domain": {"id": domain["id"]}}, domain=domain["id"])


async def test_a_domains_manager_works_in_his_domain_only(cloud):
    domain, other = await make(cloud, "domain"), await make(cloud, "domain")
    manager = await manager_of(cloud, domain)
    for kind in ("user", "group", "project"):
        made = await manager.post(f"{V3}/{kind}s", {kind: {"name": "own", "domain_id": domain["id"]}})
        assert made.status == 201 and made.body[kind]["domain_id"] == domain["id"], made.content
        await refused(await manager.post(f"{V3}/{kind}s", {kind: {"name": "x", "domain_id": other["id"]}}), 403)
        foreign = await make(cloud, kind, domain_id=other["id"])
        await refused(await manager.get(f"{V3}/{kind}s/{foreign['id']}"), 403)
        await refused(await manager.patch(f"{V3}/{kind}s/{foreign['id']}", {kind: {"name": "mine"}}), 403)
        await refused(await manager.delete(f"{V3}/{kind}s/{foreign['id']}"), 403)
        listed = (await manager.get(f"{V3}/{kind}s")).body[f"{kind}s"]
        assert listed and {row["domain_id"] for row in listed} == {domain["id"]}
        await refused(await manager.get(f"{V3}/{kind}s?domain_id={other['id']}"), 403)
    assert [row["id"] for row in (await manager.get(f"{V3}/domains")).body["domains"]] == [domain["id"]]
    await refused(await manager.post(f"{V3}/projects", {"project": {"name": "dom", "is_domain": True}}), 403)


async def test_a_manager_hands_on_only_the_roles_below_admin_and_only_at_home(cloud):
    domain, other = await make(cloud, "domain"), await make(cloud, "domain")
    manager = await manager_of(cloud, domain)
    project, user = await make(cloud, "project", domain_id=domain["id"]), await make(cloud, "user", domain_id=domain["id"])
    stranger, group = await make(cloud, "user", domain_id=other["id"]), await make(cloud, "group", domain_id=other["id"])
    member, admin = await role_id(cloud, "member"), await role_id(cloud, "admin")
    at = f"{V3}/projects/{project['id']}"
    assert (await manager.put(f"{at}/users/{user['id']}/roles/{member}")).status == 204
    await refused(await manager.put(f"{at}/users/{user['id']}/roles/{admin}"), 403)
    await refused(await manager.put(f"{at}/users/{stranger['id']}/roles/{member}"), 403)
    await refused(await manager.put(f"{at}/groups/{group['id']}/roles/{member}"), 403)
    await refused(await manager.put(f"{V3}/system/users/{user['id']}/roles/{member}"), 403)


async def test_a_domains_reader_reads(cloud):
    domain = await make(cloud, "domain")
    reader = await manager_of(cloud, domain, "reader")
    assert (await reader.get(f"{V3}/users")).status == 200
    seen = (await reader.get(f"{V3}/role_assignments")).body["role_assignments"]
    assert {row["scope"]["domain"]["id"] for row in seen} == {domain["id"]}
    await refused(await reader.post(f"{V3}/users", {"user": {"name": "x"}}), 403)
