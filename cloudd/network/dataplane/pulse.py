"""Whether the dataplane works, asked of the driver at most every few seconds: what works for longer than what is mended soon."""

import time

from cloudd.core.parts import Parts
from cloudd.drivers.network.base import Health, NetworkDriver

WELL_SECONDS, ILL_SECONDS = 10.0, 0.5


class Pulse:
    """The driver's last word on its health."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._last = Health(True)

    async def health(self, driver: NetworkDriver) -> Health:
        if time.monotonic() - self._asked > (WELL_SECONDS if self._last.ok else ILL_SECONDS):
            self._last = await driver.health()
            self._asked = time.monotonic()
        return self._last


async def is_alive(parts: Parts) -> bool:
    health = await parts.service(Pulse).health(parts.driver(NetworkDriver))
    return health.ok
