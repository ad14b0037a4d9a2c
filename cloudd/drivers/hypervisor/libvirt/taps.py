"""When the taps of a guest that is being started may be plugged: once QEMU runs, since libvirt is done with them before.

It runs when it makes the socket of the guest's screen. A guest without a screen says nothing: its taps are plugged when it has started.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cloudd.core.kernel.inotify import Names
from cloudd.drivers.hypervisor.layout import Layout


class Taps:
    def __init__(self, layout: Layout):
        self._layout = layout
        self._waiting: dict[str, asyncio.Event] = {}          # by the name of the socket
        self._names: Names | None = None

    def open(self) -> None:
        self._names = Names(str(self._layout.run), self._came)

    def close(self) -> None:
        if self._names is not None:
            self._names.close()
            self._names = None

    @contextmanager
    def told(self, server_id: str, taps: asyncio.Event | None) -> Iterator[None]:
        """Set the event in the block's midst, at the latest when it has ended well."""
        if taps is None:
            yield
            return
        name = Path(self._layout.vnc_socket(server_id)).name
        self._waiting[name] = taps
        try:
            yield
            taps.set()
        finally:
            self._waiting.pop(name, None)

    def _came(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._waiting:
                self._waiting[name].set()
