"""Volumes of libvirt's domains: limits, switches of layers, merges and copies under running guests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from cloudd.core import tasks
from cloudd.drivers.hypervisor.base import (
    AttachedVolume,
    HypervisorDown,
    HypervisorError,
    Progress,
    Switch,
    TooLong,
    Volumes,
    require_key,
    volume_disk,
)
from cloudd.drivers.hypervisor.layout import Layout
from cloudd.drivers.hypervisor.libvirt import attachments, block_jobs, secrets
from cloudd.drivers.hypervisor.libvirt.connection import Connection
from cloudd.drivers.hypervisor.libvirt.events import Events
from cloudd.drivers.hypervisor.libvirt.moments import RETRY_SECONDS, RETURN_SECONDS, Moments, to_their_ends
from cloudd.drivers.volume import base as volume
from cloudd.drivers.volume.base import Limits, Passphrase

LOOK_SECONDS = 2.0                   # the event of a job's end may be missed

T = TypeVar("T")


class LibvirtVolumes(Volumes):
    def __init__(self, cloud_id: str, layout: Layout, connection: Connection, events: Events):
        self._cloud_id, self._connection, self._events = cloud_id, connection, events
        self.moments = Moments(layout, connection, events)

    async def attached(self, server_id: str | None = None) -> tuple[AttachedVolume, ...]:
        if server_id is not None:
            return await self._connection.run(attachments.of, server_id)
        return await self._connection.run(lambda conn: attachments.all_ours(conn, self._cloud_id))

    async def limit(self, server_id: str, volume_id: str, limits: Limits) -> None:
        await self._connection.run(attachments.limit, server_id, volume_id, limits)

    # -- moments ----------------------------------------------------------------------------------------------------

    async def switch(self, switches: Sequence[Switch], *, freeze: bool = True) -> frozenset[str]:
        by_server: dict[str, list[volume.Connection]] = {}
        for one in switches:
            by_server.setdefault(one.server_id, []).append(one.to)
        async with self.moments.at_rest(tuple(by_server), freeze) as rested:
            await self._switch_all(by_server)
        for one in switches:
            await self._connection.run(attachments.settle, one.server_id, one.to)
        return rested

    async def _switch_all(self, by_server: dict[str, list[volume.Connection]]) -> None:
        """QEMU switches the disks of one guest at once; several guests stand still for it."""
        async with self.moments.still(tuple(by_server) if len(by_server) > 1 else ()):
            await to_their_ends("switch layers", [self._connection.run(attachments.switch, *one) for one in by_server.items()])

    async def still(self, server_ids: Sequence[str], work: Callable[[], Awaitable[Any]], *, freeze: bool = True,
                    at_most: float = 0.1) -> tuple[Any, frozenset[str]]:
        ids = tuple(dict.fromkeys(server_ids))
        async with self.moments.at_rest(ids, freeze) as rested:
            async with self.moments.still(ids):
                doing = tasks.start("while guests stand still", _awaited(work))
                try:
                    await asyncio.wait({doing}, timeout=at_most)
                except asyncio.CancelledError:
                    doing.cancel()
                    raise
                late = not doing.done()
            if late:
                doing.cancel()
                await asyncio.wait({doing})
                raise TooLong(f"what was to be done while the guest stands still took more than {at_most * 1000:g} ms, and was given up")
            return doing.result(), rested

    # -- jobs of QEMU -----------------------------------------------------------------------------------------------

    async def commit(self, server_id: str, volume_id: str, top: str, base: str, progress: Progress | None = None) -> None:
        disk = await self._patiently(block_jobs.look, server_id, volume_id)
        if top in disk.layers:
            active = disk.layers[0] == top
            if base not in disk.layers or disk.layers.index(base) <= disk.layers.index(top):
                raise HypervisorError(f"{base} is not a layer below {top} of volume {volume_id}")
            if disk.job != "commit":
                await self._patiently(block_jobs.begin_commit, server_id, disk.target, top, base, active)
            await self._follow(server_id, disk.target, active, progress)
            if top in (await self._patiently(block_jobs.look, server_id, volume_id)).layers:
                raise HypervisorError(f"merging layers of volume {volume_id} was broken off; its back end may be full")
        await self._patiently(block_jobs.settle, server_id, volume_id)

    async def mirror(self, server_id: str, volume_id: str, to: volume.Connection, passphrase: Passphrase | None = None,
                     progress: Progress | None = None) -> None:
        disk = await self._patiently(block_jobs.look, server_id, volume_id)
        if disk.layers[0] != to.path:
            if disk.job and disk.mirror != to.path:
                await self._patiently(block_jobs.abort, server_id, disk.target)
            if disk.mirror != to.path:
                require_key(volume_disk(to, passphrase))
                await self._patiently(secrets.open_by, server_id, to, passphrase)
                await self._patiently(block_jobs.begin_copy, server_id, disk.target, to)
            await self._follow(server_id, disk.target, True, progress)
            if (await self._patiently(block_jobs.look, server_id, volume_id)).layers[0] != to.path:
                raise HypervisorError(f"copying volume {volume_id} was broken off; the place that it goes to may be full")
        await self._patiently(block_jobs.settle, server_id, volume_id)

    async def abort(self, server_id: str, volume_id: str) -> None:
        target = await self._connection.run(attachments.target_of, server_id, volume_id)
        if target:
            await self._connection.run(block_jobs.abort, server_id, target)

    async def _follow(self, server_id: str, target: str, pivots: bool, progress: Progress | None) -> None:
        """Until the job has ended; one that `pivots` waits, once all is copied, to be told that the guest shall go over."""
        try:
            while (at := await self._next(server_id, target, pivots)) is not None:
                if progress is not None:
                    progress(at.done, at.total)
                if pivots and at.ready:
                    await self._patiently(block_jobs.pivot, server_id, target)
                    return
        except BaseException:
            await self._connection.run(block_jobs.abort, server_id, target)
            raise

    async def _next(self, server_id: str, target: str, pivots: bool) -> block_jobs.Job | None:
        moved = self._events.job(server_id, target)
        try:
            at = await self._patiently(block_jobs.job, server_id, target)
            if at is not None and not (pivots and at.ready):
                await asyncio.wait({moved}, timeout=LOOK_SECONDS)
                at = await self._patiently(block_jobs.job, server_id, target)
            return at
        finally:
            moved.cancel()

    async def _patiently(self, call: Callable[..., T], *args: Any) -> T:
        """libvirt may be restarted while QEMU works on."""
        end = asyncio.get_running_loop().time() + RETURN_SECONDS
        while True:
            try:
                return await self._connection.run(call, *args)
            except HypervisorDown:
                if asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(RETRY_SECONDS)


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
