"""OpenStack's security advisories about Keystone, 2012 to 2026 (security.openstack.org), and the test that shows each not to be ours.

OSSA-2012-002  long passwords, a crash          test_ossa_2012_002_a_huge_password_is_refused_and_costs_no_hashing
OSSA-2012-010  tokens prolonged by chaining     test_tokens.py::test_rescoping_keeps_the_end_and_the_chain
OSSA-2012-012  users put into any project       test_policies.py::test_who_may
OSSA-2012-013  into any tenant by one's default test_ossa_2012_013_nobody_gets_into_a_project_by_calling_it_his_default
OSSA-2012-014  a revoked role stays in tokens   test_ossa_2012_014_a_role_that_is_taken_away_is_gone_from_tokens
OSSA-2012-015  calls without a good token       test_tokens.py::test_wrong_tokens_are_401
OSSA-2012-016  tokens of a disabled project     test_tokens.py::test_disabling_a_project_voids_its_tokens_for_good
OSSA-2012-018  EC2 credentials of the removed   test_ossa_2012_018_and_2013_005_signatures_end_with_what_they_stand_for
OSSA-2012-019  2012-010 once more               test_tokens.py::test_rescoping_keeps_the_end_and_the_chain
OSSA-2013-003  huge tokens fill the log         test_ossa_2013_003_a_huge_token_is_refused_and_not_logged
OSSA-2013-005  EC2 credentials of the disabled  test_ossa_2012_018_and_2013_005_signatures_end_with_what_they_stand_for
OSSA-2013-011  tokens of a deleted user         test_tokens.py::test_deleting_a_user_voids_his_tokens
OSSA-2013-015  LDAP, without a password         test_ldap.py::test_a_login_is_a_bind
OSSA-2013-025  revoked tokens stay              test_tokens.py::test_revoking_a_token_voids_just_that_one
OSSA-2013-028  taking a role away gives it      test_ossa_2013_028_taking_a_role_that_is_not_there_gives_none
OSSA-2013-032  trusts widened through EC2       test_ossa_2013_032_and_2014_018_and_2014_022_a_trusts_token_is_no_more_than_the_trust
OSSA-2014-006  a trustee's tokens stay          test_records.py::test_a_trustee_works_in_the_trustors_project
OSSA-2014-013  methods named a thousand times   test_ossa_2014_013_a_method_is_tried_once
OSSA-2014-015  a user with a group's id         test_ossa_2014_015_nobody_chooses_an_id
OSSA-2014-018  chained delegation               test_ossa_2013_032_and_2014_018_and_2014_022_a_trusts_token_is_no_more_than_the_trust
OSSA-2014-022  a trust's token for any project  test_ossa_2013_032_and_2014_018_and_2014_022_a_trusts_token_is_no_more_than_the_trust
OSSA-2014-026  a disabled domain's tokens       test_ossa_2014_026_a_disabled_domain_shuts_out_all_that_is_in_it
OSSA-2014-029  endpoints that name options      test_ossa_2014_029_endpoints_tell_no_options
OSSA-2016-005  a revoked token, spelt anew      test_ossa_2016_005_a_revoked_token_has_no_other_spelling
OSSA-2016-008  audit ids that begin anew        test_tokens.py::test_rescoping_keeps_the_end_and_the_chain
OSSA-2017-004  a federated user's roles         test_federation.py::test_the_groups_of_the_mapping_open_projects
OSSA-2018-002  others' projects by federation   test_ossa_2018_002_federated_lists_are_ones_own
OSSA-2019-006  everybody's credentials listed   test_policies_asked.py::test_whose_credentials_are_seen
OSSA-2020-003  signatures without an end        test_extensions.py::test_ec2_tokens_need_a_service_and_a_fresh_signature
OSSA-2020-004  credentials made of delegation   test_extensions.py::test_delegated_tokens_touch_no_credentials
OSSA-2020-005  OAuth 1.0 gives all roles        test_extensions.py::test_oauth1_delegates_some_roles
OSSA-2021-003  lock-out tells who there is      test_ossa_2021_003_a_locked_account_answers_as_one_that_is_not_there
OSSA-2025-002  EC2 and S3 tokens for anybody    test_extensions.py::test_ec2_tokens_need_a_service_and_a_fresh_signature
OSSA-2026-001  identity by forged headers       test_ossa_2026_001_headers_make_nobody_somebody_else
OSSA-2026-005  EC2 by restricted credentials    test_extensions.py::test_delegated_tokens_touch_no_credentials
OSSA-2026-007  LDAP: the disabled log in        test_ldap.py::test_a_login_is_a_bind
OSSA-2026-015  policy asked about the body      test_extensions.py::test_bodies_do_not_change_whom_policy_is_asked_about

Without a number of their own
CVE-2022-2447  tokens outlive the credential    test_cve_2022_2447_a_token_ends_with_its_application_credential
CVE-2026-42998 a credential for another user    test_cve_2026_42998_a_credential_is_its_owners_whoever_is_named
CVE-2026-42999 policy asked about the query     test_cve_2026_42999_a_query_does_not_change_whom_policy_is_asked_about
CVE-2026-43000 trusts through a credential      test_extensions.py::test_delegated_tokens_touch_no_credentials
CVE-2026-43001 credentials of other projects    test_extensions.py::test_delegated_tokens_touch_no_credentials
CVE-2026-44394 federated tokens prolonged       test_federation.py::test_the_groups_of_the_mapping_open_projects

Not ours
OSSA-2013-004  entities of XML: no service here reads XML from users
OSSA-2013-009, OSSA-2013-014  PKI tokens checked by middleware: there are none, and all is checked here
OSSA-2013-010, OSSA-2013-017, OSSA-2014-007  the middleware's files, its cache and what it mixed up: tokens are checked where they are made
OSSA-2013-013, OSSA-2014-030, OSSA-2015-007  secrets and certificates of clients: no connection is made from here to a Keystone
OSSA-2015-008  a cache's password in the log: there is no cache server
"""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from cloudd.core import clock
from cloudd.identity.people import compliance
from tests.api.conftest import PASSWORD, Client
from tests.api.identity.test_extensions import by_signature, ec2_credential, token
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make, refused
from tests.api.identity.test_records import trusted, with_trust
from tests.waiting import until

