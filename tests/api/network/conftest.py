"""Callers of the network service: each test has a project of its own, so that quotas and lists do not meet."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from cloudd.drivers.network.base import NetworkDriver
from cloudd.network.models import Rbac

PREFIX = "/networking/v2.0"
NUMBERS = itertools.count(1)


@dataclass
class Net:
    """One caller; verbs answer the resource itself and insist on success, `try_` ones answer the whole reply."""

    client: Any
    cloud: Any

    @property
    def project_id(self) -> str:
        return self.client.project_id

    async def call(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        return await self.client.request(method, PREFIX + path, **({"json": json} if json is not None else {}), **options)

    async def make(self, kind: str, path: str | None = None, **values: Any) -> dict[str, Any]:
        answer = await self.try_make(kind, path, **values)
        assert answer.status == 201, answer.content
        return answer.body[kind]

    async def try_make(self, kind: str, path: str | None = None, **values: Any) -> Any:
        return await self.call("POST", path or f"/{kind.replace('_', '-')}s", {kind: values})

    async def show(self, path: str) -> dict[str, Any]:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer.content
        return next(iter(answer.body.values()))

    async def change(self, kind: str, row: dict[str, Any], **values: Any) -> dict[str, Any]:
        answer = await self.try_change(kind, row, **values)
        assert answer.status == 200, answer.content
        return answer.body[kind]

    async def try_change(self, kind: str, row: dict[str, Any], **values: Any) -> Any:
        return await self.call("PUT", f"/{kind.replace('_', '-')}s/{row['id']}", {kind: values})

    async def delete(self, kind: str, row: dict[str, Any]) -> None:
        answer = await self.try_delete(kind, row)
        assert answer.status == 204, answer.content

    async def try_delete(self, kind: str, row: dict[str, Any]) -> Any:
        return await self.call("DELETE", f"/{kind.replace('_', '-')}s/{row['id']}")

    async def join(self, router: dict[str, Any], **how: str) -> dict[str, Any]:
        answer = await self.call("PUT", f"/routers/{router['id']}/add_router_interface", how)
        assert answer.status == 200, answer.content
        return answer.body

    async def leave(self, router: dict[str, Any], **how: str) -> Any:
        return await self.call("PUT", f"/routers/{router['id']}/remove_router_interface", how)

    async def lan(self, cidr: str = "10.1.0.0/24", **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A network with one subnet."""
        network = await self.make("network", name="lan")
        version = 6 if ":" in cidr else 4
        return network, await self.make("subnet", network_id=network["id"], cidr=cidr, ip_version=version, **values)

    @property
    def driver(self) -> Any:
        return self.cloud.parts.driver(NetworkDriver)


def refused(answer: Any, status: int, kind: str, *words: str) -> None:
    """The reply is Neutron's error of this kind, and its message has these words."""
    assert answer.status == status, (answer.status, answer.content)
    error = answer.body["NeutronError"]
    assert error["type"] == kind and error["detail"] == "", error
    assert not [word for word in words if word not in error["message"]], error["message"]


@pytest.fixture(autouse=True)
async def nothing_left_to_everybody(cloud) -> AsyncIterator[None]:
    """A network that a test leaves to all projects is one more that their servers may be put on, in every later test."""
    yield
    async with cloud.parts.database.read() as tx:
        left = (await tx.execute(select(Rbac.object_id).where(Rbac.object_type == "network", Rbac.action == "access_as_shared",
                                                              Rbac.target_project == "*"))).scalars().all()
    assert not left, f"networks are left shared with everybody: {left}"


@pytest.fixture
async def net(cloud) -> Net:
    return Net(await cloud.project_user(f"net-{next(NUMBERS)}"), cloud)


@pytest.fixture
async def other(cloud) -> Net:
    return Net(await cloud.project_user(f"net-{next(NUMBERS)}"), cloud)


@pytest.fixture
async def admin(cloud) -> Net:
    return Net(cloud.admin, cloud)


@pytest.fixture
async def external(admin) -> dict[str, Any]:
    """An external network with a range of its own."""
    network = await admin.make("network", name="outside", **{"router:external": True})
    number = next(NUMBERS)
    cidr = f"172.{number // 256 + 20}.{number % 256}.0/24"
    subnet = await admin.make("subnet", network_id=network["id"], ip_version=4, cidr=cidr, enable_dhcp=False)
    return {**network, "subnet": subnet}
