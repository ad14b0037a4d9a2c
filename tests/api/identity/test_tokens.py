"""Logging in, and what tokens are good for."""

import asyncio

import pytest

from tests.api.conftest import PASSWORD

TOKENS = "/identity/v3/auth/tokens"
ADMIN = {"name": "admin", "domain": {"name": "Default"}, "password": PASSWORD}
PROJECT = {"project": {"name": "admin", "domain": {"id": "default"}}}


def auth(user=ADMIN, scope=None, **identity):
    body = {"identity": identity or {"methods": ["password"], "password": {"user": user}}}
    return {"auth": {**body, **({"scope": scope} if scope is not None else {})}}


async def log_in(cloud, *args, **options):
    return await cloud.anonymous.post(TOKENS, auth(*args, **options))


async def look(cloud, token, by=None):
    return await cloud.anonymous.get(TOKENS, headers={"X-Auth-Token": by or token, "X-Subject-Token": token})


@pytest.fixture
async def person(cloud, request):
    """A fresh user with the role member on a fresh project."""
    name = f"person-{request.node.name}"[:60]
    client = await cloud.project_user(name)
    client.name = name
    return client


async def test_a_project_token_has_everything(cloud):
    answer = await log_in(cloud, scope=PROJECT)
    token = answer.body["token"]
    assert answer.status == 201 and answer.headers["X-Subject-Token"] and answer.headers["Vary"] == "X-Auth-Token"
    assert token["methods"] == ["password"] and len(token["audit_ids"]) == 1
    assert token["user"] == {"domain": {"id": "default", "name": "Default"}, "id": cloud.admin.user_id, "name": "admin",
                             "password_expires_at": None}
    assert token["project"] == {"domain": {"id": "default", "name": "Default"}, "id": cloud.admin.project_id, "name": "admin"}
    assert token["is_domain"] is False
    assert {role["name"] for role in token["roles"]} == {"admin", "manager", "member", "reader"}
    assert token["expires_at"].endswith("Z") and token["issued_at"] < token["expires_at"]
    identity = next(entry for entry in token["catalog"] if entry["type"] == "identity")
    assert {point["interface"] for point in identity["endpoints"]} == {"public", "internal", "admin"}
    assert identity["endpoints"][0]["url"] == f"{cloud.url}/identity"
    assert identity["endpoints"][0]["region"] == identity["endpoints"][0]["region_id"] == "RegionOne"


async def test_the_catalog_follows_the_host_that_was_called(cloud):
    answer = await cloud.anonymous.post(TOKENS, auth(scope=PROJECT), headers={"Host": "cloud.example:8080"})
    urls = {point["url"] for entry in answer.body["token"]["catalog"] for point in entry["endpoints"]}
    assert urls and all(url.startswith("http://cloud.example:8080/") for url in urls)


@pytest.mark.parametrize("scope, member", [
    ({"domain": {"id": "default"}}, "domain"), ({"domain": {"name": "Default"}}, "domain"), ({"system": {"all": True}}, "system"),
    ({"project": {"name": "admin", "domain": {"name": "Default"}}}, "project")])
async def test_scopes(cloud, scope, member):
    answer = await log_in(cloud, scope=scope)
    assert answer.status == 201 and member in answer.body["token"] and answer.body["token"]["catalog"]


@pytest.mark.parametrize("scope", [None, "unscoped", {"unscoped": {}}])
async def test_unscoped_tokens_have_no_roles(cloud, scope):
    token = (await log_in(cloud, scope=scope)).body["token"]
    assert not {"roles", "catalog", "project", "domain", "system"} & set(token)


async def test_nocatalog(cloud):
    answer = await cloud.anonymous.post(f"{TOKENS}?nocatalog", auth(scope=PROJECT))
    assert "catalog" not in answer.body["token"]


@pytest.mark.parametrize("user", [
    {**ADMIN, "password": "wrong"}, {**ADMIN, "name": "nobody"}, {**ADMIN, "domain": {"name": "nowhere"}},
    {"id": "0" * 32, "password": PASSWORD}, {**ADMIN, "password": "x" * 5000}])
async def test_every_wrong_login_gets_the_same_answer(cloud, user):
    answer = await log_in(cloud, user=user)
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    assert answer.body == {"error": {"code": 401, "title": "Unauthorized",
                                     "message": "The request you have made requires authentication."}}


@pytest.mark.parametrize("scope", [
    {"project": {"id": "0" * 32}}, {"project": {"name": "none", "domain": {"id": "default"}}}, {"domain": {"id": "none"}},
    {"OS-TRUST:trust": {"id": "none"}}])
