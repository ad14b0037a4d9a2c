"""What drivers' serial lines share: chunks kept for a reader who does not read at once, and the end of the line."""

import asyncio

from cloudd.drivers.hypervisor.base import SerialLine

BACKLOG = 256                        # chunks kept; then the oldest are lost to the reader


class QueuedLine(SerialLine):
    """A line that its driver feeds; an empty chunk is its end."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self._ended = False

    def feed(self, data: bytes) -> None:
        if self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(data)

    async def read(self) -> bytes:
        if self._ended:
            return b""
        data = await self._chunks.get()
        self._ended = not data
        return data
