"""Failures on demand: the n-th call of a method from now raises, or hangs with all that come after it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Fault:
    method: str
    calls_left: int
    error: BaseException


class Faults:
    """Of the simulated `what`; `error` makes what is raised where a test says nothing else."""

    def __init__(self, what: str, error: Callable[[str], Exception]) -> None:
        self._what, self._error = what, error
        self._waiting: list[Fault] = []
        self._hung: dict[str, int] = {}

    def add(self, method: str, nth: int, error: BaseException | None) -> None:
        self._waiting.append(Fault(method, nth, error or self._error(f"the simulated {self._what} was told to fail at {method}")))

    def hang(self, method: str, nth: int) -> None:
        self._hung[method] = nth

    def clear(self) -> None:
        self._waiting.clear()
        self._hung.clear()

    async def hit(self, method: str) -> None:
        """Called at the start of each method."""
        if method in self._hung:
            self._hung[method] -= 1
            if self._hung[method] <= 0:
                await asyncio.Event().wait()
        for fault in tuple(self._waiting):
            if fault.method == method:
                fault.calls_left -= 1
                if fault.calls_left <= 0:
                    self._waiting.remove(fault)
                    raise fault.error
