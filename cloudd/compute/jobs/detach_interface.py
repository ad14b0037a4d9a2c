"""Take a NIC out of a server's domain, then delete its port, or give it back to whoever brought it."""

from cloudd.compute.jobs.attach_interface import plug, unplug
from cloudd.compute.models import Server, ServerPort
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step


async def plug_again(run: Run) -> None:
    """The guest did not let go: the NIC stays as it was."""
    try:
        await plug(run)
    except NotFound:
        return


async def forget(run: Run) -> None:
    async with run.save() as tx:
        row = await tx.get(ServerPort, run.input["port"])
        if row is not None:
            await servers_networks.let_go(run.context, tx, [row])
        server = await tx.get_one(Server, run.input["server"])
        server.updated_at = clock.now()
        await actions.finish(tx, server.id, run.row.request_id)
        await tell(tx, run.context, server, "interface_detach.end")


async def mark_failed(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        server = await tx.get(Server, run.input["server"])
        if server is not None:
            await actions.finish(tx, server.id, run.row.request_id, error)
            await tell(tx, run.context, server, "interface_detach.error", error=faults.words(error))


DETACH = Job("compute.server.detach_interface", [Step(unplug, undo=plug_again), Step(forget)], on_fail=mark_failed)
