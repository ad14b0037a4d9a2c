"""The parts that a running cloudd is made of, handed to whoever needs several: jobs, handlers that touch the machine."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from cloudd.core.database import Database
from cloudd.core.events import Bus
from cloudd.core.policy import Policies
from cloudd.core.work.deadlines import Deadlines

T = TypeVar("T")


@dataclass
class Parts:
    """Settings, database, bus, policies, drivers and services of one daemon."""

    settings: Any
    database: Database
    policies: Policies
    bus: Bus | None = None
    drivers: dict[type, Any] = field(default_factory=dict)
    services: dict[type, Any] = field(default_factory=dict)
    deadlines: Deadlines = field(default_factory=Deadlines)

    def driver(self, kind: type[T]) -> T:
        """The driver of an abstract kind, such as `Hypervisor`. Raises LookupError when none is loaded."""
        try:
            return self.drivers[kind]
        except KeyError:
            raise LookupError(f"no driver of kind {kind.__name__} is loaded") from None

    def service(self, kind: type[T]) -> T:
        """A long-lived object, such as core's job runner or the console tickets of compute."""
        try:
            return self.services[kind]
        except KeyError:
            raise LookupError(f"no service of kind {kind.__name__} is loaded") from None
