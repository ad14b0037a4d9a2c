"""What stands for a guest: QEMU's block server, which opens and locks a volume as a running QEMU does."""

import contextlib
from pathlib import Path

from cloudd.core.disks import nodes, server


def layers(connection) -> tuple[nodes.File, ...]:
    encrypted = connection.encryption is not None
    return tuple(nodes.File(Path(one.path), one.format, encrypted) for one in (connection, *connection.beneath))


@contextlib.asynccontextmanager
async def opened(driver, connection, keys=None):
    served = await server.serve(layers(connection), Path(connection.path).parent, write=not connection.read_only, keys=keys)
    try:
        yield served.client
    finally:
        await served.close()
