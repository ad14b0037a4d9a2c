"""One at a time per subject: what is read of a subject, and what is done after it, is done in one turn.

Else of two that run at once the one with the older facts may speak last, and a guest is missing from its network's DHCP.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """A lock a subject, kept while somebody holds it or waits."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, subject: str) -> asyncio.Lock:
        return self._locks.setdefault(subject, asyncio.Lock())

    @asynccontextmanager
    async def all_of(self, *subjects: str) -> AsyncIterator[None]:
        """Several at once, in one order for all who want some of the same."""
        async with AsyncExitStack() as held:
            for subject in sorted(set(subjects)):
                await held.enter_async_context(self.of(subject))
            yield