HERE = Path(__file__)


@pytest.mark.parametrize("line", [line for line in __doc__.splitlines() if "test_" in line], ids=lambda line: line.split()[0])
def test_every_advisory_has_its_test(line):
    file, _, name = line.split()[-1].rpartition("::")
    assert re.search(rf"^(async )?def {name}\(", (HERE.parent / (file or HERE.name)).read_text(), re.MULTILINE), line


async def test_ossa_2012_002_a_huge_password_is_refused_and_costs_no_hashing(cloud, monkeypatch):
    from cloudd.identity import passwords
    hashed = []
    monkeypatch.setattr(passwords, "_fits", lambda password, stored: bool(hashed.append(password)))
    for length, status, seen in ((60_000, 401, [""]), (1_000_000, 413, [""])):           # the longer one is not even read
        user = {"id": cloud.admin.user_id, "password": "x" * length}
        identity = {"methods": ["password"], "password": {"user": user}}
        await refused(await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}}), status)
        assert hashed == seen
    await refused(await cloud.admin.post(f"{V3}/users", {"user": {"name": "of-a-huge-password", "password": "x" * 1_000_000}}), 400)


async def test_ossa_2012_013_nobody_gets_into_a_project_by_calling_it_his_default(cloud):
    user, project = await make(cloud, "user", password=PASSWORD), await make(cloud, "project")
    himself = await cloud.login(user["name"], PASSWORD, None)
    await refused(await himself.patch(f"{V3}/users/{user['id']}", {"user": {"default_project_id": project["id"]}}), 403)
    assert (await cloud.admin.patch(f"{V3}/users/{user['id']}", {"user": {"default_project_id": project["id"]}})).status == 200
    client = await cloud.login(user["name"], PASSWORD, None)
    assert (await client.get(f"{V3}/auth/projects")).body["projects"] == []
    assert client.project_id is None


async def test_ossa_2012_014_a_role_that_is_taken_away_is_gone_from_tokens(cloud):
    user = await cloud.project_user("losing-one-role")
    grant = f"{V3}/projects/{user.project_id}/users/{user.user_id}/roles/{await role_id(cloud, 'manager')}"
    await cloud.admin.put(grant)
    both = await cloud.login("losing-one-role", PASSWORD, {"project": {"id": user.project_id}})
    assert (await cloud.admin.delete(grant)).status == 204
    answer = await cloud.anonymous.get(f"{V3}/auth/tokens", headers={**both.headers, "X-Subject-Token": both.headers["X-Auth-Token"]})
    assert answer.status == 401 or "manager" not in {role["name"] for role in answer.body["token"]["roles"]}


