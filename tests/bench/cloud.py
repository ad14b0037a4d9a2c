"""A simulated cloud for a bench, in a directory of its own, and a blocking client for what is done once."""

import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.bench.process import ROOT, Measured, environment, running, wait


@dataclass
class Caller:
    """One user of a cloud, logged in."""

    port: int
    token: str = ""
    project_id: str = ""
    body: dict[str, Any] = field(default_factory=dict)

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[Any, Any]:
        """The reply's headers and JSON. Raises RuntimeError when the cloud refuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json", "X-Auth-Token": self.token,
                                                    **(headers or {})})
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        if reply.status >= 400:
            raise RuntimeError(f"{method} {path}: {reply.status} {text.decode(errors='replace')[:500]}")
        return reply.headers, json.loads(text) if text and b"json" in reply.headers.get("Content-Type", "").encode() else text

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)[1]

    def post(self, path: str, body: Any, **options: Any) -> Any:
        return self.request("POST", path, body, **options)[1]

    def login(self, cloud: Mapping[str, Any]) -> "Caller":
        headers, reply = self.request("POST", "/identity/v3/auth/tokens", credentials(cloud))
        self.token, self.body = headers["X-Subject-Token"], reply["token"]
        self.project_id = self.body["project"]["id"]
        return self


def credentials(cloud: Mapping[str, Any]) -> dict[str, Any]:
    """The body that asks for a token as this entry of clouds.yaml says."""
    auth = cloud["auth"]
    user = {"name": auth["username"], "domain": {"name": auth["user_domain_name"]}, "password": auth["password"]}
    scope = {"project": {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}


@dataclass
class Cloud:
    """Where a cloud lives and listens."""

    state: Path
    port: int

    @property
    def options(self) -> list[str]:
        return ["--simulated", "--state-dir", str(self.state), "--listen", f"127.0.0.1:{self.port}"]

    @property
    def clouds(self) -> dict[str, Any]:
        return yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"]

    def answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException, RuntimeError):
            Caller(self.port).get("/identity/v3")
            return True
        return False

    def caller(self, name: str) -> Caller:
        return Caller(self.port).login(self.clouds[name])

    def fill(self) -> None:
        """Flavors, networks, a key pair: what `cloudd init` makes."""
        subprocess.run([sys.executable, "-m", "cloudd", "init", *self.options, "--no-guest"], cwd=ROOT, env=environment(),
                       check=True, stdout=subprocess.DEVNULL)

    def queries(self) -> int:
        """How many statements the database has been sent."""
        text = Caller(self.port).get("/metrics").decode()
        return int(float(re.search(r"^cloudd_database_queries (\S+)$", text, re.MULTILINE)[1]))

    @contextmanager
    def serving(self, **extra: str) -> Iterator[Measured]:
        """The daemon, from its first answer on."""
        with running(["-m", "cloudd", "serve", *self.options], self.state / "serve.log", extra) as process:
            wait(lambda: process.alive() and self.answers())
            yield process


@contextmanager
def new() -> Iterator[Cloud]:
    """A place for a cloud; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as directory:
        yield Cloud(Path(directory), free_port())


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def image(caller: Caller) -> str:
    """A small image that a simulated server may boot from; its id."""
    made = caller.post("/image/v2/images", {"name": "bench", "disk_format": "raw", "container_format": "bare"})
    caller.request("PUT", f"/image/v2/images/{made['id']}/file", bytes(1 << 20), {"Content-Type": "application/octet-stream"})
    return made["id"]
