"""A block server (qemu-nbd) for one disk and one client: it ends with its client, so none outlives the daemon."""

import asyncio
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloudd.core import confined, tasks
from cloudd.core.confined import Limits, ToolError
from cloudd.core.disks import nodes
from cloudd.core.disks.nbd import Client, NbdError
from cloudd.core.disks.secrets import handed

LIMITS = Limits(2 << 30, 86400, 7 * 86400)
START = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
"""The listening socket is handed over as systemd does it: there is nothing to wait for before connecting."""


class Served:
    """An open disk."""

    def __init__(self, client: Client, process: "asyncio.Task[ToolError | None]"):
        self.client, self._process = client, process

    async def close(self) -> None:
        """Returns when the server has closed the files. Raises ToolError with its last words."""
        await self.client.close()
        if (error := await tasks.to_the_end(self._process)) is not None:
            raise error


async def serve(layers: Sequence[nodes.File], run_dir: Path, *, write: bool, keys: Mapping[str, bytes] | None = None) -> Served:
    """Open a disk, to be told of its layers, too. `run_dir`: where a socket may be for a moment. Raises ToolError."""
    door, mine = _listen(run_dir)
    try:
        how = ("-A", "--discard=unmap") if write else ("-A", "-r")
        process = tasks.start("block server", _run(door, how, nodes.disk(layers), keys or {}))
        try:
            client = await _greeted(mine)
        except NbdError as exc:
            mine.close()
            raise await tasks.to_the_end(process) or ToolError(f"the disk could not be opened: {exc}") from exc
        except BaseException:
            process.cancel()
            raise
    except BaseException:
        mine.close()
        raise
    return Served(client, process)


def _listen(run_dir: Path) -> tuple[socket.socket, socket.socket]:
    """A listening socket without a name, and one that is connected to it."""
    path = run_dir / f".nbd-{secrets.token_hex(4)}"
    door, mine = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    handle = os.open(run_dir, os.O_PATH)                     # a socket's path is short: go by the folder's number
    try:
        short = f"/proc/self/fd/{handle}/{path.name}"
        door.bind(short)
        door.listen(1)
        mine.connect(short)
        mine.setblocking(False)
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)
    return door, mine


async def _run(door: socket.socket, how: Sequence[str], disk: str, keys: Mapping[str, bytes]) -> ToolError | None:
    with door, handed(keys) as secret:
        try:
            await confined.run("sh", "-c", START, "sh", "qemu-nbd", *secret.words, *how, disk, limits=LIMITS, hand=secret.files,
                               stdin=door.fileno())
        except ToolError as exc:
            return exc
    return None


async def _greeted(mine: socket.socket) -> Client:
    client = Client(*await asyncio.open_unix_connection(sock=mine))
    await client.greet()
    return client
