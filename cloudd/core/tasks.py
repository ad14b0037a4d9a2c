"""Every task has an owner and a name; one that dies unexpectedly says so, once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from cloudd.core import log

LOG = log.get("cloudd.tasks")
T = TypeVar("T")
Tasks = set[asyncio.Task[Any]]
_running: Tasks = set()
_owned: ContextVar[Tasks | None] = ContextVar("owned", default=None)


def own() -> Tasks:
    """What is started from here on, and by what that starts, belongs together: one process may hold several daemons."""
    made: Tasks = set()
    _owned.set(made)
    return made


def start(name: str, coro: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Run `coro` beside everything else; kept from the garbage collector, its exception logged."""
    task = asyncio.get_running_loop().create_task(coro, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    if (owned := _owned.get()) is not None:
        owned.add(task)
        task.add_done_callback(owned.discard)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        LOG.error("task died", task=task.get_name(), error=repr(error), exc_info=error)


def repeat(name: str, work: Callable[[], Awaitable[Any]], wait: Callable[[], float]) -> "asyncio.Task[None]":
    """Sleep `wait()` seconds, do `work`, for ever. Work that fails says so and is done again the next time."""
    async def turn() -> None:
        while True:
            await asyncio.sleep(wait())
            try:
                await work()
            except Exception as exc:
                LOG.error("work that is repeated failed", task=name, error=repr(exc), exc_info=exc)
    return start(name, turn())


async def to_the_end(work: "asyncio.Future[T]") -> T:
    """The result of work that must not be left alone, with a file or a connection that a thread is in: even who is cancelled waits."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as exc:
            cancelled = exc
    if cancelled is not None:
        work.exception()
        raise cancelled
    return work.result()


async def stop_all(owned: Tasks, grace: float = 5.0) -> None:
    """Cancel what still runs of these and wait for it."""
    left = [task for task in owned if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=grace)
