"""Whether the dataplane works, asked of the driver at most every few seconds: what works for longer than what is mended soon."""

import time

from cloudd.core.parts import Parts
from cloudd.drivers.network.base import Health, NetworkDriver
from cloudd.network.dataplane.watch import Watch

WELL_SECONDS, ILL_SECONDS = 10.0, 0.5


class Pulse:
    """The driver's last word on its health, and what the watch could not mend."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._last = Health(True)
        self.watch: Watch | None = None

    async def health(self, driver: NetworkDriver) -> Health:
        if time.monotonic() - self._asked > (WELL_SECONDS if self._last.ok else ILL_SECONDS):
            self._last = await driver.health()
            self._asked = time.monotonic()
        problems = (*self._last.problems, *(self.watch.problems() if self.watch else ()))
        return Health(not problems, problems)


async def is_alive(parts: Parts) -> bool:
    health = await parts.service(Pulse).health(parts.driver(NetworkDriver))
    return health.ok
