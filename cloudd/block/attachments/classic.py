"""The old actions by which a volume is attached: each sets one status, and whoever calls them keeps their order."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.attachments import rules
from cloudd.block.events import tell
from cloudd.block.models import Attachment, Volume
from cloudd.block.types import qos
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest


async def reserve(context: Context, tx: AsyncSession, volume: Volume) -> None:
    await states.VOLUME.enter(tx, volume, "reserve another" if volume.multiattach else "reserve")
    volume.updated_at = context.now()


async def unreserve(context: Context, tx: AsyncSession, volume: Volume) -> None:
    """What is not reserved stays as it is."""
    if volume.status == states.ATTACHING:
        await _rest(context, tx, volume)


async def _rest(context: Context, tx: AsyncSession, volume: Volume) -> None:
    attached = any(one.attach_status == states.ATTACHED for one in await rules.of_volume(tx, volume))
    states.VOLUME.force(volume, state=states.IN_USE if attached else states.AVAILABLE, updated_at=context.now())


async def begin_detaching(context: Context, tx: AsyncSession, volume: Volume) -> None:
    if volume.attach_status != states.ATTACHED or volume.migration_status not in states.AT_REST:
        raise BadRequest("Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to "
                         f"detach, but they are {volume.status} and {volume.attach_status}.", type="InvalidVolume")
    await states.VOLUME.enter(tx, volume, "begin detaching")
    volume.updated_at = context.now()


async def roll_detaching(context: Context, tx: AsyncSession, volume: Volume) -> None:
    """What is not detaching stays as it is."""
    if volume.status == states.DETACHING:
        states.VOLUME.force(volume, state=states.IN_USE, updated_at=context.now())


async def attach(context: Context, tx: AsyncSession, volume: Volume, *, instance_id: str | None, host: str | None, mountpoint: str,
                 mode: str) -> None:
    """Write down that a server or a host has it. Said twice of the same one, it is so once."""
    _require_awake(volume, "attached")
    volume.readonly = bool(volume.readonly)
    if volume.readonly and mode != "ro":
        raise BadRequest(f"Invalid attaching mode '{mode}' for volume {volume.id}: it is read-only.", type="InvalidVolumeAttachMode")
    if volume.status == states.ATTACHING and volume.attached_mode and volume.attached_mode != mode:
        raise BadRequest("Invalid volume: being attached by different mode", type="InvalidVolume")
    there = [one for one in await rules.of_volume(tx, volume)
             if (one.instance_id == instance_id if instance_id else one.instance_id is None and one.attached_host == host)]
    if there:
        states.VOLUME.force(volume, state=states.IN_USE)
        return
    if volume.status == states.IN_USE and not volume.multiattach:
        raise BadRequest("Invalid volume: volume is already attached and multiple attachments are not enabled", type="InvalidVolume")
    await tell(tx, context, volume, "attach.start")
    attachment = Attachment(id=ids.new_uuid(), volume_id=volume.id, project_id=volume.project_id, instance_id=instance_id,
                            attached_host=host, mountpoint=mountpoint, attach_mode=mode, attach_status=states.ATTACHED,
                            attached_at=context.now(), created_at=context.now())
    tx.add(attachment)
    volume.attached_mode = mode
    await rules.complete(context, tx, volume, attachment)


async def detach(context: Context, tx: AsyncSession, volume: Volume, attachment_id: str | None) -> None:
    """Write down that it was given back; which attachment must be said where there are several."""
    attachments = await rules.of_volume(tx, volume)
    if attachment_id is None and len(attachments) > 1:
        raise BadRequest("Invalid volume: Detach volume failed: More than one attachment, but no attachment_id provided.",
                         type="InvalidVolume")
    attachment = await tx.get(Attachment, attachment_id) if attachment_id else next(iter(attachments), None)
    if attachment is not None and attachment.volume_id != volume.id:
        raise BadRequest("Invalid input received: Mismatched volume and attachment")
    _require_awake(volume, "detached")
    if attachment is not None:
        rules.require_loose(attachment)
    await rules.remove(context, tx, volume, attachment)


async def initialize(context: Context, tx: AsyncSession, volume: Volume, connector: Any) -> dict[str, Any]:
    """What a connector is told of the volume."""
    if not isinstance(connector, dict):
        raise BadRequest("Invalid input received: the connector is an object that says who connects: host, mountpoint, mode.")
    if volume.status == states.MAINTENANCE:
        raise BadRequest("Invalid volume: The volume connection cannot be initialized in maintenance mode.", type="InvalidVolume")
    mode = "ro" if volume.readonly else volume.attached_mode or str(connector.get("mode") or "rw")
    limits = (await qos.of_volumes(tx, [volume])).get(volume.id)
    return {**rules.connection(volume, None, mode, limits), "enforce_multipath": bool(connector.get("enforce_multipath", False))}


async def terminate(context: Context, tx: AsyncSession, volume: Volume) -> None:
    attachments = await rules.of_volume(tx, volume)
    for attachment in attachments if len(attachments) == 1 else ():
        rules.require_loose(attachment)
    await unreserve(context, tx, volume)


def _require_awake(volume: Volume, doing: str) -> None:
    if volume.status == states.MAINTENANCE:
        raise BadRequest(f"Invalid volume: The volume cannot be {doing} in maintenance mode.", type="InvalidVolume")
