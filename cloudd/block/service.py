"""What the daemon starts and stops of block storage."""

import socket
from pathlib import Path
from typing import ClassVar

from cloudd.block import jobs, quotas
from cloudd.block.api import API, operators, types, versions
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.operators import services
from cloudd.block.types import find
from cloudd.core.http.api import Api
from cloudd.core.module import Module, load_driver
from cloudd.drivers.volume.base import VolumeConfig, VolumeDriver

REGISTERED = (jobs, operators, types, versions)


class BlockModule(Module):
    name = "block"
    apis: ClassVar[tuple[Api, ...]] = (API, versions.VERSIONS)

    async def open(self) -> None:
        CONFIG.from_settings(self.parts.settings, socket.gethostname())
        quotas.from_settings(self.parts.settings)
        self.parts.services[Backends] = there = await self._back_ends()
        async with self.parts.database.write() as tx:
            await find.ensure_default(tx)
            await services.register(tx, there.by_name)

    async def _back_ends(self) -> Backends:
        options, state = self.parts.settings.block, Path(self.parts.settings.server.state_dir).absolute()
        driver: VolumeDriver = load_driver("volume", options.driver)(VolumeConfig(options.driver, options.address, str(state / "volumes")))
        await driver.open()
        return Backends({options.driver: driver}, state / "staging")

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("block-storage", "cinder", "/volume/v3"), ("volumev3", "cinderv3", "/volume/v3"))
