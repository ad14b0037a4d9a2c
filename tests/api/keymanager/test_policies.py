"""Who may do what: every operation by every role of upstream's, old and new, in the secret's project and in another, in every scope.

operations.tsv says it: the roles that may in their own project, those that may with another's secret (`-`: there is no other's).
"""

import csv
import uuid
from pathlib import Path

import pytest

from cloudd.core.context import Context
from cloudd.core.policy import Policies
from cloudd.keymanager.api import API
from cloudd.keymanager.policies import POLICIES
from tests.api.conftest import PASSWORD
from tests.api.keymanager.safe import WORDS, Safe, words

ROWS = list(csv.DictReader(Path(__file__).with_name("operations.tsv").open(), delimiter="\t"))
ROLES = ("admin", "manager", "member", "reader", "service", "creator", "observer", "audit")
OLD = ("creator", "observer", "audit", "key-manager:service-admin")
BODIES = {
    ("POST", "/v1/secrets"): {"json": {}}, ("PUT", "/v1/secrets/{secret}"): {"data": b"x", "headers": {"Content-Type": "text/plain"}},
    ("PUT", "/v1/secrets/{secret}/metadata"): {"json": {"metadata": {"k": "w"}}},
    ("POST", "/v1/secrets/{secret}/metadata"): {"json": {"key": "new", "value": "v"}},
    ("PUT", "/v1/secrets/{secret}/metadata/{key}"): {"json": {"key": "k", "value": "w"}},
    ("POST", "/v1/secrets/{secret}/consumers"): {"json": {"service": "a", "resource_type": "b", "resource_id": "new"}},
    ("DELETE", "/v1/secrets/{secret}/consumers"): {"json": {"service": "a", "resource_type": "b", "resource_id": "c"}},
    ("PUT", "/v1/project-quotas/{project}"): {"json": {"project_quotas": {"cas": 1}}},
    ("GET", "/v1/secrets/{secret}/payload"): {"headers": {"Accept": "text/plain"}}}


def title(row):
    return f"{row['method']} {row['path']}"


def test_every_operation_stands_in_the_table():
    declared = {(one.method, one.path, one.policy) for one in API.operations if one.auth}
    assert declared == {(row["method"], row["path"], row["rule"]) for row in ROWS}


@pytest.fixture(scope="module")
async def people(cloud):
    """A user of each role in one project, and a user of each in another; the owner of the secrets, and an administrator's scopes."""
    for role in OLD:
        there = (await cloud.admin.get(f"/identity/v3/roles?name={role}")).body["roles"]
        assert there or (await cloud.admin.post("/identity/v3/roles", {"role": {"name": role}})).status == 201
    names = {row["name"]: row["id"] for row in (await cloud.admin.get("/identity/v3/roles")).body["roles"]}
    found = {}
    for place in ("own", "foreign"):
        project = (await cloud.admin.post("/identity/v3/projects", {"project": {"name": uuid.uuid4().hex}})).body["project"]["id"]
        for role in (*ROLES, "owner"):
            user = {"name": f"{role}-{uuid.uuid4().hex[:8]}", "password": PASSWORD}
            made = (await cloud.admin.post("/identity/v3/users", {"user": user})).body["user"]["id"]
            given = names["member" if role == "owner" else role]
            assert (await cloud.admin.put(f"/identity/v3/projects/{project}/users/{made}/roles/{given}")).status == 204
            found[place, role] = Safe(await cloud.login(user["name"], PASSWORD, {"project": {"id": project}}))
    return found


async def scene(cloud, owner, row):
    """The path of an operation, with what it needs there."""
    body = {} if row["method"] == "PUT" and row["path"].endswith("{secret}") else WORDS
    path = await owner.make(**body)
    await owner.call("PUT", f"{path}/metadata", json={"metadata": {"k": "v"}})
    await owner.call("POST", f"{path}/consumers", json={"service": "a", "resource_type": "b", "resource_id": "c"})
    if "{project}" in row["path"]:
        await cloud.admin.put(f"/key-manager/v1/project-quotas/{owner.user.project_id}", {"project_quotas": {"orders": 7}})
    return "/key-manager" + row["path"].replace("/v1/secrets/{secret}", path.removeprefix("/key-manager")).replace(
        "{key}", "k").replace("{project}", owner.user.project_id)


async def ask(who, row, path):
    return await who.call(row["method"], path, **dict(BODIES.get((row["method"], row["path"]), {})))


@pytest.mark.parametrize("row", ROWS, ids=title)
@pytest.mark.parametrize("place", ["own", "foreign"])
async def test_each_role(cloud, people, row, place):
    if row[place] == "-":
        return                                                # it is about the caller's own project, whichever that is
    owner = people["own", "owner"]
    for role in ROLES:
        path = await scene(cloud, owner, row)
        answer = await ask(people[place, role], row, path)
        allowed = role in (row[place] or "").split()
        assert answer.status == (int(row["success"]) if allowed else 403), (role, answer.content)
        if not allowed:
            assert row["rule"] in words(answer)


@pytest.mark.parametrize("row", ROWS, ids=title)
async def test_a_token_of_another_scope_may_nothing(cloud, people, row):
    path = await scene(cloud, people["own", "owner"], row)
    for scope in ({"system": {"all": True}}, {"domain": {"id": "default"}}):
        who = Safe(await cloud.login("admin", PASSWORD, scope))
        answer = await ask(who, row, path)
        assert answer.status == 403 and "scoped to project" in words(answer)


async def test_a_list_shows_the_own_project_only(people):
    for place in ("own", "foreign"):
        await people[place, "owner"].make(name=place)
    for place, other in (("own", "foreign"), ("foreign", "own")):
        for role in ("admin", "member"):
            names = await people[place, role].list("limit=100&sort=created:desc")
            assert place in names and other not in names


QUERIES = ("target.secret.project_id={mine}", "target.secret.creator_id={me}", "target.secret.read=read",
           "target.secret.read=read&read=read", "target.secret.read_project_access=True", "enforce_new_defaults=False",
           "secret.project_id={mine}", "project_id={mine}",
           "target[secret][project_id]={mine}", "target.secret.project_id={mine}&target.secret.creator_id={me}&target.secret.read=read",
           "external_project_id={mine}", "roles=admin", "user_id={owner}", "acl_only=true")


@pytest.mark.parametrize("query", QUERIES)
async def test_cve_2022_3100_nothing_in_the_address_changes_what_policies_look_at(cloud, people, query):
    owner, stranger, reader = people["own", "owner"], people["foreign", "member"], people["own", "reader"]
    asked = query.format(mine=stranger.user.project_id, me=stranger.user.user_id, owner=owner.user.user_id)
    for row in ROWS:
        if "{secret}" not in row["path"]:
            continue
        path = await scene(cloud, owner, row)
        for who in (stranger, reader):
            answer = await ask(who, row, f"{path}?{asked}")
            assert answer.status == 403 and b"a-secret" not in answer.content, (title(row), answer.content)


async def test_an_operator_may_keep_the_old_roles_out(tmp_path):
    """A file of overrides knows the rules by their names."""
    policies, target = Policies(), {"target.secret.project_id": "p", "target.secret.read_project_access": True}
    for rule in POLICIES:
        policies.add("key-manager", rule)
    creator = Context(project_id="p", user_id="u", roles=frozenset({"creator"}))
    assert policies.allows(creator, "key-manager", "secret:decrypt", target)
    (tmp_path / "p.yaml").write_text("key-manager:\n  creator: '!'\n")
    policies.override(tmp_path / "p.yaml")
    assert not policies.allows(creator, "key-manager", "secret:decrypt", target)
