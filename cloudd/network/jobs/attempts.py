"""Trying again what the dataplane refused for a moment."""

import asyncio
from collections.abc import Awaitable, Callable

from cloudd.core import log
from cloudd.drivers.network.base import NetworkDriverError

LOG = log.get("cloudd.network")
PAUSES = (0.2, 1.0, 3.0)


async def attempt(what: str, subject: str, action: Callable[[], Awaitable[None]]) -> None:
    """Run an action of the driver, again after a pause when it fails. Raises the last NetworkDriverError."""
    for pause in PAUSES:
        try:
            await action()
            return
        except NetworkDriverError as exc:
            LOG.warning(f"{what} failed, will be tried again", subject=subject, error=str(exc), seconds=pause)
            await asyncio.sleep(pause)
    await action()