@pytest.mark.parametrize("loss", ["role", "user", "project", "domain"])
async def test_ossa_2012_018_and_2013_005_signatures_end_with_what_they_stand_for(cloud, loss):
    domain = (await make(cloud, "domain"))["id"]
    project, user = await make(cloud, "project", domain_id=domain), await make(cloud, "user", domain_id=domain, password=PASSWORD)
    grant = f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{await role_id(cloud, 'member')}"
    await cloud.admin.put(grant)
    owner = await cloud.login(user["name"], PASSWORD, {"project": {"id": project["id"]}}, domain)
    path = f"{V3}/users/{user['id']}/credentials/OS-EC2"
    credential = (await owner.post(path, {"tenant_id": project["id"]})).body["credential"]
    signing = await by_signature(cloud, credential)
    assert (await signing.get("/image/v2/images")).status == 200
    if loss == "role":
        await cloud.admin.delete(grant)
    else:
        key = {"user": user["id"], "project": project["id"], "domain": domain}[loss]
        assert (await cloud.admin.patch(f"{V3}/{loss}s/{key}", {loss: {"enabled": False}})).status == 200
    with pytest.raises(KeyError, match="X-Subject-Token"):
        await by_signature(cloud, credential)
    assert (await signing.get("/image/v2/images")).status == 401


async def test_ossa_2013_003_a_huge_token_is_refused_and_not_logged(cloud, caplog):
    huge = "x" * 7000
    assert (await cloud.anonymous.get(f"{V3}/auth/tokens", headers={"X-Auth-Token": huge, "X-Subject-Token": huge})).status == 401
    assert (await cloud.demo.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": huge})).status == 404
    assert huge[:100] not in caplog.text
    assert (await cloud.anonymous.get(f"{V3}/users", headers={"X-Auth-Token": "x" * 100_000})).status in (400, 431)


async def test_ossa_2013_028_taking_a_role_that_is_not_there_gives_none(cloud):
    user, project = await make(cloud, "user"), await make(cloud, "project")
    grant = f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{await role_id(cloud, 'admin')}"
    await refused(await cloud.admin.delete(grant), 404)
    given = await cloud.admin.get(f"{V3}/role_assignments?user.id={user['id']}&effective")
    assert given.body["role_assignments"] == []


@pytest.mark.parametrize("impersonation", [True, False])
async def test_ossa_2013_032_and_2014_018_and_2014_022_a_trusts_token_is_no_more_than_the_trust(cloud, impersonation):
    name = f"trustee-of-advisories-{impersonation}"
    trustee, trustor = await cloud.project_user(name), await cloud.project_user(f"{name}-trustor")
    trust = (await trusted(cloud, trustor, trustee, impersonation=impersonation)).body["trust"]
    answer = await with_trust(cloud, name, trust)
    through = Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})
    me = answer.body["token"]["user"]["id"]
    await refused(await through.post(f"{V3}/users/{me}/credentials/OS-EC2", {"tenant_id": trustor.project_id}), 403)
    await refused(await through.post(f"{V3}/credentials", {"credential": {"user_id": me, "type": "x", "blob": "b"}}), 403)
    await refused(await through.post(f"{V3}/users/{me}/application_credentials", {"application_credential": {"name": "more"}}), 403)
    again = await through.post(f"{V3}/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": me, "trustee_user_id": cloud.demo.user_id, "project_id": trustor.project_id, "impersonation": False,
        "roles": [{"name": "member"}]}})
    assert again.status == (403 if impersonation else 404)        # the trustee himself has no role there to give
    for project in (trustor.project_id, trustee.project_id):
        body = {"auth": {"identity": {"methods": ["token"], "token": {"id": through.headers["X-Auth-Token"]}},
                         "scope": {"project": {"id": project}}}}
        await refused(await cloud.anonymous.post(f"{V3}/auth/tokens", body), 403)


async def test_ossa_2014_013_a_method_is_tried_once(cloud, monkeypatch):
    from cloudd.identity.passwords import Hasher
    tried = []
    right = Hasher.fits

    async def counted(self, *arguments):
        tried.append(1)
        return await right(self, *arguments)
    monkeypatch.setattr(Hasher, "fits", counted)
    identity = {"methods": ["password"] * 1000, "password": {"user": {
        "name": "nobody-of-advisories", "domain": {"id": "default"}, "password": "x"}}}
    answer = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}})
    assert answer.status in (400, 401) and len(tried) <= 1


