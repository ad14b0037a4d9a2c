"""Telling systemd how we are (sd_notify(3)); silent when nobody listens."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

from cloudd.core import log

LOG = log.get("cloudd.systemd")


def notify(state: str) -> None:
    """Send one state line, such as READY=1."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        try:
            door.connect("\0" + address[1:] if address.startswith("@") else address)
            door.sendall(state.encode())
        except OSError as exc:
            LOG.warning("systemd could not be told", state=state, error=str(exc))


def ready() -> None:
    notify("READY=1")


def stopping() -> None:
    notify("STOPPING=1")


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear of us, halved for safety; None when it does not."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    return int(usec) / 2e6 if usec.isdigit() and int(usec) else None


async def watchdog(check: Callable[[], Awaitable[None]]) -> None:
    """Tell systemd that we live, as long as the loop turns and `check` passes."""
    every = watchdog_seconds()
    while every:
        await asyncio.wait_for(check(), every)
        notify("WATCHDOG=1")
        await asyncio.sleep(every)
