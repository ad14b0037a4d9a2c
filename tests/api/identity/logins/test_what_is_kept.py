"""What is kept of tokens' users, places and roles: nothing of it outlives a change, and an unrelated change costs nothing."""

import pytest

from cloudd.identity.models.extensions import ServiceProvider
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens.tokens import Tokens
from tests.api.conftest import PASSWORD, Client
from tests.api.identity.test_projects import V3, make


class Scene:
    """A user with a role on a project below a domain of its own, with a token for it; and what an administrator changes."""

    def __init__(self, cloud):
        self.cloud, self.admin = cloud, cloud.admin

    async def begin(self):
        self.domain = (await make(self.cloud, "domain"))["id"]
        self.top = (await make(self.cloud, "project", domain_id=self.domain))["id"]
        self.project = (await make(self.cloud, "project", domain_id=self.domain, parent_id=self.top))["id"]
        self.user = await make(self.cloud, "user", domain_id=self.domain, password=PASSWORD)
        self.group = (await make(self.cloud, "group", domain_id=self.domain))["id"]
        self.role, self.other = (await make(self.cloud, "role"))["id"], (await make(self.cloud, "role"))["id"]
        self.grant = f"projects/{self.project}/users/{self.user['id']}/roles/{self.role}"
        await self.put(self.grant)
        self.client = await self.cloud.login(self.user["name"], PASSWORD, {"project": {"id": self.project}}, self.domain)
        assert await self.roles() == {self.role} == await self.roles_of_another()
        return self

    async def put(self, path, body=None):
        assert (await self.admin.put(f"{V3}/{path}", body)).status in (201, 204)

    async def delete(self, path):
        assert (await self.admin.delete(f"{V3}/{path}")).status == 204

    async def patch(self, path, **values):
        kind = path.split("/")[0][:-1]
        assert (await self.admin.patch(f"{V3}/{path}", {kind: values})).status == 200

    async def roles(self):
        """Of the token, by its own word; empty when it is void."""
        answer = await self.client.get(f"{V3}/auth/tokens?nocatalog", headers={"X-Subject-Token": self.client.headers["X-Auth-Token"]})
        return {role["id"] for role in answer.body["token"]["roles"]} if answer.status == 200 else set()

    async def roles_of_another(self):
        """Of a new token that is got with it."""
        token = self.client.headers["X-Auth-Token"]
        answer = await self.cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {
            "identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"project": {"id": self.project}}}})
        return {role["id"] for role in answer.body["token"]["roles"]} if answer.status == 201 else set()


CHANGES = {
    "the user is disabled": (lambda s: s.patch(f"users/{s.user['id']}", enabled=False), ""),
    "the user is deleted": (lambda s: s.delete(f"users/{s.user['id']}"), ""),
    "the project is disabled": (lambda s: s.patch(f"projects/{s.project}", enabled=False), ""),
    "the project is deleted": (lambda s: s.delete(f"projects/{s.project}"), ""),
    "the domain is disabled": (lambda s: s.patch(f"domains/{s.domain}", enabled=False), ""),
    "the role is taken": (lambda s: s.delete(s.grant), ""),
    "the role is deleted": (lambda s: s.delete(f"roles/{s.role}"), ""),
    "another role is given": (lambda s: s.put(s.grant.replace(s.role, s.other)), "role other"),
    "the role implies another": (lambda s: s.put(f"roles/{s.role}/implies/{s.other}"), "role other"),
    "a role is inherited": (lambda s: s.put(
        f"OS-INHERIT/projects/{s.top}/users/{s.user['id']}/roles/{s.other}/inherited_to_projects"), "role other"),
    "the password is changed": (lambda s: s.patch(f"users/{s.user['id']}", password="another-one"), ""),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_holds_for_the_next_request(cloud, change):
    scene = await Scene(cloud).begin()
    alter, then = CHANGES[change]
    await alter(scene)
    expected = {getattr(scene, name) for name in then.split()}
    assert await scene.roles() == expected == await scene.roles_of_another()


async def test_who_joins_and_leaves_a_group_has_its_roles_at_once(cloud):
    scene = await Scene(cloud).begin()
    await scene.put(f"projects/{scene.project}/groups/{scene.group}/roles/{scene.other}")
    assert await scene.roles() == {scene.role}
    member = f"groups/{scene.group}/users/{scene.user['id']}"
    await scene.put(member)
    assert await scene.roles() == {scene.role, scene.other} == await scene.roles_of_another()
    await scene.delete(member)
    assert await scene.roles() == {scene.role} == await scene.roles_of_another()
    await scene.put(member)
    await scene.delete(f"groups/{scene.group}")
    assert await scene.roles() == {scene.role} == await scene.roles_of_another()


async def test_names_are_the_new_ones_at_once(cloud):
    scene = await Scene(cloud).begin()
    await scene.patch(f"users/{scene.user['id']}", name="renamed-and-kept")
    await scene.patch(f"projects/{scene.project}", name="renamed-as-well")
    token = scene.client.headers["X-Auth-Token"]
    shown = (await scene.client.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})).body["token"]
    assert (shown["user"]["name"], shown["project"]["name"]) == ("renamed-and-kept", "renamed-as-well")


