"""What the people of a domain may in it, and everybody with what is his own: the other side of test_policies.py.

There a domain's administrator meets another domain's users, groups and projects; here each role meets those of its own domain,
as Keystone's rules have it: readers read, managers change, but give no role above `manager`'s own, and no rule asks less.
"""

import pytest

from tests.api.conftest import PASSWORD
from tests.api.identity.cast import ROLES
from tests.api.identity.test_people import role_id
from tests.api.identity.test_policies_asked import Case, admin, but_domains, everybody, tried
from tests.api.identity.test_projects import V3, make, refused


def has(role, least):
    return ROLES.index(role) <= ROLES.index(least)


def reads(scope, role):
    return role == "admin" or (scope in ("system", "domain") and has(role, "reader"))


def manages(scope, role):
    return role == "admin" or (scope == "domain" and has(role, "manager"))


def lives_there(scope, role):
    return scope in ("domain", "project") or reads(scope, role)


def reads_or_works_there(scope, role):
    return scope == "project" or reads(scope, role)


def member(scope, role):
    return scope is not None and has(role, "member")


GRANT, OF_GROUP = "/projects/NEAR_PROJECT/users/NEAR_USER/roles", "/projects/NEAR_PROJECT/groups/NEAR_GROUP/roles"
ON_DOMAIN = "/domains/AWAY/users/NEAR_USER/roles"
NEW, CHANGED = {"name": "NEW", "domain_id": "AWAY"}, {"description": "changed"}
NEAR = [
    Case("identity:get_domain", "GET", "/domains/AWAY", lives_there),
    Case("identity:list_domains", "GET", "/domains", reads),
    Case("identity:update_domain", "PATCH", "/domains/AWAY", but_domains(admin), {"domain": CHANGED}),
    Case("identity:get_user", "GET", "/users/NEAR_USER", reads),
    Case("identity:list_users", "GET", "/users?domain_id=AWAY", reads),
    Case("identity:create_user", "POST", "/users", manages, {"user": NEW}),
    Case("identity:update_user", "PATCH", "/users/NEAR_USER", manages, {"user": CHANGED}),
    Case("identity:delete_user", "DELETE", "/users/FRESH_USER", manages),
    Case("identity:list_user_projects", "GET", "/users/NEAR_USER/projects", reads),
    Case("identity:list_groups_for_user", "GET", "/users/NEAR_USER/groups", reads),
    Case("identity:get_group", "GET", "/groups/NEAR_GROUP", reads),
    Case("identity:list_groups", "GET", "/groups?domain_id=AWAY", reads),
    Case("identity:create_group", "POST", "/groups", manages, {"group": NEW}),
    Case("identity:update_group", "PATCH", "/groups/NEAR_GROUP", manages, {"group": CHANGED}),
    Case("identity:delete_group", "DELETE", "/groups/FRESH_GROUP", manages),
    Case("identity:list_users_in_group", "GET", "/groups/NEAR_GROUP/users", reads),
    Case("identity:check_user_in_group", "HEAD", "/groups/NEAR_GROUP/users/NEAR_USER", reads),
    Case("identity:add_user_to_group", "PUT", "/groups/NEAR_GROUP/users/FRESH_USER", manages),
    Case("identity:add_user_to_group", "PUT", "/groups/NEAR_GROUP/users/OWNER", admin),
    Case("identity:get_project", "GET", "/projects/NEAR_PROJECT", reads),
    Case("identity:get_project", "GET", "/projects/AWAY_PROJECT", reads_or_works_there),
    Case("identity:list_projects", "GET", "/projects?domain_id=AWAY", reads),
    Case("identity:create_project", "POST", "/projects", manages, {"project": NEW}),
    Case("identity:update_project", "PATCH", "/projects/NEAR_PROJECT", manages, {"project": CHANGED}),
    Case("identity:update_project", "PATCH", "/projects/AWAY_PROJECT", manages, {"project": CHANGED}),
    Case("identity:delete_project", "DELETE", "/projects/FRESH_PROJECT", manages),
    Case("identity:list_project_tags", "GET", "/projects/NEAR_PROJECT/tags", reads),
    Case("identity:list_project_tags", "GET", "/projects/AWAY_PROJECT/tags", reads_or_works_there),
    Case("identity:get_project_tag", "GET", "/projects/NEAR_PROJECT/tags/near", reads),
    Case("identity:create_project_tag", "PUT", "/projects/FRESH_PROJECT/tags/near", manages),
    Case("identity:update_project_tags", "PUT", "/projects/FRESH_PROJECT/tags", manages, {"tags": ["near"]}),
    Case("identity:delete_project_tags", "DELETE", "/projects/FRESH_PROJECT/tags", manages),
    Case("identity:list_role_assignments", "GET", "/role_assignments", reads),
    Case("identity:list_role_assignments_for_tree", "GET", "/role_assignments?include_subtree&scope.project.id=NEAR_PROJECT", reads),
    Case("identity:list_grants", "GET", GRANT, reads),
    Case("identity:list_grants", "GET", OF_GROUP, reads),
    Case("identity:check_grant", "HEAD", f"{GRANT}/READER_ROLE", reads),
    Case("identity:create_grant", "PUT", f"{GRANT}/MEMBER_ROLE", manages),
    Case("identity:create_grant", "PUT", f"{OF_GROUP}/MEMBER_ROLE", manages),
    Case("identity:create_grant", "PUT", f"{ON_DOMAIN}/MEMBER_ROLE", manages),
    Case("identity:create_grant", "PUT", f"{GRANT}/ADMIN_ROLE", admin),
    Case("identity:create_grant", "PUT", f"{ON_DOMAIN}/ADMIN_ROLE", admin),
    Case("identity:create_grant", "PUT", "/projects/NEAR_PROJECT/users/OWNER/roles/MEMBER_ROLE", admin),
    Case("identity:create_grant", "PUT", "/projects/HOME_PROJECT/users/NEAR_USER/roles/MEMBER_ROLE", admin),
    Case("identity:revoke_grant", "DELETE", "/projects/NEAR_PROJECT/users/GIVEN_USER/roles/MEMBER_ROLE", manages),
    Case("identity:get_role", "GET", "/roles/MEMBER_ROLE", lambda scope, role: has(role, "manager") or (
        scope == "system" and has(role, "reader"))),
    Case("identity:get_role", "GET", "/roles/ADMIN_ROLE", lambda scope, role: role == "admin" or (
        scope == "system" and has(role, "reader"))),
]
MINE = [
    Case("identity:get_user", "GET", "/users/OWN", everybody),
    Case("identity:update_user", "PATCH", "/users/OWN", admin, {"user": CHANGED}),
    Case("identity:list_user_projects", "GET", "/users/OWN/projects", everybody),
    Case("identity:list_groups_for_user", "GET", "/users/OWN/groups", everybody),
    Case("identity:get_auth_projects", "GET", "/auth/projects", everybody),
    Case("identity:get_auth_domains", "GET", "/auth/domains", everybody),
    Case("identity:get_auth_system", "GET", "/auth/system", everybody),
    Case("identity:list_projects_for_user", "GET", "/OS-FEDERATION/projects", everybody),
    Case("identity:list_application_credentials", "GET", "/users/OWN/application_credentials", but_domains(everybody)),
    Case("identity:list_access_rules", "GET", "/users/OWN/access_rules", but_domains(everybody)),
    Case("identity:ec2_list_credentials", "GET", "/users/OWN/credentials/OS-EC2", but_domains(everybody)),
    Case("identity:ec2_create_credential", "POST", "/users/OWN/credentials/OS-EC2", but_domains(member), {"tenant_id": "AWAY_PROJECT"}),
    Case("identity:list_trusts_for_trustor", "GET", "/OS-TRUST/trusts?trustor_user_id=OWN", but_domains(everybody)),
    Case("identity:list_limits", "GET", "/limits", everybody),
    Case("identity:list_regions", "GET", "/regions", everybody),
]


