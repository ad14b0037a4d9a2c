"""The volume group: its devices, what is in it, and the commands that change it, one after the other.

LVM commands see nothing but the group's own devices, so that no volume group that a guest has made in its volume is ever found, and
speak the C locale. The group is read once; each command that succeeds says itself what it has changed, so a snapshot costs one command.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cloudd.core import log, tasks
from cloudd.core.confined import ENVIRONMENT
from cloudd.drivers.volume.base import BackendDown, BackendFull, VolumeBusy, VolumeError
from cloudd.drivers.volume.lvm.report import OPTIONS, Pool, Report, parse

LOG = log.get("cloudd.volumes.lvm")
ADDRESS = re.compile(r"([A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126})/([A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,126})")
ALWAYS = "backup { archive=0 } activation { retry_deactivation=0 } "
NO_VOLUMES = "devices { scan_lvs=0 }"                    # what is in volumes is their owners'
FULL = re.compile(r"insufficient free space|Insufficient suitable|No space left|free space in thin pool", re.IGNORECASE)
BUSY = re.compile(r" in use|is used by|contains a filesystem")
DOWN = re.compile(r"Couldn't find device|is missing PV|not found or rejected|Volume group .* not found|Cannot process volume group")
ONLY_WARNINGS = re.compile(r"\s*(WARNING|Logical volume .* successfully|$)")
PATHS = re.compile(r"/(?:dev|run|etc)/\S+")

Run = Callable[[Sequence[str]], Awaitable[tuple[int, str, str]]]
"""Runs a command of LVM: its status, output and complaints."""
Effect = Callable[[Report], Report]
T = TypeVar("T")


class LvmFailed(Exception):
    """LVM refused; the message is what it said."""


async def run_lvm(words: Sequence[str]) -> tuple[int, str, str]:
    """Not stopped in the middle: devices that a command has suspended would stay so, and guests with them."""
    program = shutil.which("lvm", path=ENVIRONMENT["PATH"])
    if program is None:
        raise BackendDown("LVM is not installed on this machine: apt-get install lvm2 thin-provisioning-tools")
    process = await asyncio.create_subprocess_exec(program, *words, stdin=asyncio.subprocess.DEVNULL, env=ENVIRONMENT,
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace"), complaints.decode("utf-8", "replace")


def only(devices: Sequence[str]) -> str:
    """A configuration in which LVM sees these devices."""
    accept = ", ".join(f'"a|^{re.sub(r"[^A-Za-z0-9/_-]", ".", device)}$|"' for device in devices)
    filters = f'[ {accept}, "r|.*|" ]'
    return f"devices {{ scan_lvs=0 use_devicesfile=0 filter={filters} global_filter={filters} }}"


def parsed(address: str) -> tuple[str, str]:
    """Group and pool. Raises ValueError."""
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} names no thin pool: it is written VOLUME_GROUP/POOL, as in vg0/volumes")
    return match[1], match[2]


class VolumeGroup:
    def __init__(self, name: str, pool: str, run: Run = run_lvm):
        self.name, self.pool_name = name, pool
        self._run = run
        self._one = asyncio.Lock()
        self._devices: tuple[str, ...] = ()
        self._known: Report | None = None

    async def open(self) -> Report:
        """Find the group's devices. Raises BackendDown."""
        self._known = None
        self._devices = await self._find_devices()
        return await self.look()

    async def look(self, *, fresh: bool = False) -> Report:
        """What is in the group, asked for again if `fresh` or if a command failed since. Raises BackendDown."""
        if self._known is not None and not fresh:
            return self._known
        return await self._in_turn(self._look, fresh)

    @property
    def pool(self) -> Pool:
        """As of the last look."""
        if self._known is None or (found := self._known.pools.get(self.pool_name)) is None:
            raise BackendDown(f"there is no thin pool {self.pool_name} in the volume group {self.name}")
        return found

    def require_pool(self, report: Report) -> Pool:
        """The pool, fit for use. Raises BackendDown."""
        name = self.of(self.pool_name)
        if (pool := report.pools.get(self.pool_name)) is None:
            raise BackendDown(f"there is no thin pool {self.pool_name} in the volume group {self.name}: "
                              f"`lvcreate --type thin-pool -L SIZE -n {self.pool_name} {self.name}` makes it")
        if pool.broken:
            raise BackendDown(f"the thin pool {name} wants its metadata checked: `lvconvert --repair {name}`")
        return pool

    async def change(self, command: str, *words: str, effect: Effect | None = None) -> None:
        """Run a command, and note what it has done. Raises VolumeError."""
        await self._in_turn(self._change, command, words, effect)

    def of(self, name: str) -> str:
        return f"{self.name}/{name}"

    # -- in turn -----------------------------------------------------------------------------------------------------

    async def _in_turn(self, work: Callable[..., Awaitable[T]], *args: object) -> T:
        """To its end, even if the caller goes away meanwhile."""
        async def turn() -> T | VolumeError:
            async with self._one:
                try:
                    return await work(*args)
                except VolumeError as exc:
                    return exc
        result = await asyncio.shield(tasks.start("lvm", turn()))
        if isinstance(result, VolumeError):
            raise result
        return result

    async def _look(self, fresh: bool) -> Report:
        if fresh or self._known is None:
            self._known = None
            self._known = parse(await self._told("lvs", *OPTIONS, self.name))
        if self._known is None:
            raise BackendDown(f"the volume group {self.name} is empty; docs/volumes.md says how a pool is made in it")
        return self._known

    async def _change(self, command: str, words: Sequence[str], effect: Effect | None) -> None:
        before, done = self._known, False
        try:
            await self._told(command, *words)
            done = True
        finally:
            self._known = effect(before) if done and before is not None and effect is not None else None

    async def _told(self, command: str, *words: str) -> str:
        """The output of a command. One that finds devices missing looks for them once: an operator has added some."""
        try:
            return await self._ask(only(self._devices), command, *words)
        except LvmFailed as exc:
            if DOWN.search(str(exc)) and (devices := await self._find_devices()) != self._devices:
                self._devices = devices
                try:
                    return await self._ask(only(devices), command, *words)
                except LvmFailed as again:
                    raise said(again, self.name) from again
            raise said(exc, self.name) from exc

    async def _ask(self, config: str, command: str, *words: str) -> str:
        status, output, complaints = await self._run((command, "--config", ALWAYS + config, *words))
        if status:
            told = [line.strip() for line in complaints.splitlines() if not ONLY_WARNINGS.match(line)]
            raise LvmFailed("; ".join(told) or f"{command} ended with status {status}")
        return output

    async def _find_devices(self) -> tuple[str, ...]:
        try:
            text = await self._ask(NO_VOLUMES, "pvs", "--reportformat", "json", "-o", "pv_name,vg_name,vg_uuid")
        except LvmFailed as exc:
            raise said(exc, self.name) from exc
        rows = [row for part in json.loads(text)["report"] for row in part["pv"] if row["vg_name"] == self.name]
        if not rows:
            raise BackendDown(f"there is no volume group {self.name} on this machine; `vgs` lists those that are there")
        if len({row["vg_uuid"] for row in rows}) > 1:
            raise BackendDown(f"two volume groups of this machine are called {self.name}; `vgrename` by UUID gives one another name")
        return tuple(sorted(row["pv_name"] for row in rows))


def said(error: LvmFailed, group: str) -> VolumeError:
    """LVM's complaint in words for a volume's owner: where devices lie is not his to know; the log has them."""
    words = str(error)
    LOG.warning("a command of LVM failed", group=group, error=words)
    kind = BackendFull if FULL.search(words) else BackendDown if DOWN.search(words) else VolumeBusy if BUSY.search(words) else VolumeError
    return kind(f"LVM refused: {PATHS.sub('DEVICE', words)[:500]}")
