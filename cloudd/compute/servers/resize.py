"""Another flavor for a server: tried first, then confirmed or taken back. There is one host, so nothing moves."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.config import CONFIG
from cloudd.compute.hosts import capacity, demands
from cloudd.compute.models import Server
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.servers import actions, migrations
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.create import usable_flavor
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

OLD, NEW = "old_vm_state", "new_flavor"


async def resize(context: Context, tx: AsyncSession, server: Server, flavor_id: str, *, disk_config: str | None) -> None:
    """Order another flavor. Raises BadRequest, OverQuota, NoCapacity, Conflict."""
    require_unlocked(context, server)
    states.require_move(server, "resize")
    flavor = await usable_flavor(context, tx, flavor_id)
    _require_other(server, flavor)
    properties = server.image.get("properties") or {}
    if CONFIG.caps is not None:
        boot_spec.require_possible(CONFIG.caps, flavor, properties)
    await demands.require(tx, flavor, properties)
    await QUOTAS.require(tx, server.project_id, cores=flavor["vcpus"] - server.vcpus, ram=flavor["ram"] - server.memory_mb)
    await _require_room(tx, server, flavor)
    await states.SERVER.enter(tx, server, "resize")
    server.system_metadata = {**server.system_metadata, OLD: server.vm_state, NEW: flavor}
    server.disk_config = disk_config or server.disk_config
    migrations.begin(context, tx, server, flavor["id"])
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "resize")
    await tell(tx, context, server, "resize.start")
    await jobs.ask(tx, context, "compute.server.resize", locks=[server.id], server=server.id)


def _require_other(server: Server, flavor: dict[str, Any]) -> None:
    if flavor["id"] == server.flavor_id:
        raise BadRequest("When resizing, instances must change flavor!", type="CannotResizeToSameFlavor")
    if flavor["disk"] < server.root_gb:
        raise BadRequest(f"Resize to a smaller disk is not possible: flavor {flavor['name']} has {flavor['disk']} GiB, the "
                         f"server's disk is {server.root_gb} GiB.", type="CannotResizeDisk")
    if flavor["ephemeral"] < server.ephemeral_gb:
        raise BadRequest(f"Resize to smaller ephemeral disks is not possible: flavor {flavor['name']} has {flavor['ephemeral']} "
                         f"GiB, the server has {server.ephemeral_gb} GiB.", type="CannotResizeDisk")


async def _require_room(tx: AsyncSession, server: Server, flavor: dict[str, Any]) -> None:
    new, old = capacity.Claim.of_flavor(flavor), capacity.Claim.of_flavor(server.flavor)
    if new.vcpus > CONFIG.vcpus:
        await capacity.require(tx, new)
    await capacity.require(tx, capacity.Claim(max(new.vcpus - old.vcpus, 0), max(new.memory_mb - old.memory_mb, 0),
                                              max(new.disk_gb - old.disk_gb, 0)))


async def confirm(context: Context, tx: AsyncSession, server: Server) -> None:
    """Keep the new flavor: what was for going back is forgotten. Nothing on the machine changes, so no job is needed."""
    require_unlocked(context, server)
    await states.SERVER.enter(tx, server, "confirmResize")
    was = server.system_metadata.get(OLD, states.ACTIVE)
    server.old_flavor = None
    server.system_metadata = {key: value for key, value in server.system_metadata.items() if key not in (OLD, NEW)}
    states.settle(server, was)
    await migrations.becomes(tx, server.id, migrations.CONFIRMED)
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "confirmResize")
    await actions.finish(tx, server.id, context.request_id)
    await tell(tx, context, server, "resize.confirm.end")


async def revert(context: Context, tx: AsyncSession, server: Server) -> None:
    """Back to the old flavor. A disk that has grown stays as large as it is: shrinking would lose what is on it."""
    require_unlocked(context, server)
    await states.SERVER.enter(tx, server, "revertResize")
    await migrations.becomes(tx, server.id, migrations.REVERTING)
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "revertResize")
    await tell(tx, context, server, "resize.revert.start")
    await jobs.ask(tx, context, "compute.server.revert_resize", locks=[server.id], server=server.id)
