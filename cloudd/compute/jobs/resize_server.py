"""Give a server another flavor, on this host: it shuts down, its disks grow, it boots with what it has now."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.boot import disks as boot_disks
from cloudd.compute.jobs import steps
from cloudd.compute.models import BlockDevice, Server
from cloudd.compute.servers import migrations
from cloudd.compute.servers.create import sizes
from cloudd.compute.servers.resize import NEW, OLD
from cloudd.core.jobs import Job, Run, Step


def told(status: str) -> steps.Also:
    """The record of the resize is this far."""
    return lambda tx, server: migrations.becomes(tx, server.id, status)


async def take_flavor(run: Run) -> None:
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        if server.old_flavor is None:
            server.old_flavor = server.flavor
            await _become(tx, server, server.system_metadata[NEW])
        await migrations.becomes(tx, server.id, migrations.MIGRATING)


async def give_flavor_back(run: Run) -> None:
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        if server.old_flavor is not None:
            await _become(tx, server, server.old_flavor)
            server.old_flavor = None


async def _become(tx: AsyncSession, server: Server, flavor: dict[str, Any]) -> None:
    for name, value in sizes(flavor).items():
        setattr(server, name, value)
    now = {"root": flavor["disk"], "ephemeral0": flavor["ephemeral"], "swap": flavor["swap"]}
    for row in (await tx.execute(select(BlockDevice).where(BlockDevice.server_id == server.id))).scalars():
        if row.volume_id is None and now.get(row.name):
            row.volume_size = now[row.name]


async def grow_disks(run: Run) -> None:
    boot = await steps.load(run, whole=False)
    await boot_disks.make(run.parts, boot)
    await boot_disks.grow(run.parts, boot)
    async with run.save() as tx:
        await migrations.becomes(tx, boot.server.id, migrations.POST)


async def _runs(run: Run) -> bool:
    async with run.read() as tx:
        server = await tx.get_one(Server, run.input["server"])
    return server.system_metadata.get(OLD) != states.STOPPED


async def start_wired(run: Run) -> None:
    await (steps.start_wired if await _runs(run) else steps.unwire)(run)


async def let_run(run: Run) -> None:
    if await _runs(run):
        await steps.let_run(run)


async def mark_reverted(run: Run) -> None:
    runs = await _runs(run)
    await steps.marked(states.ACTIVE if runs else states.STOPPED, "resize.revert", also=told(migrations.REVERTED))(run)


AGAIN = (Step(steps.define, brief=True), Step(start_wired, undo=steps.take_down, brief=True), Step(let_run, brief=True))
RESIZE = Job("compute.server.resize", [
    Step(steps.shut_down, deadline="guest"), Step(take_flavor, undo=give_flavor_back), Step(grow_disks, deadline="disks"), *AGAIN,
    Step(steps.marked(states.RESIZED, "resize", also=told(migrations.FINISHED))),
], on_fail=steps.failed("resize", "The server could not be resized", broken=True, also=told(migrations.ERROR)))
REVERT = Job("compute.server.revert_resize", [
    Step(steps.shut_down, deadline="guest"), Step(give_flavor_back), *AGAIN, Step(mark_reverted),
], on_fail=steps.failed("resize.revert", "The server's resize could not be reverted", broken=True, also=told(migrations.ERROR)))
