"""Metadata that owners keep with their servers; guests read it from the metadata service."""

from collections.abc import Mapping

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server, ServerMetadata
from cloudd.compute.models.servers import metadata_of
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core.context import Context
from cloudd.core.errors import NotFound, OverQuota


async def of(tx: AsyncSession, server: Server) -> dict[str, str]:
    return (await metadata_of(tx, [server.id])).get(server.id, {})


async def item(tx: AsyncSession, server: Server, key: str) -> str:
    """Raises NotFound."""
    found = await of(tx, server)
    if key not in found:
        raise NotFound(f"Metadata item was not found: server {server.id} has none called {key}.")
    return found[key]


async def change(context: Context, tx: AsyncSession, server: Server, items: Mapping[str, str], *,
                 replace: bool = False) -> dict[str, str]:
    """Add and change items, or make these all there are. Raises Conflict, OverQuota."""
    require_unlocked(context, server)
    states.require(server, "update_metadata")
    old = await of(tx, server)
    new = dict(items) if replace else {**old, **items}
    limit = (await QUOTAS.limits(tx, server.project_id))["metadata_items"]
    if 0 <= limit < len(new):
        raise OverQuota(f"Maximum number of metadata items exceeds {limit}: {len(new)} were asked for.",
                        type="MetadataLimitExceeded")
    await tx.execute(delete(ServerMetadata).where(ServerMetadata.server_id == server.id))
    tx.add_all(ServerMetadata(server_id=server.id, key=key, value=value) for key, value in new.items())
    await touch(context, tx, server)
    await tell(tx, context, server, "update")
    return new


async def remove(context: Context, tx: AsyncSession, server: Server, key: str) -> None:
    """Raises NotFound, Conflict."""
    require_unlocked(context, server)
    states.require(server, "delete_metadata")
    await item(tx, server, key)
    await tx.execute(delete(ServerMetadata).where(ServerMetadata.server_id == server.id, ServerMetadata.key == key))
    await touch(context, tx, server)
    await tell(tx, context, server, "update")
