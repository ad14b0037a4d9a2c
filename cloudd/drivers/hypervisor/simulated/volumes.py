"""Volumes of guests that only seem to be: they lie where they are said to, and copies copy files."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudd.core.disks.files import copy_sparse
from cloudd.drivers.hypervisor.base import (
    AttachedVolume,
    DiskKind,
    DiskSpec,
    DomainNotFound,
    DomainState,
    HypervisorError,
    Progress,
    Switch,
    TooLong,
    Volumes,
)
from cloudd.drivers.hypervisor.simulated.domains import Domain, Register, revived
from cloudd.drivers.volume.base import Beneath, Connection, Limits, Passphrase


class SimulatedVolumes(Volumes):
    """A guest's agent answers where it has a channel for one and has booted."""

    def __init__(self, register: Register, hit: Callable[[str], Awaitable[None]]):
        self._register, self._hit = register, hit
        self._copying: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def attached(self, server_id: str | None = None) -> tuple[AttachedVolume, ...]:
        await self._hit("attached")
        domains = tuple(self._register.domains.values()) if server_id is None else (self._find(server_id),)
        return tuple(one for domain in domains for one in self._of(domain))

    def _of(self, domain: Domain) -> Iterator[AttachedVolume]:
        live = domain.live.disks if domain.is_live and domain.live is not None else {}
        for disk_id, found in {**domain.config.disks, **live}.items():
            disk = revived(found)
            if disk.kind == DiskKind.VOLUME:
                beneath = disk.connection.beneath if disk.connection else ()
                job = "copy" if (domain.server_id, disk_id) in self._copying else ""
                yield AttachedVolume(domain.server_id, disk_id, disk.target, disk.bus, (disk.path, *(one.path for one in beneath)),
                                     disk_id in live, disk_id in domain.config.disks, job)

    async def limit(self, server_id: str, volume_id: str, limits: Limits) -> None:
        await self._hit("limit")
        self._change(server_id, volume_id, lambda told: replace(told, limits=limits))

    # -- moments ----------------------------------------------------------------------------------------------------

    async def switch(self, switches: Sequence[Switch], *, freeze: bool = True) -> frozenset[str]:
        await self._hit("switch")
        for one in switches:
            self._disk(one.server_id, one.to.volume_id)
        for one in switches:
            self._change(one.server_id, one.to.volume_id, lambda told, to=one.to: replace(to, limits=told.limits))
        return self._rested([one.server_id for one in switches], freeze)

    async def still(self, server_ids: Sequence[str], work: Callable[[], Awaitable[Any]], *, freeze: bool = True,
                    at_most: float = 0.1) -> tuple[Any, frozenset[str]]:
        await self._hit("still")
        rested = self._rested(server_ids, freeze)
        with self._held(server_ids):
            try:
                async with asyncio.timeout(at_most) as limit:
                    result = await work()
            except TimeoutError as exc:
                if not limit.expired():
                    raise
                raise TooLong("what was to be done while the guest stands still took more than "
                              f"{at_most * 1000:g} ms, and was given up") from exc
        return result, rested

    @contextmanager
    def _held(self, server_ids: Sequence[str]) -> Iterator[None]:
        running = [domain for domain in map(self._find, server_ids) if domain.state is DomainState.RUNNING]
        for domain in running:
            domain.held = True
        try:
            yield
        finally:
            for domain in running:
                domain.held = False

    def held(self, server_id: str) -> bool:
        """For tests: the guest stands still just now."""
        return self._find(server_id).held

    def _rested(self, server_ids: Sequence[str], freeze: bool) -> frozenset[str]:
        domains = map(self._find, server_ids)
        return frozenset(domain.server_id for domain in domains
                         if freeze and domain.agent and domain.booted and domain.state is DomainState.RUNNING)

    # -- jobs of QEMU -----------------------------------------------------------------------------------------------

    async def commit(self, server_id: str, volume_id: str, top: str, base: str, progress: Progress | None = None) -> None:
        await self._hit("commit")
        told = self._running(server_id, volume_id)
        layers = [Beneath(told.path, told.format), *told.beneath]
        paths = [layer.path for layer in layers]
        if top not in paths:
            return
        if base not in paths or paths.index(base) <= paths.index(top):
            raise HypervisorError(f"{base} is not a layer below {top} of volume {volume_id}")
        first, *rest = layers[:paths.index(top)] + layers[paths.index(base):]
        if progress is not None:
            progress(told.size, told.size)
        self._change(server_id, volume_id, lambda now: replace(now, path=first.path, format=first.format, beneath=tuple(rest)))

    async def mirror(self, server_id: str, volume_id: str, to: Connection, passphrase: Passphrase | None = None,
                     progress: Progress | None = None) -> None:
        await self._hit("mirror")
        told = self._running(server_id, volume_id)
        if told.path == to.path:
            return
        if to.size < told.size:
            raise HypervisorError(f"the place for the copy has {to.size} bytes, but volume {volume_id} has {told.size}")
        key = (server_id, volume_id)
        self._copying[key] = asyncio.ensure_future(asyncio.to_thread(_copy, told, to))
        try:
            await self._copying[key]
        except asyncio.CancelledError:
            if self._copying.get(key) is None:
                raise HypervisorError(f"copying volume {volume_id} was broken off") from None
            raise
        finally:
            self._copying.pop(key, None)
        if progress is not None:
            progress(told.size, told.size)
        self._change(server_id, volume_id, lambda now: replace(to, limits=now.limits))

    async def abort(self, server_id: str, volume_id: str) -> None:
        await self._hit("abort")
        if (task := self._copying.pop((server_id, volume_id), None)) is not None:
            task.cancel()

    # -- inside -----------------------------------------------------------------------------------------------------

    def _find(self, server_id: str) -> Domain:
        try:
            return self._register.domains[server_id]
        except KeyError:
            raise DomainNotFound(server_id) from None

    def _disk(self, server_id: str, volume_id: str) -> DiskSpec:
        disk = self._find(server_id).disk(volume_id)
        if disk is None or disk.connection is None:
            raise HypervisorError(f"the guest has no disk {volume_id}")
        return disk

    def _running(self, server_id: str, volume_id: str) -> Connection:
        disk = self._disk(server_id, volume_id)
        if not self._find(server_id).is_live or disk.connection is None:
            raise HypervisorError("the guest is off")
        return disk.connection

    def _change(self, server_id: str, volume_id: str, change: Callable[[Connection], Connection]) -> None:
        self._disk(server_id, volume_id)
        domain = self._find(server_id)
        domain.change(volume_id, change)
        self._register.save(domain)


def _copy(told: Connection, to: Connection) -> None:
    """Of raw files, what lies in them; what else there is has no data here."""
    if told.format == to.format == "raw" and Path(told.path).is_file():
        copy_sparse(Path(told.path), Path(to.path))
