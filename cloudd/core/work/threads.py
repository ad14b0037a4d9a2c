"""Threads for calls that block, such that one that hangs holds up nobody else.

A call counts for the limit of its pool for a second; then its thread is left to it and another takes its place, up to a ceiling.
Threads that hang do not keep the process from ending.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

SLOW_SECONDS = 1.0
IDLE_SECONDS = 30.0
CLOSE_SECONDS = 5.0
CEILING = 256


class Elastic(ThreadPoolExecutor):
    """`most` calls at once, not counting the slow ones. A ThreadPoolExecutor by name only, since asyncio wants its default one to be."""

    def __init__(self, name: str, most: int, ceiling: int = CEILING):
        super().__init__(most, thread_name_prefix=name)
        self._name, self._most, self._ceiling = name, most, ceiling
        self._door = threading.Condition()
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._since: dict[int, float] = {}                   # by thread, when its call began
        self._idle = self._all = 0
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        with self._door:
            if self._closed:
                raise RuntimeError(f"the threads {self._name} are closed")
            self._calls.append((future, lambda: fn(*args, **kwargs)))
            self._staff()
            self._door.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what runs, but not for what hangs."""
        with self._door:
            self._closed = True
            while cancel_futures and self._calls:
                self._calls.popleft()[0].cancel()
            self._door.notify_all()
            if wait:
                self._door.wait_for(lambda: not self._calls and not self._since, CLOSE_SECONDS)

    def _staff(self) -> None:
        """One thread more than work, while anything waits."""
        if not self._idle and self._all < self._ceiling:
            self._all += 1
            self._idle += 1
            threading.Thread(target=self._work, name=f"{self._name}_{self._all}", daemon=True).start()

    def _work(self) -> None:
        me = threading.get_ident()
        while (call := self._next(me)) is not None:
            future, work = call
            if future.set_running_or_notify_cancel():
                try:
                    result = work()
                except BaseException as exc:
                    future.set_exception(exc)
                else:
                    future.set_result(result)
                    del result
            del call, future, work
            with self._door:
                del self._since[me]
                self._idle += 1
                self._door.notify_all()

    def _next(self, me: int) -> tuple["Future[Any]", Callable[[], Any]] | None:
        """The next call as soon as there is room for it; None when this thread is not needed any more."""
        with self._door:
            leave = time.monotonic() + IDLE_SECONDS
            while True:
                now = time.monotonic()
                seconds = self._seconds_to_room(now) if self._calls else leave - now
                if self._calls and seconds <= 0:
                    self._idle -= 1
                    self._since[me] = now
                    call = self._calls.popleft()
                    if self._calls:
                        self._staff()
                    return call
                if not self._calls and (self._closed or seconds <= 0):
                    self._idle -= 1
                    self._all -= 1
                    return None
                self._door.wait(seconds)

    def _seconds_to_room(self, now: float) -> float:
        fresh = [began for began in self._since.values() if now - began < SLOW_SECONDS]
        return 0 if len(fresh) < self._most else min(fresh) + SLOW_SECONDS - now


class Places:
    """At most `most` calls of one subject (a guest) in threads; one that its caller has given up keeps its place until it returns."""

    def __init__(self, pool: Elastic, most: int):
        self._pool, self._most = pool, most
        self._places: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()                # calls in threads, and those who wait

    async def run(self, subject: str, call: Callable[[], Any]) -> Any:
        places = self._places.setdefault(subject, asyncio.Semaphore(self._most))
        self._users[subject] += 1
        try:
            await places.acquire()
        except BaseException:
            self._leave(subject)
            raise
        loop = asyncio.get_running_loop()

        def ended(_: "Future[Any]") -> None:
            with suppress(RuntimeError):                      # the loop has ended before the call
                loop.call_soon_threadsafe(self._give_back, subject, places)
        work = self._pool.submit(call)
        work.add_done_callback(ended)
        return await asyncio.wrap_future(work)

    def _give_back(self, subject: str, places: asyncio.Semaphore) -> None:
        places.release()
        self._leave(subject)

    def _leave(self, subject: str) -> None:
        self._users[subject] -= 1
        if not self._users[subject]:
            del self._users[subject], self._places[subject]
