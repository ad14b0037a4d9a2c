"""Servers: finding them, changing what is only written down, and what every verb asks first."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound


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
