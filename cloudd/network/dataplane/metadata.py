"""Handing the sockets on which guests ask for their metadata from the driver to whoever answers them."""

from collections.abc import Awaitable, Callable

from cloudd.core.parts import Parts
from cloudd.drivers.network.base import MetadataListener

Appeared = Callable[[MetadataListener], Awaitable[None]]
Gone = Callable[[str], Awaitable[None]]


class MetadataDesk:
    """Keeps the listeners that exist, so that one who registers late is told of all."""

    def __init__(self) -> None:
        self._listeners: dict[str, MetadataListener] = {}
        self._handlers: list[tuple[Appeared, Gone]] = []

    async def appeared(self, listener: MetadataListener) -> None:
        self._listeners[listener.key] = listener
        for tell, _ in self._handlers:
            await tell(listener)

    async def gone(self, key: str) -> None:
        self._listeners.pop(key, None)
        for _, tell in self._handlers:
            await tell(key)

    async def register(self, appeared: Appeared, gone: Gone) -> None:
        self._handlers.append((appeared, gone))
        for listener in list(self._listeners.values()):
            await appeared(listener)


async def on_metadata(parts: Parts, appeared: Appeared, gone: Gone) -> None:
    """`appeared(listener)` for every listening socket (listener.network_id, .router_id, .socket), `gone(key)` at its end."""
    await parts.service(MetadataDesk).register(appeared, gone)