@pytest.fixture(scope="session")
async def cast(cloud, people):
    if not people.near:
        near = {f"NEAR_{kind.upper()}": (await make(cloud, kind, domain_id=people.away))["id"] for kind in ("user", "group", "project")}
        roles = {f"{name.upper()}_ROLE": await role_id(cloud, name) for name in ("admin", "member", "reader")}
        people.near |= {**near, **roles, "AWAY": people.away}
        for path in (f"/groups/{near['NEAR_GROUP']}/users/{near['NEAR_USER']}", f"/projects/{near['NEAR_PROJECT']}/tags/near",
                     f"/projects/{near['NEAR_PROJECT']}/users/{near['NEAR_USER']}/roles/{roles['READER_ROLE']}"):
            assert (await cloud.admin.put(V3 + path)).status in (201, 204)
    return people


@pytest.mark.parametrize("case", NEAR, ids=str)
async def test_who_may_in_his_own_domain(cloud, cast, case):
    await tried(cloud, cast, case)


@pytest.mark.parametrize("case", MINE, ids=str)
async def test_who_may_with_his_own(cloud, cast, case):
    await tried(cloud, cast, case)


async def test_without_a_scope_a_password_is_changed_and_nothing_is_handed_on(cloud):
    """A token without a scope counts as a project's where rules name scopes (oslo.policy), but it has no project to give."""
    user = await make(cloud, "user", password=PASSWORD)
    client = await cloud.login(user["name"], PASSWORD, None)
    own = f"{V3}/users/{user['id']}"
    made = await client.post(f"{own}/application_credentials", {"application_credential": {"name": "without-a-scope"}})
    assert made.status in (400, 403), made.content
    await refused(await client.get(f"{V3}/auth/catalog"), 404)
    await refused(await client.get(f"{V3}/users"), 403)
    changed = await client.post(f"{own}/password", {"user": {"original_password": PASSWORD, "password": "another-password-1"}})
    assert changed.status == 204
    assert (await client.get(own)).status == 401                   # the change has voided it