async def test_ossa_2014_026_a_disabled_domain_shuts_out_all_that_is_in_it(cloud):
    domain = (await make(cloud, "domain"))["id"]
    project, user = await make(cloud, "project", domain_id=domain), await make(cloud, "user", domain_id=domain, password=PASSWORD)
    stranger = await make(cloud, "user", password=PASSWORD)
    member = await role_id(cloud, "member")
    for key in (user["id"], stranger["id"]):
        await cloud.admin.put(f"{V3}/projects/{project['id']}/users/{key}/roles/{member}")
    await cloud.admin.put(f"{V3}/domains/{domain}/users/{user['id']}/roles/{member}")
    scope = {"project": {"id": project["id"]}}
    clients = [await cloud.login(user["name"], PASSWORD, scope, domain), await cloud.login(user["name"], PASSWORD, None, domain),
               await cloud.login(user["name"], PASSWORD, {"domain": {"id": domain}}, domain),
               await cloud.login(stranger["name"], PASSWORD, scope)]
    assert [(await client.get(f"{V3}/auth/projects")).status for client in clients] == [200] * 4
    await cloud.admin.patch(f"{V3}/domains/{domain}", {"domain": {"enabled": False}})
    assert [(await client.get(f"{V3}/auth/projects")).status for client in clients] == [401] * 4


@pytest.mark.parametrize("url", ["http://x/$(admin_token)s", "http://x/%(OS_PASSWORD)s", "http://x/$(tenant_id.__class__)s"])
async def test_ossa_2014_029_endpoints_tell_no_options(cloud, url):
    service = (await cloud.admin.post(f"{V3}/services", {"service": {"type": "of-advisories"}})).body["service"]["id"]
    body = {"endpoint": {"interface": "public", "url": url, "service_id": service, "region_id": "RegionOne"}}
    await refused(await cloud.admin.post(f"{V3}/endpoints", body), 400, url)


async def test_ossa_2016_005_a_revoked_token_has_no_other_spelling(cloud):
    user = await cloud.project_user("spelling")
    text = user.headers["X-Auth-Token"]
    assert (await user.delete(f"{V3}/auth/tokens", headers={"X-Subject-Token": text})).status == 204
    spellings = [text, text + "=", text + "==", text.rstrip("="), text.upper(), text.replace("-", "+").replace("_", "/"), f" {text}",
                 f"{text[:-1]}A", f"{text[:20]}%00{text[20:]}", text[:20] + "\t" + text[20:]]
    for spelling in spellings:
        assert (await cloud.anonymous.get(f"{V3}/auth/projects", headers={"X-Auth-Token": spelling})).status == 401, spelling


async def test_ossa_2018_002_federated_lists_are_ones_own(cloud):
    user = await cloud.project_user("alone-in-federation")
    projects = (await user.get(f"{V3}/OS-FEDERATION/projects")).body["projects"]
    assert [row["id"] for row in projects] == [user.project_id]
    assert (await user.get(f"{V3}/OS-FEDERATION/domains")).body["domains"] == []


async def test_ossa_2021_003_a_locked_account_answers_as_one_that_is_not_there(cloud, monkeypatch):
    user = await make(cloud, "user", password=PASSWORD)

    async def answer(name, password="wrong"):
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": name, "domain": {"id": "default"}, "password": password}}}}}
        told = await cloud.anonymous.post(f"{V3}/auth/tokens", body)
        return told.status, told.body
    monkeypatch.setattr(compliance, "locked", lambda options, locked, *rest: locked.id == user["id"])
    assert await answer(user["name"]) == await answer("nobody-at-all") == await answer(user["name"], PASSWORD)
    monkeypatch.undo()
    await cloud.admin.patch(f"{V3}/users/{user['id']}", {"user": {"enabled": False}})
    assert await answer(user["name"]) == await answer("nobody-at-all")


@pytest.mark.parametrize("forged", [
    {"X-Roles": "admin"}, {"X-User-Id": "ADMIN"}, {"X-Is-Admin-Project": "True"}, {"X-Identity-Status": "Confirmed", "X-Roles": "admin"},
    {"X-Project-Id": "ADMIN_PROJECT"}, {"X-Service-Token": "ADMIN_TOKEN"}, {"OpenStack-System-Scope": "all"}, {"REMOTE_USER": "admin"}])
