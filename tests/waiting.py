"""The one place of the tests that waits: for a condition, with a deadline."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

LOOK_SECONDS = 0.02


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return as soon as `await condition()` is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(LOOK_SECONDS)


def until_ready(port: int, seconds: float = 20) -> None:
    """Return as soon as somebody listens on a loopback port. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {port}")
        time.sleep(LOOK_SECONDS)
