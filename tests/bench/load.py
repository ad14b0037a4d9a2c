"""Many connections that send one request again and again, as cheaply as Python can, so that the server is what is measured."""

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import uvloop


@dataclass
class Load:
    """What came of it: seconds of every answer, and how long the whole took."""

    seconds: list[float] = field(default_factory=list)
    whole: float = 0.0
    refused: int = 0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.whole

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def slow_ms(self) -> float:
        """99 of 100 answers came sooner."""
        return statistics.quantiles(self.seconds, n=100)[98] * 1000


def request(method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None) -> bytes:
    """A request as bytes."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(data)}", "Content-Type: application/json",
             *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


class Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, message: bytes, load: Load, until: float, most: int | None):
        self.message, self.load, self.until, self.most = message, load, until, most
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffer, self.missing = b"", -1

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.message)

    def data_received(self, data: bytes) -> None:
        if self.missing < 0:
            data = self.buffer + data
            head, end, body = data.partition(b"\r\n\r\n")
            if not end:
                self.buffer = data
                return
            self.buffer = b""
            self.load.refused += head[9:10] != b"2"
            self.missing = int(head.lower().partition(b"\r\ncontent-length:")[2].split(b"\r\n")[0] or 0)
            data = body
        self.missing -= len(data)
        if self.missing <= 0:
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self.missing = -1
        self.load.seconds.append(now - self.began)
        if now < self.until and (self.most is None or len(self.load.seconds) < self.most):
            self._send()
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


def send(port: int, message: bytes, *, connections: int = 8, seconds: float = 4.0, most: int | None = None, hostile: bool = False) -> Load:
    """Send `message` over several connections for some seconds, or `most` times. `hostile`: it is meant to be refused."""
    async def all_of_them() -> Load:
        load, began = Load(), time.perf_counter()
        loop = asyncio.get_running_loop()
        senders = [Sender(message, load, began + seconds, most) for _ in range(connections)]
        await asyncio.gather(*(loop.create_connection(lambda one=one: one, "127.0.0.1", port) for one in senders))
        await asyncio.gather(*(one.done for one in senders))
        load.whole = time.perf_counter() - began
        return load

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(all_of_them())
    if load.refused != (len(load.seconds) if hostile else 0):
        raise RuntimeError(f"{load.refused} of {len(load.seconds)} requests were refused")
    return load
