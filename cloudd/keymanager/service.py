"""What the daemon starts and stops of keys: the master key, and the end of secrets whose time has come."""

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from cloudd.core import clock, tasks
from cloudd.core.http.api import Api
from cloudd.core.http.server import Front
from cloudd.core.module import Module
from cloudd.core.parts import Parts
from cloudd.keymanager import secrets
from cloudd.keymanager.api import API, PATH, consumers, metadata, quotas, versions
from cloudd.keymanager.api import secrets as secrets_api
from cloudd.keymanager.master import MasterFile
from cloudd.keymanager.sealing import Vault

REGISTERED = (consumers, metadata, quotas, secrets_api, versions)
HOUSEKEEPING_SECONDS = 3600


class KeyManagerModule(Module):
    name = "keymanager"
    apis: ClassVar[tuple[Api, ...]] = (API,)

    def __init__(self, parts: Parts):
        super().__init__(parts)
        self.vault = parts.services[Vault] = Vault(MasterFile.of(parts.settings))

    def routes(self, front: Front) -> None:
        for what, text in (("sealed", "Payloads of secrets that were sealed"), ("opened", "Payloads of secrets that were opened"),
                           ("refused", "Payloads that could not be sealed or opened: no master key, or damaged")):
            front.metrics.gauge(f"cloudd_keymanager_{what}", text, lambda what=what: getattr(self.vault, what))

    async def open(self) -> None:
        await self.vault.prepare(self.parts.database)
        if self.parts.bus is not None:
            self.parts.bus.subscribe("keymanager.projects", ("identity.project.deleted",), secrets.project_gone)

    async def start(self) -> None:
        tasks.repeat("expired secrets", self._forget_expired, lambda: HOUSEKEEPING_SECONDS)

    async def _forget_expired(self) -> None:
        gone = secrets.BATCH
        while gone == secrets.BATCH:
            async with self.parts.database.write() as tx:
                gone = await secrets.forget_expired(tx, clock.now())

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {"keys": self._unlocked}

    async def _unlocked(self) -> None:
        async with self.parts.database.read() as tx:
            await self.vault.check(tx)

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("key-manager", "barbican", PATH),)
