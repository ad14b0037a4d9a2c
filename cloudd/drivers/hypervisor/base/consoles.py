"""Guests' screens and serial lines."""

import asyncio
from abc import ABC, abstractmethod


class SerialLine(ABC):
    """One reader and writer of a guest's serial line; others may read and write at the same time."""

    @abstractmethod
    async def read(self) -> bytes:
        """What the guest wrote since; empty when the line has ended."""

    @abstractmethod
    async def write(self, data: bytes) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...


class Consoles(ABC):
    @abstractmethod
    async def log(self, server_id: str, max_bytes: int = 1 << 20) -> bytes:
        """The end of what the guest wrote to its first serial line, however often it was started since `define`."""

    @abstractmethod
    async def open_serial(self, server_id: str) -> SerialLine:
        """Join the guest's first serial line. Raises Unsupported when it has none, HypervisorError when it is off."""

    @abstractmethod
    async def open_vnc(self, server_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A fresh connection to the guest's screen, speaking RFB without a password: for the daemon alone."""

    @abstractmethod
    async def screenshot(self, server_id: str) -> bytes:
        """A PNG of the screen."""
