"""What the daemon starts and stops of block storage: the back ends, and the comparison of rows with what they hold."""

import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from cloudd.block import jobs, quotas, repair
from cloudd.block.api import API, attachments, manage, operators, snapshot_metadata, snapshots, transfers, types, versions
from cloudd.block.api.volumes import actions, admin, attaching, image_metadata, metadata, volumes
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.jobs import steps
from cloudd.block.operators import messages, services
from cloudd.block.types import find
from cloudd.core import log, tasks
from cloudd.core.http.api import Api
from cloudd.core.module import DriverError, Module, load_driver
from cloudd.drivers.volume.base import BackendDown, Disk, VolumeConfig, VolumeDriver, VolumeError

LOG = log.get("cloudd.block")
REGISTERED = (jobs, actions, admin, attaching, attachments, image_metadata, manage, metadata, operators, snapshot_metadata, snapshots,
              transfers, types, versions, volumes)
REPAIR_SECONDS = 60
MESSAGES_SECONDS = 3600


class BlockModule(Module):
    name = "block"
    apis: ClassVar[tuple[Api, ...]] = (API, versions.VERSIONS)

    async def open(self) -> None:
        CONFIG.from_settings(self.parts.settings, socket.gethostname())
        quotas.from_settings(self.parts.settings)
        staging = self._state() / "volumes-staging"
        staging.mkdir(parents=True, exist_ok=True)
        for path in staging.glob("image-*"):                  # fetched for the cache; what a job still needs bears its own name
            path.unlink()
        self.parts.services[Backends] = there = Backends({driver.config.name: driver for driver in self._make()}, staging)
        for driver in there.by_name.values():
            await self._open(driver)
        async with self.parts.database.write() as tx:
            await find.ensure_default(tx)
            await services.register(tx, there.by_name)

    def _state(self) -> Path:
        return Path(self.parts.settings.server.state_dir).absolute()

    def _make(self) -> Iterator[VolumeDriver]:
        more = self.parts.settings.volume
        for name, (driver, address) in self.parts.settings.volume_backends().items():
            try:
                yield load_driver("volume", driver)(VolumeConfig(
                    name, address, str(self._state()), image_cache_max_bytes=more.image_cache_max_gb << 30, cache=more.cache_mode))
            except ValueError as exc:
                raise DriverError(f"[volume] backends: {name}: {exc}") from exc

    async def _open(self, driver: VolumeDriver) -> None:
        """One that does not answer yet does not stop the cloud; one that is wrongly set up does."""
        self.parts.deadlines.guard(driver, VolumeDriver, "volume", VolumeError, makes=Disk)
        try:
            await driver.open()
        except BackendDown as exc:
            LOG.warning("a back end of volumes does not answer", backend=driver.config.name, error=str(exc))
        except VolumeError as exc:
            raise DriverError(f"back end {driver.config.name}: {exc}") from exc

    async def start(self) -> None:
        await repair.repair(self.parts)
        tasks.repeat("volumes", lambda: repair.repair(self.parts), lambda: REPAIR_SECONDS)
        tasks.repeat("old messages", lambda: messages.forget_old(self.parts.database), lambda: MESSAGES_SECONDS)

    async def stop(self) -> None:
        if Backends in self.parts.services:
            for driver in self.parts.service(Backends).by_name.values():
                await driver.close()

    async def purge(self) -> None:
        """Delete every volume and snapshot of this cloud from its back ends."""
        for driver in self._make():
            await driver.open()
            inventory = await driver.list()
            for snapshot in inventory.snapshots:
                await steps.remove(driver, partial(driver.delete_snapshot, snapshot.id))
            for volume in inventory.volumes:
                await steps.remove(driver, partial(driver.delete_volume, volume.id))
            for image in inventory.images:
                await driver.drop_image(image.id)
            await driver.tidy()
            await driver.close()

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"volumes": self._answers}

    async def _answers(self) -> None:
        for driver in self.parts.service(Backends).by_name.values():
            await driver.health()

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("block-storage", "cinder", "/volume/v3"), ("volumev3", "cinderv3", "/volume/v3"))
