"""Deleting servers: whatever is being done to one is cancelled, then one job takes everything away."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server
from cloudd.compute.servers import actions
from cloudd.compute.servers import volumes as servers_volumes
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context

JOB = "compute.server.delete"


async def delete(context: Context, tx: AsyncSession, server: Server) -> None:
    """Order the end of a server; asked twice, the first order stands."""
    require_unlocked(context, server)
    if any(row.kind == JOB for row in await jobs.unfinished(tx, server.id)):
        return
    await jobs.cancel(tx, server.id)
    states.SERVER.force(server, busy=states.DELETING, progress=0)
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "delete")
    await tell(tx, context, server, "delete.start")
    volumes = [row.volume_id for row in await servers_volumes.listed(tx, server.id)]
    await jobs.ask(tx, context, JOB, locks=[server.id, *volumes], resource=server.id, server=server.id)
