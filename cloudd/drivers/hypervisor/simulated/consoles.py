"""Consoles of guests that are not there: a log, a serial line that echoes, a screen with colour bars."""

import asyncio
import base64
import socket

from cloudd.core import tasks
from cloudd.drivers.faults import Faults
from cloudd.drivers.hypervisor.base import Consoles, DomainNotFound, HypervisorError, SerialLine, Unsupported
from cloudd.drivers.hypervisor.layout import Layout, tail
from cloudd.drivers.hypervisor.serial_line import QueuedLine
from cloudd.drivers.hypervisor.simulated.domains import Domain, Register
from cloudd.drivers.hypervisor.simulated.screen import Screen

BLACK_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


class SimulatedLine(QueuedLine):
    def __init__(self, consoles: "SimulatedConsoles", server_id: str):
        super().__init__()
        self._consoles, self._server_id = consoles, server_id

    async def write(self, data: bytes) -> None:
        if not self._consoles.joined(self._server_id, self):
            raise HypervisorError("the guest's serial line has ended")
        self._consoles.guest_writes(self._server_id, data)

    async def close(self) -> None:
        self.feed(b"")
        self._consoles.leave(self._server_id, self)


class SimulatedConsoles(Consoles):
    def __init__(self, layout: Layout, register: Register, faults: Faults):
        self._layout, self._register, self._faults = layout, register, faults
        self._lines: dict[str, set[SimulatedLine]] = {}
        self._screens: dict[str, list[asyncio.StreamWriter]] = {}

    async def log(self, server_id: str, max_bytes: int = 1 << 20) -> bytes:
        await self._faults.hit("log")
        return tail(self._layout.console_log(server_id), max_bytes)

    async def open_serial(self, server_id: str) -> SerialLine:
        await self._faults.hit("open_serial")
        domain = self._live(server_id, "serial line")
        if not domain.serial:
            raise Unsupported("the guest has no serial line")
        line = SimulatedLine(self, server_id)
        self._lines.setdefault(server_id, set()).add(line)
        return line

    async def open_vnc(self, server_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self._faults.hit("open_vnc")
        domain = self._live(server_id, "screen")
        if not domain.vnc:
            raise Unsupported("the guest has no screen")
        ours, theirs = socket.socketpair()
        screen = Screen(*await asyncio.open_unix_connection(sock=theirs), domain.name)
        self._screens.setdefault(server_id, []).append(screen.writer)
        tasks.start(f"screen of {server_id}", screen.serve())
        return await asyncio.open_unix_connection(sock=ours)

    async def screenshot(self, server_id: str) -> bytes:
        await self._faults.hit("screenshot")
        self._live(server_id, "screen")
        return BLACK_PIXEL

    def guest_writes(self, server_id: str, data: bytes) -> None:
        """As if the guest wrote to its serial line: into the log, and to all who have joined."""
        path = self._layout.console_log(server_id)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        for line in self._lines.get(server_id, ()):
            line.feed(data)

    def joined(self, server_id: str, line: SimulatedLine) -> bool:
        return line in self._lines.get(server_id, ())

    def leave(self, server_id: str, line: SimulatedLine) -> None:
        self._lines.get(server_id, set()).discard(line)

    def end(self, server_id: str) -> None:
        """The guest went off."""
        for line in self._lines.pop(server_id, ()):
            line.feed(b"")
        for screen in self._screens.pop(server_id, ()):
            screen.close()

    def close(self) -> None:
        for server_id in {*self._lines, *self._screens}:
            self.end(server_id)

    def _live(self, server_id: str, what: str) -> Domain:
        domain = self._register.domains.get(server_id)
        if domain is None:
            raise DomainNotFound(server_id)
        if not domain.is_live:
            raise HypervisorError(f"the guest is off: it has no {what} now")
        return domain
