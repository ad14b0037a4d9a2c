"""Data on its way from one place to several others, the next piece coming while the last one is being dealt with."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from cloudd.core import tasks

BATCH = 1 << 20
Sink = Callable[[bytearray], Awaitable[Any]]


async def batches(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytearray]:
    """The same bytes in pieces large enough that a thread's switch does not count."""
    batch = bytearray()
    async for chunk in chunks:
        batch += chunk
        if len(batch) >= BATCH:
            yield batch
            batch = bytearray()
    if batch:
        yield batch


def summing(digest: Any) -> Sink:
    """In a thread of its own: hashing gives the interpreter's lock away."""
    return lambda batch: asyncio.to_thread(digest.update, batch)


async def pour(data: AsyncIterable[bytearray], *sinks: Sink) -> None:
    """Give every batch to all sinks, while the next one comes in. At the end, whichever, no sink is at work any more."""
    work: asyncio.Future[Any] | None = None
    try:
        async for batch in data:
            if work is not None:
                _raise_first(await asyncio.shield(work))
            work = tasks.start("stream", _to_all(sinks, batch))
    finally:
        if work is not None:
            errors = await tasks.to_the_end(work)
    if work is not None:
        _raise_first(errors)


async def _to_all(sinks: Sequence[Sink], batch: bytearray) -> list[Any]:
    return await asyncio.gather(*(sink(batch) for sink in sinks), return_exceptions=True)


def _raise_first(results: list[Any]) -> None:
    for result in results:
        if isinstance(result, BaseException):
            raise result