async def test_ossa_2026_001_headers_make_nobody_somebody_else(cloud, forged):
    known = {"ADMIN": cloud.admin.user_id, "ADMIN_PROJECT": cloud.admin.project_id, "ADMIN_TOKEN": cloud.admin.headers["X-Auth-Token"]}
    headers = {name: known.get(value, value) for name, value in forged.items()}
    await refused(await cloud.demo.get(f"{V3}/users", headers=headers), 403)
    assert (await cloud.anonymous.get(f"{V3}/users", headers=headers)).status == 401
    shown = await cloud.demo.get(f"{V3}/auth/projects", headers=headers)
    assert cloud.demo.project_id in {row["id"] for row in shown.body["projects"]}


@pytest.mark.parametrize("kind", ["user", "group", "project", "domain", "role", "service", "credential", "policy"])
async def test_ossa_2014_015_nobody_chooses_an_id(cloud, kind):
    group, plural = (await make(cloud, "group"))["id"], {"policy": "policies"}.get(kind, f"{kind}s")
    more = {"type": "x", "blob": "{}", "user_id": cloud.admin.user_id} if kind in ("service", "credential", "policy") else {}
    answer = await cloud.admin.post(f"{V3}/{plural}", {kind: {"name": f"{kind}-with-a-groups-id", "id": group, **more}})
    assert answer.status == 400 or (answer.status == 201 and answer.body[kind]["id"] != group)


async def test_what_only_a_reply_has_is_not_set_by_a_request(cloud):
    forged = {"password_expires_at": "2001-01-01T00:00:00.000000", "links": {"self": "http://x"}, "id": "x" * 32}
    user = (await cloud.admin.post(f"{V3}/users", {"user": {"name": "forging", "password": PASSWORD, **forged}})).body["user"]
    assert not forged.items() & user.items()
    changed = (await cloud.admin.patch(f"{V3}/users/{user['id']}", {"user": {"email": "a@b", **forged}})).body["user"]
    assert not forged.items() & changed.items() and (changed["id"], changed["email"]) == (user["id"], "a@b")


async def test_cve_2026_42998_a_credential_is_its_owners_whoever_is_named(cloud):
    user = await cloud.project_user("impersonating")
    made = (await user.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": "impersonating"}})).body["application_credential"]
    for named in ({"id": cloud.admin.user_id}, {"name": "admin", "domain": {"id": "default"}}):
        _, told = await token(cloud, {"methods": ["application_credential"], "application_credential": {
            "id": made["id"], "secret": made["secret"], "user": named}})
        assert told["user"]["id"] == user.user_id


async def test_cve_2026_42999_a_query_does_not_change_whom_policy_is_asked_about(cloud):
    user, admin = await cloud.project_user("asking-by-query"), cloud.admin.user_id
    for query in (f"user_id={user.user_id}", f"target.user.id={user.user_id}", f"target.credential.user_id={user.user_id}"):
        for path in (f"users/{admin}", f"users/{admin}/projects", f"users/{admin}/application_credentials",
                     f"users/{admin}/credentials/OS-EC2", f"users/{admin}/groups"):
            await refused(await user.get(f"{V3}/{path}?{query}"), 403)


async def test_cve_2022_2447_a_token_ends_with_its_application_credential(cloud):
    user = await cloud.project_user("ending-credential")
    end = clock.now() + timedelta(seconds=2)
    made = (await user.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": "ending", "expires_at": end.replace(tzinfo=None).isoformat()}})).body["application_credential"]
    client, told = await token(cloud, {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"]}})
    assert told["expires_at"] <= f"{end.replace(tzinfo=None).isoformat()}Z"

    async def ended() -> bool:
        return (await client.get(f"{V3}/auth/projects")).status == 401
    await until(ended)


async def test_signatures_are_of_their_owners_only(cloud):
    """OSSA-2025-002 from another side: what is signed gets its owner's project, whatever the request says."""
    user, credential = await ec2_credential(cloud, "signing")
    other = await cloud.project_user("signing-other")
    client = await by_signature(cloud, credential)
    shown = (await cloud.admin.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": client.headers["X-Auth-Token"]})).body["token"]
    assert (shown["user"]["id"], shown["project"]["id"]) == (user.user_id, user.project_id) != (other.user_id, other.project_id)
    for method, path in (("GET", "auth/projects"), ("GET", f"users/{user.user_id}"), ("POST", "OS-TRUST/trusts"), ("GET", "auth/tokens")):
        await refused(await client.request(method, f"{V3}/{path}", json={} if method == "POST" else None), 403, "EC2 signature")
