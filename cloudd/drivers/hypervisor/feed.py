"""Events from the hypervisor, handed to everyone who listens."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudd.drivers.hypervisor.base import DomainEvent


class EventStream:
    """An async iterator that gathers from the moment it is made, not from when it is first read."""

    def __init__(self, feed: "EventFeed"):
        self._feed = feed
        self._queue: asyncio.Queue[DomainEvent | None] = asyncio.Queue()

    def put(self, event: "DomainEvent | None") -> None:
        self._queue.put_nowait(event)

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> "DomainEvent":
        event = await self._queue.get()
        if event is None:
            self.put(None)
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        self._feed.leave(self)
        self.put(None)


class EventFeed:
    """Belongs to one loop; `tell` is called there."""

    def __init__(self) -> None:
        self._streams: set[EventStream] = set()

    def listen(self) -> EventStream:
        stream = EventStream(self)
        self._streams.add(stream)
        return stream

    def leave(self, stream: EventStream) -> None:
        self._streams.discard(stream)

    def tell(self, event: "DomainEvent") -> None:
        for stream in self._streams:
            stream.put(event)

    def close(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
