"""Volumes of a server that is there: giving it one, taking one back, putting one in the place of another."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import block
from cloudd.compute import states
from cloudd.compute.config import CONFIG
from cloudd.compute.models import BlockDevice, Server
from cloudd.compute.servers import actions
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core import ids, jobs
from cloudd.core.context import Context, internal
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.drivers.hypervisor.base import target_name

ROOT_HELD = "Cannot detach a root device volume"


async def listed(tx: AsyncSession, server_id: str) -> list[BlockDevice]:
    """The volumes of a server in the order of attaching."""
    query = select(BlockDevice).where(BlockDevice.server_id == server_id, BlockDevice.volume_id.is_not(None))
    return list((await tx.execute(query.order_by(BlockDevice.number))).scalars())


async def find(tx: AsyncSession, server: Server, volume_id: str) -> BlockDevice:
    """Raises NotFound."""
    row = next((row for row in await listed(tx, server.id) if row.volume_id == volume_id), None)
    if row is None:
        raise NotFound(f"Instance {server.id} is not attached to volume {volume_id}", type="VolumeBDMNotFound")
    return row


async def attach(context: Context, tx: AsyncSession, server: Server, volume_id: str, *, tag: str | None = None,
                 delete_on_termination: bool = False, multiattach: bool = True) -> BlockDevice:
    """Claim a volume for a server and order that its guest gets it. `multiattach`: the caller knows that others may have it too."""
    _require(context, server, "attach_volume")
    volume = await block.get(tx, context, volume_id)
    if any(row.volume_id == volume_id for row in await listed(tx, server.id)):
        raise BadRequest(f"Volume {volume_id} is already attached to instance {server.id}.")
    if volume.multiattach and not multiattach:
        raise BadRequest("Multiattach volumes are only supported starting with compute API version 2.60.",
                         type="MultiattachNotSupportedOldMicroversion")
    if volume.encryption_key_id is not None:
        raise BadRequest(f"Invalid volume: Volume {volume_id} is encrypted, and guests cannot be given encrypted volumes yet.",
                         type="InvalidVolume")
    attachment = await block.reserve(context, tx, volume, server.id)
    row = await _row(context, tx, server, volume, attachment.id, tag=tag, delete_on_termination=delete_on_termination)
    await _ask(context, tx, server, "attach", row)
    return row


async def _row(context: Context, tx: AsyncSession, server: Server, volume: block.Volume, attachment_id: str, **more: Any) -> BlockDevice:
    rows = list((await tx.execute(select(BlockDevice).where(BlockDevice.server_id == server.id))).scalars())
    taken = {row.device_name.removeprefix("/dev/") for row in rows if row.device_name}
    row = BlockDevice(id=ids.new_uuid(), server_id=server.id, number=max((row.number for row in rows), default=-1) + 1, name=volume.id,
                      source_type="volume", destination_type="volume", device_name=target_name("virtio", taken), volume_id=volume.id,
                      volume_size=volume.size, attachment_id=attachment_id, created_at=context.now(), **more)
    tx.add(row)
    await tx.flush()
    return row


async def detach(context: Context, tx: AsyncSession, server: Server, volume_id: str) -> None:
    """Order that the guest is asked for a volume, which is nobody's then."""
    _require(context, server, "detach_volume")
    row = await find(tx, server, volume_id)
    if row.boot_index == 0 and server.vm_state != states.SHELVED_OFFLOADED:
        raise Forbidden(ROOT_HELD)
    await block.begin_detach(context, tx, row.attachment_id or "")
    await _ask(context, tx, server, "detach", row)


async def update(tx: AsyncSession, server: Server, volume_id: str, asked: dict[str, Any]) -> None:
    """Whether a volume goes with its server; all else that may be sent says only how it is. Raises BadRequest."""
    row = await find(tx, server, volume_id)
    told = {"device": f"/dev/{row.device_name}", "tag": row.tag, "serverId": server.id, "id": volume_id, "attachment_id": row.attachment_id,
            "bdm_uuid": row.id}
    for name, value in told.items():
        if name in asked and asked[name] != value:
            raise BadRequest(f"The {name} of a volume attachment cannot be changed: it is {value}, not {asked[name]}.")
    if "delete_on_termination" in asked:
        row.delete_on_termination = asked["delete_on_termination"]
    await tx.flush()


async def swap(context: Context, tx: AsyncSession, server: Server, old_id: str, new_id: str) -> None:
    """Nova has this for Cinder's migrations alone. A guest's disk bears its volume's id here, so another volume cannot take its place;
    what Nova refuses is refused in its words, and all else by naming what to do instead."""
    _require(context, server, "swap_volume")
    await find(tx, server, old_id)
    old, new = await block.get(tx, context, old_id), await block.get(tx, context, new_id)
    if old.multiattach:
        raise BadRequest(f"Swapping multi-attach volume {old_id} is not supported.", type="MultiattachSwapVolumeNotSupported")
    if new.attach_status != "detached":
        raise BadRequest("Invalid volume: New volume must be detached in order to swap.", type="InvalidVolume")
    if new.size < old.size:
        raise BadRequest(f"Invalid volume: New volume must be the same size or larger: it has {new.size} GiB, the old one {old.size}.",
                         type="InvalidVolume")
    raise Conflict(f"Volume {old_id} is not swapped for another one while server {server.id} has it: take it out and attach the other, "
                   f"openstack server remove volume {server.id} {old_id}, openstack server add volume {server.id} {new_id}.")


async def lost(tx: AsyncSession, server_id: str, volume_id: str) -> None:
    """A guest let go of a volume long after it was asked, when it had been told that it stays: it goes all the same."""
    server = await tx.get(Server, server_id)
    row = next((row for row in await listed(tx, server_id) if row.volume_id == volume_id), None)
    if server is None or server.deleted_at is not None or row is None or await jobs.unfinished(tx, server_id):
        return
    await jobs.ask(tx, internal(server.project_id, server.user_id), "compute.server.detach_volume", locks=[server_id, volume_id],
                   resource=server_id, server=server_id, device=row.id)


async def let_all_go(context: Context, tx: AsyncSession, server_id: str) -> None:
    """The server is gone: its volumes are free, and those that were to go with it go."""
    rows = await listed(tx, server_id)
    for row in rows:
        await block.release(context, tx, row.attachment_id or "")
    await block.delete_loose(context, tx, [row.volume_id for row in rows if row.volume_id and row.delete_on_termination])


def _require(context: Context, server: Server, name: str) -> None:
    require_unlocked(context, server)
    states.require(server, name)
    states.require_launched(server, name)
    if CONFIG.caps is not None and not CONFIG.caps.hot_plug and server.vm_state != states.STOPPED:
        raise Conflict(f"The hypervisor cannot change the volumes of a running guest: stop server {server.id} first.")


async def _ask(context: Context, tx: AsyncSession, server: Server, verb: str, row: BlockDevice) -> None:
    await touch(context, tx, server)
    await actions.begin(tx, context, server, f"{verb}_volume")
    await tell(tx, context, server, f"volume_{verb}.start")
    await jobs.ask(tx, context, f"compute.server.{verb}_volume", locks=[server.id, row.volume_id or ""], resource=server.id,
                   server=server.id, device=row.id)