async def test_scopes_where_one_has_nothing_are_refused(cloud, scope):
    assert (await log_in(cloud, scope=scope)).status == 401


@pytest.mark.parametrize("body", [
    None, {}, {"auth": {}}, {"auth": {"identity": {}}}, {"auth": {"identity": {"methods": "password"}}}, [1],
    {"auth": {"identity": {"methods": ["password"]}}}, {"auth": {"identity": {"methods": ["password"], "password": 1}}},
    auth(user={"password": "x"}), auth(user={"name": "x", "password": "x"}), auth(user={**ADMIN, "domain": {}}),
    auth(scope={"project": {"id": "a"}, "domain": {"id": "b"}}), auth(scope={"project": {"name": "a"}}), auth(scope={"what": {}}),
    auth(scope={"system": {"all": "yes"}}), auth(methods=["token"], token={}), auth(user={"id": "x"}),
    auth(scope={"project": [1]}), auth(user={"id": 5, "password": "x"})])
async def test_malformed_logins_are_400(cloud, body):
    answer = await cloud.anonymous.post(TOKENS, body)
    assert answer.status == 400, answer.content
    assert answer.body["error"]["code"] == 400


@pytest.mark.parametrize("methods", [[], ["wand"], ["password", "wand"]])
async def test_unknown_methods_are_401(cloud, methods):
    assert (await log_in(cloud, methods=methods, password={"user": ADMIN})).status == 401


async def test_rescoping_keeps_the_end_and_the_chain(cloud):
    first = await log_in(cloud)
    old = first.body["token"]
    answer = await log_in(cloud, methods=["token"], token={"id": first.headers["X-Subject-Token"]}, scope=PROJECT)
    token = answer.body["token"]
    assert set(token["methods"]) == {"password", "token"} and token["expires_at"] == old["expires_at"]
    assert token["audit_ids"][1] == old["audit_ids"][0] != token["audit_ids"][0]


async def test_a_token_tells_of_itself(cloud, person):
    token = person.headers["X-Auth-Token"]
    shown = await look(cloud, token)
    assert shown.status == 200 and shown.headers["X-Subject-Token"] == token
    assert shown.body["token"]["user"]["name"] == person.name
    head = await cloud.anonymous.request("HEAD", TOKENS, headers={"X-Auth-Token": token, "X-Subject-Token": token})
    assert head.status == 200 and not head.content


async def test_only_its_owner_and_administrators_may_look_at_a_token(cloud, person):
    token, admin = person.headers["X-Auth-Token"], cloud.admin.headers["X-Auth-Token"]
    assert (await look(cloud, token, by=admin)).status == 200
    assert (await look(cloud, admin, by=token)).status == 403
    assert (await look(cloud, "gAAAAAnonsense", by=token)).status == 404
    assert (await cloud.admin.get(TOKENS)).status == 404


@pytest.mark.parametrize("token", ["", "x", "gAAAAA", "é", "a" * 4000])
async def test_wrong_tokens_are_401(cloud, token):
    answer = await cloud.anonymous.get("/identity/v3/users", headers={"X-Auth-Token": token.encode().decode("latin1")})
    assert answer.status == 401


async def test_revoking_a_token_voids_just_that_one(cloud, person):
    first = person.headers["X-Auth-Token"]
    again = (await cloud.login(person.name, PASSWORD, {"project": {"id": person.project_id}})).headers["X-Auth-Token"]
    headers = {"X-Auth-Token": first, "X-Subject-Token": first}
    assert (await cloud.anonymous.delete(TOKENS, headers=headers)).status == 204
    assert (await person.get("/identity/v3/auth/projects")).status == 401
    assert (await look(cloud, again)).status == 200


async def forbid(cloud, person, change):
    """The token is good, then `change` happens, then it is not; and not again when the change is taken back."""
    assert (await person.get("/identity/v3/auth/projects")).status == 200
    answer = await change()
    assert answer.status in (200, 204), answer.content
    assert (await person.get("/identity/v3/auth/projects")).status == 401


async def test_disabling_a_user_voids_his_tokens_for_good(cloud, person):
    path = f"/identity/v3/users/{person.user_id}"
    await forbid(cloud, person, lambda: cloud.admin.patch(path, {"user": {"enabled": False}}))
    assert (await log_in(cloud, user={"id": person.user_id, "password": PASSWORD})).status == 401
    await cloud.admin.patch(path, {"user": {"enabled": True}})
    assert (await person.get("/identity/v3/auth/projects")).status == 401
    assert (await log_in(cloud, user={"id": person.user_id, "password": PASSWORD})).status == 201


