"""The life of an attachment: reserved, connected, completed, given back. The volume's status follows from its attachments.

Those that compute makes for its servers are `held`: nobody else ends them (CVE-2023-2088), since a guest would go on writing to a volume
that is somebody else's by then.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.events import tell
from cloudd.block.models import Attachment, Volume
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound

BY_WEIGHT = ((states.ATTACHED, states.IN_USE), (states.ATTACHING, states.ATTACHING), (states.RESERVED, states.RESERVED))
"""The status of a volume by the furthest of its attachments."""


async def find(tx: AsyncSession, context: Context, attachment_id: str) -> Attachment:
    """Raises NotFound, also for another project's."""
    attachment = await tx.get(Attachment, attachment_id)
    if attachment is None or not (context.is_admin or attachment.project_id == context.project_id):
        raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.",
                       type="VolumeAttachmentNotFound")
    return attachment


async def of_volume(tx: AsyncSession, volume: Volume) -> list[Attachment]:
    query = select(Attachment).where(Attachment.volume_id == volume.id).order_by(Attachment.created_at, Attachment.id)
    return list((await tx.execute(query)).scalars())


def connection(volume: Volume, attachment: Attachment | None, mode: str, limits: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What is told of a connection outside: a guest of this cloud gets its disk by compute, so there is no address in it."""
    return {"driver_volume_type": "cloudd", "attachment_id": attachment.id if attachment else None, "volume_id": volume.id,
            "data": {"volume_id": volume.id, "access_mode": mode, "encrypted": volume.encryption_key_id is not None, "discard": True,
                     "qos_specs": dict(limits) if limits else None, "cacheable": False, "enforce_multipath": False}}


async def reserve(context: Context, tx: AsyncSession, volume: Volume, instance_id: str | None, *, mode: str | None = None,
                  held: bool = False, multiattach_bootable: bool = True) -> Attachment:
    """Begin an attachment; the volume is nobody else's from now on. Raises BadRequest."""
    if states.ERROR in volume.status:
        raise BadRequest("Invalid volume: Volume attachments can not be created if the volume is in an error state. The Volume "
                         f"{volume.id} currently has a status of: {volume.status}.", type="InvalidVolume")
    if volume.multiattach and volume.status == states.IN_USE and volume.bootable and not multiattach_bootable:
        raise Forbidden("Policy doesn't allow volume:multiattach_bootable_volume to be performed.", type="PolicyNotAuthorized")
    if not await _again(tx, volume, instance_id, held):
        move = "claim" if held else "attach"
        await states.VOLUME.enter(tx, volume, f"{move} another" if volume.multiattach else move)
    attachment = Attachment(id=ids.new_uuid(), volume_id=volume.id, project_id=volume.project_id, instance_id=instance_id, held=held,
                            attach_mode="ro" if volume.readonly else mode, attach_status=states.RESERVED, created_at=context.now())
    tx.add(attachment)
    volume.updated_at = context.now()
    await tx.flush()
    return attachment


async def _again(tx: AsyncSession, volume: Volume, instance_id: str | None, held: bool) -> bool:
    """Whether this server has the volume already: a second attachment to it is how a server moves, but not of one that compute holds."""
    if instance_id is None or volume.status not in (states.IN_USE, states.RESERVED):
        return False
    mine = [one for one in await of_volume(tx, volume) if one.instance_id == instance_id]
    if held and mine:
        raise BadRequest(f"Volume {volume.id} is already attached to instance {instance_id}.")
    return bool(mine)


async def connect(context: Context, tx: AsyncSession, volume: Volume, attachment: Attachment, connector: dict[str, Any]) -> None:
    """Say who opens the volume, and how. Raises Conflict for a second one where it is not to be shared."""
    if states.ERROR in volume.status:
        raise Conflict(f"Volume attachments can not be updated if the volume is in an error state. The Volume {volume.id} currently has "
                       f"a status of: {volume.status}.")
    others = [one for one in await of_volume(tx, volume) if one.id != attachment.id]
    if not volume.multiattach and any(one.connector for one in others):
        raise Conflict(f"duplicate connectors detected on volume {volume.id}")
    await tell(tx, context, volume, "attach.start")
    mode = attachment.attach_mode or str(connector.get("mode") or "rw")
    attachment.connector = {**connector, "mode": mode}
    attachment.attach_mode, attachment.attached_host = mode, str(connector.get("host") or "")[:255]
    attachment.mountpoint = str(connector.get("mountpoint") or "na")[:255]
    if attachment.attach_status != states.ATTACHED:
        attachment.attach_status = states.ATTACHING
    attachment.attached_at = context.now()
    await follow(context, tx, volume)


async def complete(context: Context, tx: AsyncSession, volume: Volume, attachment: Attachment) -> None:
    """The volume is in use now."""
    attachment.attach_status = states.ATTACHED
    attachment.attached_at = attachment.attached_at or context.now()
    await follow(context, tx, volume)
    await tell(tx, context, volume, "attach.end")


async def remove(context: Context, tx: AsyncSession, volume: Volume, attachment: Attachment | None) -> None:
    """End an attachment; of one that is gone already the volume's status is made right."""
    await tell(tx, context, volume, "detach.start")
    if attachment is not None:
        await tx.delete(attachment)
        await tx.flush()
    volume.attached_mode = None
    await follow(context, tx, volume)
    await tell(tx, context, volume, "detach.end")


async def follow(context: Context, tx: AsyncSession, volume: Volume) -> None:
    """Let the volume's status be what its attachments make it."""
    await tx.flush()
    have = {one.attach_status for one in await of_volume(tx, volume)}
    status, attach_status = next(((status, weight) for weight, status in BY_WEIGHT if weight in have),
                                 (_alone(volume), states.DETACHED))
    states.attached(volume, status, attach_status)
    volume.updated_at = context.now()
    await tx.flush()


def _alone(volume: Volume) -> str:
    """What a volume is that nobody has: available, unless it was never made, or is lost."""
    if volume.lost or (volume.launched_at is None and volume.status == states.ERROR):
        return states.ERROR
    return states.AVAILABLE if volume.launched_at is not None else states.CREATING


def require_loose(attachment: Attachment) -> None:
    """Raise Conflict for what only compute may end."""
    if attachment.held:
        raise Conflict(f"Detach volume from instance {attachment.instance_id} using the Compute API: openstack server remove volume "
                       f"{attachment.instance_id} {attachment.volume_id}.", type="ConflictNovaUsingAttachment")
