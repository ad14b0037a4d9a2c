"""Serial lines and screens of real guests, over the unix sockets that QEMU listens on.

QEMU takes one client at a time on a serial socket, so the driver holds the one connection and shares it among all who
join; the log beside it is written by QEMU itself, whether anybody has joined or not.
"""

import asyncio
from collections.abc import Callable

from cloudd.core import tasks
from cloudd.drivers.hypervisor.base import Consoles, DomainState, HypervisorError, SerialLine, Unsupported
from cloudd.drivers.hypervisor.layout import Layout, tail
from cloudd.drivers.hypervisor.libvirt import host, power
from cloudd.drivers.hypervisor.libvirt.connection import Connection
from cloudd.drivers.hypervisor.serial_line import QueuedLine

CHUNK = 65536
OFF = (DomainState.SHUTOFF, DomainState.SUSPENDED, DomainState.CRASHED)


class Line(QueuedLine):
    def __init__(self, hub: "Hub"):
        super().__init__()
        self._hub = hub

    async def write(self, data: bytes) -> None:
        await self._hub.write(data)

    async def close(self) -> None:
        self.feed(b"")
        self._hub.leave(self)


class Hub:
    """One guest's serial connection and those who share it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_end: Callable[["Hub"], None]):
        self._reader, self._writer, self._on_end = reader, writer, on_end
        self._lines: set[Line] = set()
        self.ended = False

    def join(self) -> Line:
        line = Line(self)
        self._lines.add(line)
        return line

    def leave(self, line: Line) -> None:
        self._lines.discard(line)
        if not self._lines:
            self.end()

    async def write(self, data: bytes) -> None:
        if self.ended:
            raise HypervisorError("the guest's serial line has ended")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as exc:
            raise HypervisorError("the guest's serial line has ended") from exc

    async def pump(self) -> None:
        try:
            while data := await self._reader.read(CHUNK):
                for line in self._lines:
                    line.feed(data)
        except ConnectionError:
            pass
        finally:
            self.end()

    def end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self._writer.close()
        for line in self._lines:
            line.feed(b"")
        self._on_end(self)


class SocketConsoles(Consoles):
    def __init__(self, layout: Layout, connection: Connection):
        self._layout = layout
        self._connection = connection
        self._hubs: dict[str, Hub] = {}
        self._opening = asyncio.Lock()

    def close(self) -> None:
        for hub in tuple(self._hubs.values()):
            hub.end()

    async def log(self, server_id: str, max_bytes: int = 1 << 20) -> bytes:
        return await asyncio.to_thread(tail, self._layout.console_log(server_id), max_bytes)

    async def open_serial(self, server_id: str) -> SerialLine:
        async with self._opening:
            hub = self._hubs.get(server_id)
            if hub is None or hub.ended:
                reader, writer = await self._connect(server_id, str(self._layout.serial_socket(server_id)), "serial line")
                hub = self._hubs[server_id] = Hub(reader, writer, lambda ended: self._forget(server_id, ended))
                tasks.start(f"serial line of {server_id}", hub.pump())
            return hub.join()

    async def open_vnc(self, server_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await self._connect(server_id, str(self._layout.vnc_socket(server_id)), "screen")

    async def screenshot(self, server_id: str) -> bytes:
        return await self._connection.run(host.screenshot, server_id)

    def _forget(self, server_id: str, hub: Hub) -> None:
        if self._hubs.get(server_id) is hub:
            del self._hubs[server_id]

    async def _connect(self, server_id: str, path: str, what: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A socket may be left over from an earlier start, or missing because the guest was made without one."""
        try:
            return await asyncio.open_unix_connection(path)
        except OSError as exc:
            if await self._connection.run(power.state, server_id) in OFF:
                raise HypervisorError(f"the guest is off: it has no {what} now") from exc
            raise Unsupported(f"the guest has no {what}") from exc
