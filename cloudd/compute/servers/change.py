"""Servers: finding them, changing what is only written down, and what every verb asks first."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.hosts import capacity
from cloudd.compute.models import Server
from cloudd.compute.servers.events import tell
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound

COLUMNS = {"name": "name", "OS-DCF:diskConfig": "disk_config", "accessIPv4": "access_ip_v4", "accessIPv6": "access_ip_v6",
           "description": "description", "hostname": "hostname"}
"""What a change may name, and where it is kept."""


async def find(tx: AsyncSession, context: Context, server_id: str, *, deleted: bool = False) -> Server:
    """The server of an id, if the caller may know of it. Raises NotFound."""
    server = await tx.get(Server, server_id)
    hidden = server is None or (server.deleted_at is not None and not deleted)
    if hidden or (server.project_id != context.project_id and not context.is_admin):
        raise NotFound(f"Instance {server_id} could not be found.", type="InstanceNotFound")
    return server


def require_unlocked(context: Context, server: Server) -> None:
    """A locked server is changed by administrators alone."""
    if server.locked and not context.is_admin:
        raise Conflict(f"Instance {server.id} is locked", type="InstanceIsLocked")


async def touch(context: Context, tx: AsyncSession, server: Server) -> None:
    """The server was changed now."""
    server.updated_at = context.now()
    await tx.flush()


async def update(context: Context, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Change names, addresses and the like. A guest hears of it from its metadata."""
    if "pinned_availability_zone" in body:
        zone = body["pinned_availability_zone"]
        if zone is not None:
            await capacity.place(tx, zone)
        server.pinned_zone = zone
    for name, column in COLUMNS.items():
        if name in body:
            setattr(server, column, body[name])
    await touch(context, tx, server)
    await tell(tx, context, server, "update")
