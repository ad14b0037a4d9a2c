"""Events from the hypervisor, handed to everyone who listens."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class EventStream(Generic[T]):
    """An async iterator that gathers from the moment it is made, not from when it is first read."""

    def __init__(self, feed: "EventFeed[T]"):
        self._feed = feed
        self._queue: asyncio.Queue[T | None] = asyncio.Queue()

    def put(self, event: T | None) -> None:
        self._queue.put_nowait(event)

    def __aiter__(self) -> "EventStream[T]":
        return self

    async def __anext__(self) -> T:
        event = await self._queue.get()
        if event is None:
            self.put(None)
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        self._feed.leave(self)
        self.put(None)


class EventFeed(Generic[T]):
    """Belongs to one loop; `tell` is called there."""

    def __init__(self) -> None:
        self._streams: set[EventStream[T]] = set()

    def listen(self) -> EventStream[T]:
        stream = EventStream[T](self)
        self._streams.add(stream)
        return stream

    def leave(self, stream: EventStream[T]) -> None:
        self._streams.discard(stream)

    def tell(self, event: T) -> None:
        for stream in self._streams:
            stream.put(event)

    def close(self) -> None:
        for stream in tuple(self._streams):
            stream.close()
