"""A cloud that can be killed between two moments of a job and started again on what it left on disk."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from cloudd.core import database
from cloudd.core.jobs import Run
from cloudd.core.runner import Runner
from cloudd.daemon import Daemon
from cloudd.drivers.hypervisor.base import DomainNotFound, DomainState, Hypervisor
from tests.api.compute.rooms import Room, make_room
from tests.api.conftest import PASSWORD, Cloud, make_settings

Probe = Callable[[Run, str, str], Awaitable[None]]
C = "/compute/v2.1"


class Killed(BaseException):
    """The process ends here."""


@dataclass
class House:
    """One state directory, and the daemon that lives on it now."""

    directory: Path
    cloud: Cloud | None = None
    room: Room | None = None
    url: str = ""
    text: str = ""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, probe: Probe | None = None) -> None:
        settings = make_settings(self.directory, self.text, self.url)
        if self.cloud is None and (self.url or not (self.directory / "state" / "cloudd.db").exists()):
            await asyncio.to_thread(database.upgrade, settings.database.url)
        daemon = Daemon(settings)
        daemon.parts.service(Runner).probe = probe
        await self.stack.enter_async_context(daemon.running())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        host, port = settings.server.addresses()[0]
        self.cloud = Cloud(daemon, f"http://{host}:{port}", session)
        self.cloud.admin = await self.cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        if self.room is not None:
            self.room.cloud = self.cloud
            self.room.user = await self.cloud.login(self.room.name, PASSWORD, {"project": {"id": self.room.user.project_id}})

    async def stop(self) -> None:
        await self.stack.aclose()
        self.stack = AsyncExitStack()

    async def again(self, probe: Probe | None = None) -> None:
        await self.stop()
        await self.start(probe)

    @property
    def driver(self) -> Any:
        return self.cloud.parts.driver(Hypervisor)

    async def domain(self, server: str) -> DomainState | None:
        try:
            return await self.driver.state(server)
        except DomainNotFound:
            return None

    async def ports(self, server: str, what: str = "status") -> list[str]:
        rows = (await self.cloud.admin.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"]
        return [row[what] for row in rows]

    async def status(self, server: str) -> str | None:
        answer = await self.cloud.admin.get(f"{C}/servers/{server}")
        if answer.status == 404:
            return None
        assert answer.body["server"]["OS-EXT-STS:task_state"] is None, answer.body["server"]
        return answer.body["server"]["status"]

    async def require_agreement(self, server: str, status: str | None) -> None:
        """Rows, domain, files and ports say the same."""
        domain, files = await self.domain(server), server in await self.driver.disks.owners()
        ports = await self.ports(server)
        await self._require_agreement_on_volumes(server, status)
        if status is None:
            assert (domain, files, ports) == (None, False, [])
        elif status in ("ACTIVE", "RESCUE", "PAUSED", "VERIFY_RESIZE"):
            assert domain is (DomainState.PAUSED if status == "PAUSED" else DomainState.RUNNING)
            assert (files, set(ports)) == (True, {"ACTIVE"} if ports else set())
        elif status in ("SHUTOFF", "SUSPENDED"):
            assert domain not in (DomainState.RUNNING, DomainState.PAUSED)
            assert (domain is DomainState.SUSPENDED) is (status == "SUSPENDED")
            assert (files, ports) == (True, ["DOWN"])
        else:
            assert status == "ERROR"
            assert set(ports) == ({"ACTIVE"} if domain is DomainState.RUNNING else {"DOWN"})

    async def _require_agreement_on_volumes(self, server: str, status: str | None) -> None:
        """What compute says, what block storage says, and what the domain has."""
        answer = await self.cloud.admin.get(f"{C}/servers/{server}/os-volume_attachments")
        listed = set() if status is None else {row["volumeId"] for row in answer.body["volumeAttachments"]}
        rows = (await self.room.user.at("3.71", "volume").get("/volume/v3/volumes/detail")).body["volumes"]
        held = {row["id"] for row in rows if any(one["server_id"] == server for one in row["attachments"])}
        have = {one.volume_id for one in await self.driver.volumes.attached() if one.server_id == server}
        assert listed == held and (have == held or await self.domain(server) is None), (listed, held, have)
        assert {row["status"] for row in rows if row["id"] in held} <= {"in-use"}
        assert {row["status"] for row in rows if not row["attachments"]} <= {"available"}


async def build(directory: Path, url: str = "", text: str = "") -> House:
    """A new house with a room in it, running; on SQLite, or on the database of a URL; with more settings."""
    house = House(directory, url=url, text=text)
    await house.start()
    house.room = await make_room(house.cloud)
    return house


async def copy(house: House, directory: Path) -> House:
    """Another house, not running, that begins where a stopped one ended. By cp, since disks have holes."""
    process = await asyncio.create_subprocess_exec("cp", "-a", "--sparse=always", f"{house.directory}/.", str(directory))
    assert await process.wait() == 0
    room = Room(**{name: getattr(house.room, name) for name in house.room.__dataclass_fields__})
    return House(directory, room=room)
