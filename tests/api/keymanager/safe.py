"""A project with secrets: what the tests of keys ask of a client."""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.api.conftest import Answer, Client

S = "/key-manager/v1/secrets"
Q = "/key-manager/v1/project-quotas"
NOBODY = "0b0d1e00-0000-4000-8000-00000000dead"
WORDS = {"payload": "a-secret", "payload_content_type": "text/plain"}


@dataclass
class Safe:
    """One user's view of the key manager, at one microversion."""

    user: Client
    version: str = "1.0"

    def at(self, version: str) -> "Safe":
        return Safe(self.user, version)

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"OpenStack-API-Version": f"key-manager {self.version}", **options.pop("headers", {})}
        return await self.user.request(method, path if path.startswith("/key-manager") else f"{S}{path}", headers=headers, **options)

    async def make(self, **body: Any) -> str:
        """A secret; its path."""
        answer = await self.call("POST", "", json=body)
        assert answer.status == 201, answer.content
        ref = answer.body["secret_ref"]
        assert answer.headers["Location"] == ref and ref.startswith(f"{self.user.url}{S}/")
        return ref.removeprefix(self.user.url)

    async def show(self, path: str) -> dict[str, Any]:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer.content
        return answer.body

    async def payload(self, path: str, accept: str = "text/plain") -> bytes:
        answer = await self.call("GET", f"{path}/payload", headers={"Accept": accept})
        assert answer.status == 200, answer.content
        return answer.content

    async def list(self, query: str = "") -> list[str]:
        """The names of what is listed."""
        answer = await self.call("GET", f"?{query}")
        assert answer.status == 200, answer.content
        return [row["name"] for row in answer.body["secrets"]]


async def make_safe(cloud: Any, role: str = "member", version: str = "1.0") -> Safe:
    return Safe(await cloud.project_user(f"keys-{uuid.uuid4().hex[:12]}", role), version)


def words(answer: Answer) -> str:
    """What an error says, in the service's own form."""
    assert answer.body.keys() == {"code", "title", "description"} and answer.body["code"] == answer.status, answer.content
    return answer.body["description"]