async def test_deleting_a_user_voids_his_tokens(cloud, person):
    await forbid(cloud, person, lambda: cloud.admin.delete(f"/identity/v3/users/{person.user_id}"))


async def test_disabling_a_project_voids_its_tokens_for_good(cloud, person):
    path = f"/identity/v3/projects/{person.project_id}"
    await forbid(cloud, person, lambda: cloud.admin.patch(path, {"project": {"enabled": False}}))
    await cloud.admin.patch(path, {"project": {"enabled": True}})
    assert (await person.get("/identity/v3/auth/projects")).status == 401


async def test_losing_the_last_role_voids_the_token(cloud, person):
    roles = (await cloud.admin.get("/identity/v3/roles?name=member")).body["roles"]
    path = f"/identity/v3/projects/{person.project_id}/users/{person.user_id}/roles/{roles[0]['id']}"
    await forbid(cloud, person, lambda: cloud.admin.delete(path))
    await cloud.admin.put(path)
    assert (await person.get("/identity/v3/auth/projects")).status == 200


async def test_changing_ones_password_voids_ones_tokens(cloud, person):
    path = f"/identity/v3/users/{person.user_id}/password"
    body = {"user": {"original_password": PASSWORD, "password": "another"}}
    await forbid(cloud, person, lambda: cloud.anonymous.post(path, body))
    assert (await cloud.anonymous.post(path, body)).status == 401
    assert (await log_in(cloud, user={"id": person.user_id, "password": "another"})).status == 201
    same = {"user": {"original_password": "another", "password": "another"}}
    assert (await cloud.anonymous.post(path, same)).status == 400


async def test_a_default_project_is_the_scope_of_a_login_without_one(cloud, person):
    path = f"/identity/v3/users/{person.user_id}"
    await cloud.admin.patch(path, {"user": {"default_project_id": person.project_id}})
    user = {"id": person.user_id, "password": PASSWORD}
    assert (await log_in(cloud, user=user)).body["token"]["project"]["id"] == person.project_id
    await cloud.admin.patch(path, {"user": {"default_project_id": cloud.admin.project_id}})
    assert "project" not in (await log_in(cloud, user=user)).body["token"]
    assert "project" not in (await log_in(cloud, user=user, scope={"unscoped": {}})).body["token"]


async def test_checking_a_token_again_asks_the_database_nothing(cloud, person):
    await person.get("/identity/v3/auth/catalog")
    before = cloud.parts.database.queries
    assert (await person.get("/identity/v3/auth/catalog")).status == 200
    assert cloud.parts.database.queries == before


async def test_what_one_may_scope_to(cloud, person):
    projects = (await person.get("/identity/v3/auth/projects")).body["projects"]
    assert [row["id"] for row in projects] == [person.project_id]
    assert (await person.get("/identity/v3/auth/domains")).body["domains"] == []
    assert (await person.get("/identity/v3/auth/system")).body["system"] == []
    assert [row["id"] for row in (await cloud.admin.get("/identity/v3/auth/domains")).body["domains"]] == ["default"]
    assert (await cloud.admin.get("/identity/v3/auth/system")).body["system"] == [{"all": True}]


async def test_rotating_the_keys_keeps_tokens_good(cloud, person):
    from cloudd.identity.service import rotate_keys
    await asyncio.to_thread(rotate_keys, cloud.daemon.settings)
    cloud.parts.service(type(cloud.daemon.modules[0].tokens)).forget()
    assert (await person.get("/identity/v3/auth/projects")).status == 200


async def test_versions_are_told_without_a_token(cloud):
    for path in ("/", "/identity", "/identity/"):
        answer = await cloud.anonymous.get(path, allow_redirects=False)
        values = answer.body["versions"]["values"]
        assert answer.status == 300 and [value["id"] for value in values] == ["v3.14"]
        assert values[0]["links"][0]["href"].startswith(cloud.url)
    for path in ("/v3", "/identity/v3", "/identity/v3/"):
        answer = await cloud.anonymous.get(path)
        assert answer.status == 200 and answer.body["version"]["status"] == "stable"
        assert answer.body["version"]["media-types"]


async def test_what_is_not_served_is_404(cloud):
    answer = await cloud.anonymous.get("/nothing/here")
    assert answer.status == 404 and "/nothing/here" in answer.body["error"]["message"]
