"""A cloud whose users come from OpenID providers: one built on Authlib, one from PyPI, and one that does not answer."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import oidc_provider_mock
import pytest

from tests import openid_provider
from tests.api.conftest import Answer, Client, Cloud, Clouds, free_port, make_settings
from tests.api.identity.cast import Cast, gather
from tests.openid_provider import CLIENT, SECRET, OpenIdProvider, Person

V3 = "/identity/v3"
FEDERATION = f"{V3}/OS-FEDERATION"
DASHBOARD = "https://dashboard.example.org/auth/websso/"
NUMBERS = itertools.count(1)
RULES = [{"remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}, {"type": "HTTP_OIDC_EMAIL"}],
          "local": [{"user": {"name": "{0}", "email": "{1}"}}]},
         {"remote": [{"type": "OIDC-groups"}], "local": [{"groups": "{0}", "domain": {"id": "default"}}]}]
PROVIDERS = """
[acme]
issuer = {acme}
client_id = {client}
client_secret = {secret}
[asked]
issuer = {acme}
client_id = {client}
client_secret = {secret}
access_token = introspection
[mock]
issuer = {mock}
client_id = mock-client
client_secret = whatever
access_token = userinfo
[down]
issuer = http://127.0.0.1:15199
client_id = {client}
timeout = 2
"""


@dataclass
class Federated:
    """The cloud, its providers, and a group of the cloud with a role on a project."""

    cloud: Cloud
    idp: OpenIdProvider
    mock_url: str
    own_dashboard: str
    project: dict[str, Any] = field(default_factory=dict)
    group: dict[str, Any] = field(default_factory=dict)

    async def make(self, kind: str, **members: Any) -> dict[str, Any]:
        answer = await self.cloud.admin.post(f"{V3}/{kind}s", {kind: {"name": f"fed-{kind}-{next(NUMBERS)}", **members}})
        assert answer.status == 201, answer.content
        return answer.body[kind]

    async def put(self, path: str, kind: str, **members: Any) -> dict[str, Any]:
        answer = await self.cloud.admin.put(f"{FEDERATION}/{path}", {kind: members})
        assert answer.status == 201, answer.content
        return answer.body[kind]

    async def change(self, path: str, kind: str, **members: Any) -> None:
        answer = await self.cloud.admin.patch(f"{FEDERATION}/{path}", {kind: members})
        assert answer.status == 200, answer.content

    async def rules(self, rules: list[Any], version: str = "1.0") -> None:
        await self.change("mappings/people", "mapping", rules=rules, schema_version=version)

    def person(self, **claims: Any) -> Person:
        """Somebody at the provider whom nobody has seen yet."""
        sub = f"sub-{next(NUMBERS)}"
        claims = {"preferred_username": f"user-of-{sub}", "email": f"{sub}@acme.example", "groups": [self.group["name"]], **claims}
        made = self.idp.people[sub] = Person(sub, "pw", claims)
        return made

    def access_token(self, person: Person | None, client: str = CLIENT, key: Any = None, header: Any = None, **claims: Any) -> str:
        """A token that the provider would give; it knows it, too."""
        text = self.idp.sign({**self.idp.access_claims(person, client), **claims}, key, **(header or {}))
        self.idp.tokens[text] = openid_provider.Token(client, person, "openid")
        return text

    async def enter(self, token: str, idp: str = "acme", method: str = "POST") -> Answer:
        path = f"{FEDERATION}/identity_providers/{idp}/protocols/openid/auth"
        return await self.cloud.anonymous.request(method, path, headers={"Authorization": f"Bearer {token}"})

    async def login(self, person: Person, **claims: Any) -> tuple[Client, dict[str, Any]]:
        answer = await self.enter(self.access_token(person, **claims))
        assert answer.status == 201, answer.content
        return self.client(answer), answer.body["token"]

    def client(self, answer: Answer) -> Client:
        return Client(self.cloud.url, self.cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})

    async def scoped(self, client: Client, scope: Any, method: str = "token") -> Answer:
        return await self.cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"scope": scope, "identity": {
            "methods": [method], method: {"id": client.headers["X-Auth-Token"]}}}})


@pytest.fixture(scope="session")
async def people(cloud: Cloud) -> Cast:
    """Somebody of every role and scope, for the tests of policies."""
    if "people" not in cloud.kept:
        cloud.kept["people"] = await gather(cloud)
    return cloud.kept["people"]


@pytest.fixture(scope="session")
def openid() -> Iterator[Callable[[], tuple[OpenIdProvider, str]]]:
    """Makes the two providers that answer: each cloud has its own, since it keeps their keys while tests change them."""
    with ExitStack() as stack:
        def make() -> tuple[OpenIdProvider, str]:
            mock = stack.enter_context(oidc_provider_mock.run_server_in_thread())
            return stack.enter_context(openid_provider.running()), f"http://localhost:{mock.server_port}"
        yield make


@pytest.fixture(scope="session")
async def federated_cloud(engine: str, cloud: Cloud, clouds: Clouds, openid: Callable[[], tuple[OpenIdProvider, str]],
                          tmp_path_factory: pytest.TempPathFactory) -> Federated:
    if "federated" not in cloud.kept:
        cloud.kept["federated"] = await _federated(clouds, clouds.url(engine, "federated"), openid(), tmp_path_factory.mktemp("federated"))
    return cloud.kept["federated"]


async def _federated(clouds: Clouds, url: str, openid: tuple[OpenIdProvider, str], directory: Path) -> Federated:
    acme, mock = openid
    file = directory / "providers.conf"
    file.write_text(PROVIDERS.format(acme=acme.url, mock=mock, client=CLIENT, secret=SECRET))
    own_dashboard = f"http://127.0.0.1:{free_port()}/auth/websso/"
    text = f"\n[federation]\nproviders_file = {file}\ntrusted_dashboards = {DASHBOARD}, {own_dashboard}\n"
    settings = make_settings(directory, text, url)
    settings = replace(settings, identity=replace(settings.identity, failed_logins_per_minute=0))     # these tests fail often
    made = Federated(await clouds.run(settings), acme, mock, own_dashboard)
    await _people(made)
    return made


async def _people(made: Federated) -> None:
    made.project, made.group = await made.make("project"), await made.make("group")
    role = (await made.cloud.admin.get(f"{V3}/roles?name=member")).body["roles"][0]["id"]
    grant = f"{V3}/projects/{made.project['id']}/groups/{made.group['id']}/roles/{role}"
    assert (await made.cloud.admin.put(grant)).status == 204
    await made.put("mappings/people", "mapping", rules=RULES)
    for name, remote in (("acme", made.idp.url), ("asked", None), ("mock", made.mock_url), ("down", None), ("unknown", None)):
        await made.put(f"identity_providers/{name}", "identity_provider", enabled=True, remote_ids=[remote] if remote else [])
        await made.put(f"identity_providers/{name}/protocols/openid", "protocol", mapping_id="people")


@pytest.fixture
async def federated(federated_cloud: Federated) -> AsyncIterator[Federated]:
    """The same for each test: its mapping and the provider as they were."""
    yield federated_cloud
    idp = federated_cloud.idp
    idp.opaque, idp.broken, idp.wrong = False, False, {}
    await federated_cloud.rules(RULES)
