"""One at a time per subject: reading a subject's rows and telling the driver of them is done in one turn.

Else of two that run at once the one with the older rows may speak last, and a guest is missing from its network's DHCP.
"""

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock a subject, kept while somebody holds it or waits."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, subject: str) -> asyncio.Lock:
        return self._locks.setdefault(subject, asyncio.Lock())
