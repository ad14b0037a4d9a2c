"""What the daemon starts and stops of block storage."""

import socket
from typing import ClassVar

from cloudd.block import jobs, quotas
from cloudd.block.api import API, versions
from cloudd.block.config import CONFIG
from cloudd.block.types import find
from cloudd.core.http.api import Api
from cloudd.core.module import Module

REGISTERED = (jobs, versions)


class BlockModule(Module):
    name = "block"
    apis: ClassVar[tuple[Api, ...]] = (API, versions.VERSIONS)

    async def open(self) -> None:
        CONFIG.from_settings(self.parts.settings, socket.gethostname())
        quotas.from_settings(self.parts.settings)
        async with self.parts.database.write() as tx:
            await find.ensure_default(tx)

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("block-storage", "cinder", "/volume/v3"), ("volumev3", "cinderv3", "/volume/v3"))
