"""Delete a server: domain, wiring and disks go, then the rows say so. It runs after whatever was cancelled for it has undone."""

from sqlalchemy import delete, select

from cloudd import block
from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.compute.models import BlockDevice, ConsoleTicket, Migration, Server, ServerGroupMember, ServerPort
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers import volumes as servers_volumes
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.jobs import Job, Run, Step


async def remove_disks(run: Run) -> None:
    await steps.hypervisor(run).disks.delete(run.input["server"])
    async with run.read() as tx:
        volumes = [row.volume_id for row in await servers_volumes.listed(tx, run.input["server"])]
    for volume_id in volumes:
        await block.disconnect(run.parts, volume_id)


async def forget(run: Run) -> None:
    """The server's own ports, its place in groups, its tickets, its hold on volumes; the row stays, as deleted."""
    server_id = run.input["server"]
    async with run.save() as tx:
        server = await tx.get_one(Server, server_id)
        ports = list((await tx.execute(select(ServerPort).where(ServerPort.server_id == server_id))).scalars())
        await servers_networks.let_go(run.context, tx, ports)
        await servers_volumes.let_all_go(run.context, tx, server_id)
        for model in (BlockDevice, ServerGroupMember, ConsoleTicket, Migration):
            await tx.execute(delete(model).where(model.server_id == server_id))
        now = clock.now()
        states.SERVER.force(server, state=states.DELETED, busy=None, power_state=states.NOSTATE, deleted_at=now,
                            terminated_at=now, updated_at=now, admin_pass=None, injected_files=None, posted_password=None,
                            locked_by=None, locked_reason=None)
        await actions.finish(tx, server_id, run.row.request_id)
        await tell(tx, run.context, server, "delete.end")


async def mark_failed(run: Run, error: BaseException) -> None:
    await steps.unwire_if_off(run)
    async with run.write() as tx:
        server = await tx.get_one(Server, run.input["server"])
        states.SERVER.force(server, state=states.ERROR, busy=None, updated_at=clock.now())
        await actions.finish(tx, server.id, run.row.request_id, error)
        await faults.record(tx, server, error, doing="The server could not be deleted")
        await tell(tx, run.context, server, "delete.error", error=faults.words(error))


DELETE = Job("compute.server.delete", [Step(steps.undefine), Step(steps.unwire), Step(remove_disks), Step(forget)],
             on_fail=mark_failed)
