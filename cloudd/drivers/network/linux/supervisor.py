"""Keeps dnsmasq processes as wanted: starts, refreshes, and restarts one that died.

A process is watched through a pidfd in the event loop, so there is no polling, and it need not be our child.
"""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from cloudd.core import log, tasks
from cloudd.drivers.network.base import NetworkConfig, NetworkDriverError
from cloudd.drivers.network.linux import dnsmasq, netns
from cloudd.drivers.network.linux.dnsmasq import Instance

LOG = log.get("cloudd.network")
CALM_SECONDS = 30.0                                  # a process that lived this long may be restarted at once
WORST_DELAY = 60.0


@dataclass
class Watched:
    instance: Instance
    pid: int
    pidfd: int
    since: float
    failures: int = 0


@dataclass
class Supervisor:
    config: NetworkConfig
    workers: netns.Workers
    user: str = "nobody"
    watched: dict[Path, Watched] = field(default_factory=dict)           # by the instance's folder
    locks: dict[Path, asyncio.Lock] = field(default_factory=dict)

    async def set(self, instance: Instance) -> None:
        """Make this instance run as described."""
        async with self.locks.setdefault(instance.folder, asyncio.Lock()):
            await self.run(instance)

    async def run(self, instance: Instance) -> None:
        pid = await self.workers.run(dnsmasq.ensure, instance, self.config.dnsmasq, self.user)
        before = self.watched.get(instance.folder)
        if before and before.pid == pid:
            before.instance = instance
            return
        failures = before.failures if before else 0
        self.unwatch(instance.folder)
        self.watch(instance, pid, failures)

    async def drop(self, folder: Path) -> None:
        """End the process and remove its files; nothing to do is fine."""
        async with self.locks.setdefault(folder, asyncio.Lock()):
            self.unwatch(folder)
            await self.workers.run(dnsmasq.remove, folder)
        self.locks.pop(folder, None)

    def watch(self, instance: Instance, pid: int, failures: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:                   # it ended between start and now
            pidfd = -1
        self.watched[instance.folder] = Watched(instance, pid, pidfd, loop.time(), failures)
        if pidfd >= 0:
            loop.add_reader(pidfd, self.ended, instance.folder)
        else:
            loop.call_soon(self.ended, instance.folder)

    def unwatch(self, folder: Path) -> None:
        one = self.watched.pop(folder, None)
        if one and one.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(one.pidfd)
            os.close(one.pidfd)

    def ended(self, folder: Path) -> None:
        one = self.watched.get(folder)
        if one is None:
            return
        self.unwatch(folder)
        calm = asyncio.get_running_loop().time() - one.since > CALM_SECONDS
        ours = folder in self.locks and self.locks[folder].locked()      # being restarted with another configuration
        one.failures = 0 if calm else one.failures + (not ours)
        one.pidfd = -1
        self.watched[folder] = one                   # still wanted
        if not ours:
            LOG.warning("dnsmasq ended by itself, starting it again", folder=str(folder), pid=one.pid)
        tasks.start(f"restart dnsmasq {folder.name}", self.restart(folder, one))

    async def restart(self, folder: Path, one: Watched) -> None:
        """Again and again with growing pauses, until it runs or is not wanted any more."""
        while self.watched.get(folder) is one:
            if one.failures > 1:
                await asyncio.sleep(min(WORST_DELAY, 2.0 ** (one.failures - 2)))
            if self.watched.get(folder) is not one:
                return
            try:
                await self.again(folder, one)
                return
            except NetworkDriverError as exc:
                one.failures += 1
                LOG.error("dnsmasq does not start", folder=str(folder), reason=str(exc))

    async def again(self, folder: Path, one: Watched) -> None:
        async with self.locks.setdefault(folder, asyncio.Lock()):
            if self.watched.get(folder) is one:
                await self.run(one.instance)

    def close(self) -> None:
        """Stop watching; the processes go on."""
        for folder in list(self.watched):
            self.unwatch(folder)

    def problems(self) -> list[str]:
        """One that is being started, with another configuration or again, is none."""
        return [f"dnsmasq of {folder.name} does not run" for folder, one in self.watched.items()
                if one.pidfd < 0 and not self.locks[folder].locked()]
