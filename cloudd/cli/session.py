"""A small client of our own API for the command: logs in as a cloud of clouds.yaml, calls services by their catalog type."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml


class CallFailed(RuntimeError):
    """The cloud refused; the message has its words."""

    def __init__(self, method: str, url: str, status: int, text: str):
        super().__init__(f"{method} {url} answered {status}: {text}")
        self.status = status


class Session:
    """One caller of one cloud. `project_id` and `user_id` are of the token's scope."""

    def __init__(self, http: aiohttp.ClientSession, auth_url: str, token: str, body: dict[str, Any]):
        self._http, self.auth_url, self._headers = http, auth_url, {"X-Auth-Token": token, "Accept": "application/json"}
        self.project_id, self.user_id = body["project"]["id"], body["user"]["id"]
        self._urls = {service["type"]: endpoint["url"].rstrip("/") for service in body["catalog"]
                      for endpoint in service["endpoints"] if endpoint["interface"] == "public"}

    async def call(self, method: str, service: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call a service; the JSON of the reply, None when it has none. Raises CallFailed."""
        url = self._urls[service] + path
        headers = {**self._headers, **options.pop("headers", {})}
        async with self._http.request(method, url, json=body, headers=headers, **options) as response:
            text = await response.text()
            if response.status >= 400:
                raise CallFailed(method, url, response.status, _words(text))
            return await response.json(content_type=None) if text else None

    async def find(self, service: str, path: str, plural: str, name: str) -> dict[str, Any] | None:
        """The first of a list with this name."""
        listed = (await self.call("GET", service, path, params={"name": name}))[plural]
        return next((item for item in listed if item["name"] == name), None)


def _words(text: str) -> str:
    import json

    try:
        body: Any = json.loads(text)
    except ValueError:
        return text[:300]
    while isinstance(body, dict) and "message" not in body and len(body) == 1:
        body = next(iter(body.values()))
    return str(body.get("message", body)) if isinstance(body, dict) else str(body)


def _cloud(clouds_file: Path, name: str) -> dict[str, Any]:
    if not clouds_file.exists():
        raise OSError(f"there is no {clouds_file}: `cloudd serve` writes it when it first starts")
    clouds = (yaml.safe_load(clouds_file.read_text()) or {}).get("clouds", {})
    if name not in clouds:
        raise OSError(f"{clouds_file} has no cloud {name}; there are: {', '.join(clouds)}")
    return clouds[name]


@asynccontextmanager
async def login(clouds_file: Path, name: str) -> AsyncIterator[Session]:
    """A session of the cloud `name`. Raises CallFailed, OSError when there is no such cloud or nobody answers."""
    cloud = _cloud(clouds_file, name)
    auth = cloud["auth"]
    context = ssl.create_default_context(cafile=cloud["cacert"]) if cloud.get("cacert") else None
    connector = aiohttp.TCPConnector(ssl=context if context else True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None, connect=10)) as http:
        user = {"name": auth["username"], "domain": {"name": auth["user_domain_name"]}, "password": auth["password"]}
        scope = {"project": {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        url = f"{auth['auth_url']}/v3/auth/tokens"
        async with http.post(url, json=body) as response:
            if response.status != 201:
                raise CallFailed("POST", url, response.status, _words(await response.text()))
            token = response.headers["X-Subject-Token"]
            yield Session(http, auth["auth_url"], token, (await response.json())["token"])
