"""A daemon on one state directory that is killed at a moment of a job and lives again; for jobs that need no servers."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from cloudd.core.errors import Conflict
from cloudd.core.jobs import Registry
from cloudd.core.runner import Runner
from cloudd.daemon import Daemon
from tests.api.conftest import PASSWORD, Cloud, make_settings
from tests.fault.house import Killed

FAILS, BEFORE, AFTER, TWICE = "fails", "killed before its save", "killed after its save", "twice killed"
HOWS = (FAILS, BEFORE, AFTER, TWICE)


def at(run: Any, kind: str, step: int, when: str, wanted: str) -> bool:
    """Whether a job of this kind is at this moment of this step; a saved one has moved on."""
    return run.row.kind == kind and when == wanted and run.row.step - (when == "saved") == step


class Finger:
    """Put on one step of a kind of job: fails it once, or kills the daemon there."""

    def __init__(self, kind: str, step: int, how: str):
        assert 0 <= step < len(Registry[kind].steps)
        self.kind, self.step, self.how, self.left = kind, step, how, 2 if how == TWICE else 1
        self.killed = asyncio.Event()

    async def __call__(self, run: Any, name: str, when: str) -> None:
        wanted = "saved" if self.how == AFTER else "done"
        if not run.forward or not self.left or not at(run, self.kind, self.step, when, wanted):
            return
        self.left -= 1
        if self.how == FAILS:
            raise Conflict("told to fail")
        run.parts.service(Runner)._stopping = True
        self.killed.set()
        raise Killed


class Lives:
    """The directory, and the daemon that lives on it now."""

    def __init__(self, directory: Path, text: str):
        self.settings, self.stack = make_settings(directory, text), AsyncExitStack()

    async def start(self, finger: Any) -> Cloud:
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        daemon = Daemon(self.settings)
        daemon.parts.service(Runner).probe = finger
        finger.killed.clear()
        await self.stack.enter_async_context(daemon.running())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        host, port = self.settings.server.addresses()[0]
        cloud = Cloud(daemon, f"http://{host}:{port}", session)
        cloud.admin = await cloud.login("admin", PASSWORD, {"project": {"name": "admin", "domain": {"id": "default"}}})
        return cloud

    async def through(self, cloud: Cloud, finger: Finger) -> Cloud:
        """Live again as often as the finger kills, until all jobs have ended."""
        while await _killed_or_settled(cloud, finger):
            cloud = await self.start(finger)
        return cloud

    async def meet(self, finger: Finger, scene: Any) -> Cloud:
        """A scene with the finger on one step of it: all is prepared before, and all jobs have ended."""
        times, finger.left = finger.left, 0
        cloud = await self.start(finger)
        await scene.prepare(cloud)
        finger.left = times
        await scene.ask(cloud)
        cloud = await self.through(cloud, finger)
        assert finger.left == 0, "the step was never reached"
        return cloud


async def _killed_or_settled(cloud: Cloud, finger: Finger) -> bool:
    waits = {asyncio.ensure_future(finger.killed.wait()), asyncio.ensure_future(cloud.settled())}
    _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        one.cancel()
    return finger.killed.is_set()
