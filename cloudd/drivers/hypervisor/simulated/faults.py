"""Failures on demand: the n-th call of a method from now raises."""

from dataclasses import dataclass

from cloudd.drivers.hypervisor.base import HypervisorError


@dataclass
class Fault:
    method: str
    calls_left: int
    error: BaseException


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, method: str, nth: int, error: BaseException | None) -> None:
        words = error or HypervisorError(f"the simulated hypervisor was told to fail at {method}")
        self._waiting.append(Fault(method, nth, words))

    def clear(self) -> None:
        self._waiting.clear()

    def hit(self, method: str) -> None:
        """Called at the start of each method."""
        for fault in tuple(self._waiting):
            if fault.method == method:
                fault.calls_left -= 1
                if fault.calls_left <= 0:
                    self._waiting.remove(fault)
                    raise fault.error
