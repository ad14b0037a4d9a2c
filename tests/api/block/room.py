"""What tests of block storage do again and again."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from cloudd.block.backends import Backends
from cloudd.block.models import TypeExtraSpec, Volume, VolumeType
from cloudd.core import clock, ids
from cloudd.drivers.volume.base import VolumeDriver
from tests.api.conftest import Answer, Client, Cloud

V = "/volume/v3"
BYTES = {"Content-Type": "application/octet-stream"}
NUMBERS = itertools.count()


@dataclass
class Room:
    """A project and who works in it."""

    cloud: Cloud
    user: Client
    admin: Client

    @classmethod
    async def make(cls, cloud: Cloud) -> "Room":
        user = await cloud.project_user(f"block-{next(NUMBERS)}")
        return cls(cloud, user.at("3.71", "volume"), cloud.admin.at("3.71", "volume"))

    def at(self, version: str) -> Client:
        return self.user.at(version, "volume")

    async def create(self, **values: Any) -> Answer:
        hints = {"OS-SCH-HNT:scheduler_hints": values.pop("hints")} if "hints" in values else {}
        return await self.user.post(f"{V}/volumes", {"volume": {"size": 1, **values}, **hints})

    async def volume(self, **values: Any) -> str:
        """A volume that is there."""
        answer = await self.create(**values)
        assert answer.status == 202, answer.content
        await self.cloud.settled()
        volume = await self.show(answer.body["volume"]["id"])
        assert volume["status"] == "available", await self.fault(volume["id"])
        return volume["id"]

    async def show(self, volume: str) -> Any:
        answer = await self.user.get(f"{V}/volumes/{volume}")
        assert answer.status == 200, answer.content
        return answer.body["volume"]

    async def status(self, volume: str) -> str | None:
        answer = await self.user.get(f"{V}/volumes/{volume}")
        return answer.body["volume"]["status"] if answer.status == 200 else None

    async def fault(self, volume: str) -> str | None:
        async with self.cloud.parts.database.read() as tx:
            return (await tx.get_one(Volume, volume)).fault

    async def act(self, volume: str, action: str, value: Any = None, by: Client | None = None) -> Answer:
        answer = await (by or self.user).post(f"{V}/volumes/{volume}/action", {action: value})
        await self.cloud.settled()
        return answer

    async def snapshot(self, volume: str, **values: Any) -> str:
        answer = await self.user.post(f"{V}/snapshots", {"snapshot": {"volume_id": volume, **values}})
        assert answer.status == 202, answer.content
        await self.cloud.settled()
        return answer.body["snapshot"]["id"]

    @asynccontextmanager
    async def backend(self, driver: VolumeDriver) -> AsyncIterator[str]:
        """Another back end for a while; the type whose volumes lie in it."""
        await driver.open()
        there, name, kind = self.cloud.parts.service(Backends), driver.config.name, ids.new_uuid()
        there.by_name = {**there.by_name, name: driver}
        try:
            yield await self.type({"volume_backend_name": name}, kind)
            await self.clean()
        finally:
            there.by_name = {one: its for one, its in there.by_name.items() if one != name}
            await driver.close()

    async def type(self, specs: dict[str, str], type_id: str = "") -> str:
        """A volume type with extra specs."""
        type_id = type_id or ids.new_uuid()
        async with self.cloud.parts.database.write() as tx:
            tx.add(VolumeType(id=type_id, name=f"type-{type_id}", created_at=clock.now()))
            tx.add_all(TypeExtraSpec(volume_type_id=type_id, key=key, value=value) for key, value in specs.items())
        return type_id

    async def image(self, data: bytes = b"\0" * 4096, **values: Any) -> str:
        body = {"name": "disk", "disk_format": "raw", "container_format": "bare", **values}
        image = (await self.user.post("/image/v2/images", body)).body["id"]
        answer = await self.user.request("PUT", f"/image/v2/images/{image}/file", data=data, headers=BYTES)
        assert answer.status == 204, answer.content
        return image

    async def clean(self) -> None:
        """Whatever its project has left goes."""
        await self.cloud.settled()
        listed = await self.user.get(f"{V}/volumes")
        for volume in listed.body["volumes"]:
            await self.admin.post(f"{V}/volumes/{volume['id']}/action",
                                  {"os-reset_status": {"status": "available", "attach_status": "detached", "migration_status": "none"}})
            answer = await self.admin.delete(f"{V}/volumes/{volume['id']}?cascade=true&force=true")
            assert answer.status == 202, answer.content
        await self.cloud.settled()
