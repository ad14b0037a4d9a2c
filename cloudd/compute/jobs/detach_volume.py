"""Take a volume out of a server's domain, then end its claim. A guest that does not let go keeps it, in use as before."""

from cloudd import block
from cloudd.compute.jobs.attach_volume import plug, unplug
from cloudd.compute.models import BlockDevice, Server
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step


async def plug_again(run: Run) -> None:
    """The guest did not let go: it keeps what it has."""
    try:
        await plug(run)
    except NotFound:
        return


async def forget(run: Run) -> None:
    async with run.save() as tx:
        row = await tx.get(BlockDevice, run.input["device"])
        if row is not None:
            await block.release(run.context, tx, row.attachment_id or "")
            await tx.delete(row)
        server = await tx.get_one(Server, run.input["server"])
        server.updated_at = clock.now()
        await actions.finish(tx, server.id, run.row.request_id)
        await tell(tx, run.context, server, "volume_detach.end")


async def mark_failed(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        row = await tx.get(BlockDevice, run.input["device"])
        if row is not None:
            await block.roll_back_detach(run.context, tx, row.attachment_id or "")
        server = await tx.get(Server, run.input["server"])
        if server is not None:
            await actions.finish(tx, server.id, run.row.request_id, error)
            await tell(tx, run.context, server, "volume_detach.error", error=faults.words(error))


DETACH = Job("compute.server.detach_volume", [Step(unplug, undo=plug_again), Step(forget)], on_fail=mark_failed)
