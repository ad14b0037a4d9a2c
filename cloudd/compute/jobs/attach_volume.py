"""Give a server's domain a volume, which is in use then; when it cannot be, the claim on the volume ends."""

import contextlib

from cloudd import block
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.config import CONFIG
from cloudd.compute.jobs import steps
from cloudd.compute.models import BlockDevice, Server
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.errors import NotFound
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.hypervisor.base import DomainNotFound


async def device_of(run: Run) -> BlockDevice:
    async with run.read() as tx:
        row = await tx.get(BlockDevice, run.input["device"])
    if row is None or row.volume_id is None or row.attachment_id is None:
        raise NotFound("The volume was given back before it could be attached.")
    return row


async def require_ready(run: Run) -> None:
    """The volume may have been ordered a moment ago; its own job has ended now, well or not."""
    row = await device_of(run)
    async with run.read() as tx:
        await block.require_ready(tx, [row.volume_id or ""])


async def plug(run: Run) -> None:
    """A domain that is not there yet gets the volume when it is defined."""
    row = await device_of(run)
    connection = await block.connect(run.parts, row.attachment_id or "")
    if await steps.state_of(run) is not None:
        target = await steps.hypervisor(run).attach_disk(run.input["server"], boot_spec.volume(row, connection))
        run.memory["target"] = target


async def unplug(run: Run) -> None:
    try:
        row = await device_of(run)
    except NotFound:
        return
    with contextlib.suppress(DomainNotFound):
        await steps.hypervisor(run).detach_disk(run.input["server"], row.volume_id or "")
    await block.disconnect(run.parts, row.volume_id or "")


async def mark_attached(run: Run) -> None:
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        row = await tx.get_one(BlockDevice, run.input["device"])
        row.device_name = run.memory.get("target") or row.device_name
        await block.complete(run.context, tx, row.attachment_id or "", host=CONFIG.host, device=f"/dev/{row.device_name}")
        server.updated_at = clock.now()
        await actions.finish(tx, server.id, run.row.request_id)
        await tell(tx, run.context, server, "volume_attach.end")


async def let_go(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        row = await tx.get(BlockDevice, run.input["device"])
        if row is not None:
            await block.release(run.context, tx, row.attachment_id or "")
            await tx.delete(row)
        server = await tx.get(Server, run.input["server"])
        if server is not None:
            await actions.finish(tx, server.id, run.row.request_id, error)
            await tell(tx, run.context, server, "volume_attach.error", error=faults.words(error))


ATTACH = Job("compute.server.attach_volume", [Step(require_ready), Step(plug, undo=unplug), Step(mark_attached)], on_fail=let_go)
