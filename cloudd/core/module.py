"""What the daemon needs of a module: its APIs, its pages, and when to begin and end. Each module's `service.py` has one."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, ClassVar

from cloudd.core.errors import StartError
from cloudd.core.http.api import Api
from cloudd.core.http.server import Front
from cloudd.core.parts import Parts


class Module:
    """One module of the running daemon.

    The daemon calls, in the order of the modules: `open` (cheap: make drivers and services, register them in `parts`),
    `routes`, then opens its port, then `start` (repair what the machine and the database disagree on), then starts the jobs.
    `stop` is called in reverse order.
    """

    name: ClassVar[str]
    apis: ClassVar[tuple[Api, ...]] = ()

    def __init__(self, parts: Parts):
        self.parts = parts

    async def open(self) -> None:
        """Make what requests need. Raises DriverError when a driver cannot be had."""

    def routes(self, front: Front) -> None:
        """Add pages outside the OpenStack APIs."""

    async def start(self) -> None:
        """Bring the machine to what the database wants; requests are being answered already."""

    async def stop(self) -> None:
        """Let go; guests and the dataplane stay as they are."""

    async def purge(self) -> None:
        """Remove from the machine whatever this module has there; called instead of `open`, with no daemon running."""

    def health(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Checks for `/healthz`: each raises, in words, when its part does not work."""
        return {}

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        """What this module puts in the service catalog: (type, name, path with `{project_id}` where it belongs)."""
        return ()


class DriverError(StartError):
    """A driver that the settings name cannot be loaded or reached. The message says what to change."""


def load_driver(kind: str, name: str) -> Any:
    """The class of a driver, found by entry point (group `cloudd.drivers.KIND`), so that third parties can add one."""
    found = {point.name: point for point in entry_points(group=f"cloudd.drivers.{kind}")}
    if name not in found:
        raise DriverError(f"[{kind}] driver = {name}: there is no such driver; there are: {', '.join(sorted(found)) or 'none'}")
    try:
        return found[name].load()
    except ImportError as exc:
        raise DriverError(f"[{kind}] driver = {name}: {exc}; install what it needs or choose another") from exc
