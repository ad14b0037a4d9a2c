"""What is written down of resizes: begun with the order, carried along by the job, ended by confirming or going back."""

from sqlalchemy import Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.config import CONFIG
from cloudd.compute.models import Migration, Server
from cloudd.core import clock, ids
from cloudd.core.context import Context
from cloudd.core.errors import NotFound

RESIZE = "resize"
PRE, MIGRATING, POST, FINISHED, CONFIRMED = "pre-migrating", "migrating", "post-migrating", "finished", "confirmed"
REVERTING, REVERTED, ERROR = "reverting", "reverted", "error"
ENDED = (CONFIRMED, REVERTED, ERROR)


def begin(context: Context, tx: AsyncSession, server: Server, flavor_id: str) -> None:
    """A resize was ordered, by this caller."""
    tx.add(Migration(uuid=ids.new_uuid(), server_id=server.id, project_id=server.project_id, user_id=context.user_id or server.user_id,
                     migration_type=RESIZE, status=PRE, source_host=server.host, source_node=server.node, dest_host=CONFIG.host,
                     dest_node=CONFIG.node, dest_address=CONFIG.address, old_flavor_id=server.flavor_id, new_flavor_id=flavor_id,
                     created_at=context.now()))


async def becomes(tx: AsyncSession, server_id: str, status: str) -> None:
    """What is under way of a server is this far."""
    query = update(Migration).where(Migration.server_id == server_id, Migration.status.not_in(ENDED))
    await tx.execute(query.values(status=status, updated_at=clock.now()).execution_options(synchronize_session=False))


def listed(context: Context, *, everybody: bool) -> Select[tuple[Migration]]:
    query = select(Migration)
    return query if everybody else query.where(Migration.project_id == context.project_id)


def of_host(name: str) -> object:
    """Those that come from a host or go to it."""
    return or_(Migration.source_host == name, Migration.dest_host == name)


async def require_live(tx: AsyncSession, server: Server, key: str) -> None:
    """Raise NotFound for what is no live migration: nothing else can be looked at, hurried or stopped, and here there is none."""
    row = await tx.get(Migration, int(key)) if key.isdigit() and len(key) < 19 else None
    if row is None or row.server_id != server.id:
        raise NotFound(f"In-progress live migration {key} is not found for server {server.id}.",
                       type="MigrationNotFoundForInstance")
    raise NotFound(f"Migration {key} for server {server.id} is not live-migration.", type="MigrationNotFoundForInstance")
