"""Tags of servers."""

from collections.abc import Iterable

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server, ServerTag
from cloudd.compute.models.servers import tags_of
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound

LONGEST, MOST = 60, 50


def check(tag: str) -> None:
    """Raise BadRequest for a tag that could not stand in an address or in a list."""
    if not 1 <= len(tag) <= LONGEST or "," in tag or "/" in tag:
        raise BadRequest(f"Tag '{tag[:80]}' is invalid. It must have 1 to {LONGEST} characters, none of them ',' or '/'.")


async def of(tx: AsyncSession, server: Server) -> list[str]:
    return (await tags_of(tx, [server.id])).get(server.id, [])


async def require(tx: AsyncSession, server: Server, tag: str) -> None:
    """Raises NotFound."""
    if tag not in await of(tx, server):
        raise NotFound(f"Server {server.id} has no tag '{tag}'", type="InstanceTagNotFound")


async def _changed(context: Context, tx: AsyncSession, server: Server) -> None:
    await touch(context, tx, server)
    await tell(tx, context, server, "update")


def _require_changeable(context: Context, server: Server) -> None:
    require_unlocked(context, server)
    states.require(server, "update_tags")


async def replace(context: Context, tx: AsyncSession, server: Server, tags: Iterable[str]) -> list[str]:
    """Make these the server's tags."""
    _require_changeable(context, server)
    wanted = sorted(set(tags))
    if len(wanted) > MOST:
        raise BadRequest(f"The number of tags exceeded the per-server limit {MOST}: {len(wanted)} were sent.")
    await tx.execute(delete(ServerTag).where(ServerTag.server_id == server.id))
    tx.add_all(ServerTag(server_id=server.id, tag=tag) for tag in wanted)
    await _changed(context, tx, server)
    return wanted


async def add(context: Context, tx: AsyncSession, server: Server, tag: str) -> bool:
    """Whether the tag is new."""
    _require_changeable(context, server)
    check(tag)
    known = await of(tx, server)
    if tag in known:
        return False
    if len(known) >= MOST:
        raise BadRequest(f"The number of tags exceeded the per-server limit {MOST}.")
    tx.add(ServerTag(server_id=server.id, tag=tag))
    await _changed(context, tx, server)
    return True


async def remove(context: Context, tx: AsyncSession, server: Server, tag: str) -> None:
    """Raises NotFound."""
    _require_changeable(context, server)
    await require(tx, server, tag)
    await tx.execute(delete(ServerTag).where(ServerTag.server_id == server.id, ServerTag.tag == tag))
    await _changed(context, tx, server)