async def test_an_application_credential_that_is_gone_or_expired_is_no_way_in(cloud):
    scene = await Scene(cloud).begin()
    path = f"{V3}/users/{scene.user['id']}/application_credentials"
    made = (await scene.client.post(path, {"application_credential": {"name": "kept"}})).body["application_credential"]
    identity = {"methods": ["application_credential"], "application_credential": {"id": made["id"], "secret": made["secret"]}}
    answer = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}})
    through = Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})
    assert (await through.get(f"{V3}/auth/projects")).status == 200
    assert (await scene.client.delete(f"{path}/{made['id']}")).status == 204
    assert (await through.get(f"{V3}/auth/projects")).status == 401
    assert (await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity}})).status == 401


async def test_what_is_new_costs_the_tokens_of_others_nothing(cloud):
    """A user, a project, a role or a domain that is made is in no token yet."""
    scene = await Scene(cloud).begin()
    tokens, text = cloud.parts.service(Tokens), scene.client.headers["X-Auth-Token"]
    for kind in ("user", "project", "role", "domain", "group"):
        await make(cloud, kind)
    before = cloud.parts.database.queries
    assert isinstance(await tokens.check(text), Subject)
    assert cloud.parts.database.queries == before


async def test_a_token_from_a_token_asks_the_database_nothing_that_is_known(cloud):
    scene = await Scene(cloud).begin()
    costs = []
    for _ in range(5):                                        # events of before may still be told beside it
        before = cloud.parts.database.queries
        assert await scene.roles_of_another() == {scene.role} and await scene.roles() == {scene.role}
        costs.append(cloud.parts.database.queries - before)
    assert min(costs) == 0


async def test_another_process_that_changed_accounts_is_heeded(cloud):
    """As the command on the host does: it writes by itself, and then moves a mark."""
    scene = await Scene(cloud).begin()
    tokens = cloud.parts.service(Tokens)
    known = await tokens.look_up((await tokens.check(scene.client.headers["X-Auth-Token"])).payload)
    tokens.mark.move()
    await tokens.heed()
    assert (await tokens.look_up(known.payload)) is not known and await scene.roles() == {scene.role}


async def test_another_cloud_is_shown_and_gone_at_once(cloud):
    scene, path = await Scene(cloud).begin(), f"{V3}/OS-FEDERATION/service_providers/kept-cloud"
    token = {"X-Subject-Token": scene.client.headers["X-Auth-Token"]}

    async def shown():
        body = (await scene.client.get(f"{V3}/auth/tokens", headers=token)).body["token"]
        return "kept-cloud" in {row["id"] for row in body.get("service_providers", ())}
    assert not await shown()
    await scene.admin.put(path, {"service_provider": {"auth_url": "http://x/v3", "sp_url": "http://x/ecp", "enabled": True}})
    assert await shown()
    async with cloud.parts.database.write() as tx:
        (await tx.get(ServiceProvider, "kept-cloud")).enabled = False
    assert not await shown()
    assert (await scene.admin.delete(path)).status == 204
