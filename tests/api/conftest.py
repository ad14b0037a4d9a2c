"""The whole daemon in this process, over simulated drivers and a real database; raw HTTP clients for its users."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cloudd import settings as cloudd_settings
from cloudd.core import database
from cloudd.core.runner import Runner
from cloudd.daemon import Daemon
from tests import postgres, replies

PASSWORD = "a-password-of-tests"


@dataclass
class Answer:
    """A reply, read to its end."""

    status: int
    headers: Any
    content: bytes

    @property
    def body(self) -> Any:
        import orjson
        return orjson.loads(self.content) if self.content else None


@dataclass
class Client:
    """One caller: base address, token, default headers."""

    url: str
    session: aiohttp.ClientSession
    headers: dict[str, str] = field(default_factory=dict)
    project_id: str | None = None
    user_id: str | None = None

    async def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Answer:
        merged = {"Accept": "application/json", **self.headers, **(headers or {})}      # as OpenStack's own clients send it
        async with self.session.request(method, self.url + path, headers=merged, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    def at(self, version: str, service: str = "compute") -> "Client":
        """The same caller at a microversion of a service."""
        headers = {**self.headers, "OpenStack-API-Version": f"{service} {version}"}
        return Client(self.url, self.session, headers, self.project_id, self.user_id)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("POST", path, json=json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("PUT", path, json=json, **options)

    async def patch(self, path: str, json: Any = None, **options: Any) -> Answer:
        return await self.request("PATCH", path, json=json, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)


@dataclass
class Cloud:
    """A running daemon and who may call it."""

    daemon: Daemon
    url: str
    session: aiohttp.ClientSession
    admin: Client = field(init=False)
    demo: Client = field(init=False)
    anonymous: Client = field(init=False)
    kept: dict[str, Any] = field(default_factory=dict)
    """What fixtures made once for all tests of this cloud."""

    @property
    def parts(self) -> Any:
        return self.daemon.parts

    async def login(self, user: str, password: str, scope: dict[str, Any] | None, domain: str = "default") -> Client:
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": {
            "name": user, "domain": {"id": domain}, "password": password}}}}
        if scope is not None:
            auth["scope"] = scope
        async with self.session.post(f"{self.url}/identity/v3/auth/tokens", json={"auth": auth}) as response:
            body = await response.json()
            assert response.status == 201, body
            token = body["token"]
            headers = {"X-Auth-Token": response.headers["X-Subject-Token"]}
            return Client(self.url, self.session, headers, token.get("project", {}).get("id"), token["user"]["id"])

    async def project_user(self, name: str, role: str = "member") -> Client:
        """A new project with one user of one role in it, logged in."""
        project = (await self.admin.post("/identity/v3/projects", {"project": {"name": name}})).body["project"]["id"]
        user = (await self.admin.post("/identity/v3/users", {"user": {"name": name, "password": PASSWORD}})).body["user"]["id"]
        roles = (await self.admin.get(f"/identity/v3/roles?name={role}")).body["roles"]
        answer = await self.admin.put(f"/identity/v3/projects/{project}/users/{user}/roles/{roles[0]['id']}")
        assert answer.status == 204, answer.content
        return await self.login(name, PASSWORD, {"project": {"id": project}})

    async def settled(self) -> None:
        """All jobs ended."""
        await self.parts.service(Runner).settled()


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def make_settings(directory: Path, text: str = "", url: str = "") -> cloudd_settings.Settings:
    """Settings of a simulated cloud in `directory`, quick to start."""
    config = directory / "cloudd.conf"
    database_line = f"\n[database]\nurl = {url}\n" if url else ""
    config.write_text(f"[identity]\nadmin_password = {PASSWORD}\nbcrypt_rounds = 4\n{database_line}{text}")
    return cloudd_settings.load(config, state_dir=str(directory / "state"), listen=f"127.0.0.1:{free_port()}", simulated=True,
                                environ={})


async def run_cloud(settings: cloudd_settings.Settings) -> AsyncIterator[Cloud]:
    await asyncio.to_thread(database.upgrade, settings.database.url)
    async with Daemon(settings).running() as daemon, aiohttp.ClientSession() as session:
        daemon.dispatcher.probe = replies.check
        host, port = settings.server.addresses()[0]
        cloud = Cloud(daemon, f"http://{host}:{port}", session)
        cloud.anonymous = Client(cloud.url, session)
        cloud.admin = await cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        cloud.demo = await cloud.project_user("tester")
        yield cloud


class Clouds:
    """One running cloud a database, made when it is first asked for. Both live on, since tests go from one to the other."""

    def __init__(self, stack: AsyncExitStack, directories: pytest.TempPathFactory):
        self._stack, self._directories = stack, directories
        self._running: dict[str, Cloud] = {}
        self._postgres: postgres.Server | None = None
        self._made = 0

    def url(self, engine: str, name: str) -> str:
        """A new database on an engine, `sqlite` or `postgresql`; empty for SQLite's, which is a file of the cloud's."""
        if engine == "sqlite":
            return ""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(postgres.server())
        self._made += 1                                       # a fixture may be made again, when tests go from engine to engine
        return self._postgres.create(f"{name}_{self._made}")

    async def on(self, engine: str) -> Cloud:
        if engine not in self._running:
            self._running[engine] = await self.run(make_settings(self._directories.mktemp("cloud"), url=self.url(engine, "cloudd")))
        return self._running[engine]

    async def run(self, settings: cloudd_settings.Settings) -> Cloud:
        """A cloud with settings of its own, until the end of the run."""
        return await self._stack.enter_async_context(asynccontextmanager(run_cloud)(settings))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Where the cloud keeps its rows: every API test runs on both databases."""
    return request.param


@pytest.fixture(scope="session")
async def clouds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clouds]:
    async with AsyncExitStack() as stack:
        yield Clouds(stack, tmp_path_factory)


@pytest.fixture(scope="session")
async def cloud(engine: str, clouds: Clouds) -> Cloud:
    """One cloud a database for all tests of the run; tests make projects of their own where they must not meet."""
    return await clouds.on(engine)
