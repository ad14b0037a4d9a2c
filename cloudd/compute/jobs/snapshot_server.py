"""Make an image of a server's root disk, as it is at one moment; the guest goes on."""

from pathlib import Path

from cloudd import image as images
from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server
from cloudd.compute.servers import actions, faults
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.jobs import Cancelled, Job, Run, Step


def _path(run: Run) -> Path:
    return Path(run.parts.settings.server.state_dir) / "snapshots" / run.input["image"]


async def copy_disk(run: Run) -> None:
    async with run.write() as tx:
        states.working(await tx.get_one(Server, run.input["server"]), states.SNAPSHOT)
    path = _path(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    await steps.hypervisor(run).export_disk(run.input["server"], "root", path)
    async with run.save() as tx:
        states.working(await tx.get_one(Server, run.input["server"]), states.UPLOADING)


async def drop_copy(run: Run) -> None:
    _path(run).unlink(missing_ok=True)


async def store(run: Run) -> None:
    """Hand the copy to the image service. After a crash in its middle the copy may be gone into the store already."""
    if _path(run).exists():
        await images.store_file(run.parts, run.context, run.input["image"], _path(run))


async def mark_failed(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        await images.drop(run.context, tx, run.input["image"])
        server = await tx.get_one(Server, run.input["server"])
        await actions.finish(tx, server.id, run.row.request_id, error)
        if not isinstance(error, Cancelled):
            states.settle(server)
            server.updated_at = clock.now()
            await faults.record(tx, server, error, doing="No image could be made of the server")
            await tell(tx, run.context, server, "snapshot.error", error=faults.words(error))


SNAPSHOT = Job("compute.server.snapshot", [
    Step(copy_disk, undo=drop_copy, deadline="disks"), Step(store, deadline="transfer"), Step(steps.marked(None, "snapshot")),
], on_fail=mark_failed)
