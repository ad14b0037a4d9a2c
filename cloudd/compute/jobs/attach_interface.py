"""Plug a NIC into a server's domain and its tap into the network; when it cannot be, the port goes again."""

import contextlib

from cloudd import network
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server, ServerPort
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.hypervisor.base import DomainNotFound


async def plug(run: Run) -> None:
    """A domain that is off gets its tap when it starts; one that is not there yet is defined with the NIC."""
    boot = await steps.load(run)
    view = next((view for _, view in boot.ports if view.id == run.input["port"]), None)
    if view is None:
        raise NotFound(f"Port {run.input['port']} was deleted before it could be attached.")
    state = await steps.state_of(run)
    if state is not None:
        await steps.hypervisor(run).attach_nic(boot.server.id, boot_spec.nic(boot, view))
    if state in steps.LIVE:
        await network.wire(run.parts, view.id)


async def unplug(run: Run) -> None:
    await network.unwire(run.parts, run.input["port"])
    with contextlib.suppress(DomainNotFound):
        await steps.hypervisor(run).detach_nic(run.input["server"], run.input["port"])


async def mark_attached(run: Run) -> None:
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        server.updated_at = clock.now()
        await actions.finish(tx, server.id, run.row.request_id)
        await tell(tx, run.context, server, "interface_attach.end")


async def let_go(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        row = await tx.get(ServerPort, run.input["port"])
        if row is not None:
            await servers_networks.let_go(run.context, tx, [row])
        server = await tx.get(Server, run.input["server"])
        if server is not None:
            await actions.finish(tx, server.id, run.row.request_id, error)
            await tell(tx, run.context, server, "interface_attach.error", error=faults.words(error))


ATTACH = Job("compute.server.attach_interface", [Step(plug, undo=unplug), Step(mark_attached)], on_fail=let_go)
