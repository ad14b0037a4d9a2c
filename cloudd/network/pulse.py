"""Whether the dataplane works, asked of the driver at most every few seconds."""

import time

from cloudd.core.parts import Parts
from cloudd.drivers.network.base import Health, NetworkDriver

SECONDS = 10


class Pulse:
    """The driver's last word on its health."""

    def __init__(self) -> None:
        self._asked = float("-inf")
        self._last = Health(True)

    async def health(self, driver: NetworkDriver) -> Health:
        if time.monotonic() - self._asked > SECONDS:
            self._last = await driver.health()
            self._asked = time.monotonic()
        return self._last


async def is_alive(parts: Parts) -> bool:
    health = await parts.service(Pulse).health(parts.driver(NetworkDriver))
    return health.ok
