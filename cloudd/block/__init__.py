"""Block storage: volumes, their snapshots and attachments. This is the face for the other modules.

A server's volumes are claimed in the transaction that claims the server and its ports, all or none: `reserve`. Its jobs share the locks
of its volumes (their ids), so they begin when whatever is being done to those has ended: a volume that was ordered a moment ago is there
then, or is in error, and `require_ready` tells the server so in the volume's own words. What touches a back end is for steps of jobs:
`connect` at every start of a guest and every attach, since a volume may have moved, and `disconnect` when nobody has it open any more.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import states
from cloudd.block.attachments import classic, rules
from cloudd.block.backends import Backends
from cloudd.block.models import Attachment, Volume
from cloudd.block.types import qos
from cloudd.block.volumes import delete as deletion
from cloudd.block.volumes.create import Order, create
from cloudd.block.volumes.find import find as get
from cloudd.block.volumes.find import visible
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.core.parts import Parts
from cloudd.drivers.volume.base import Access, Connection

__all__ = ["Attachment", "Order", "Volume", "admit", "begin_detach", "complete", "connect", "create", "delete_loose", "disconnect", "get",
           "many", "release", "require_ready", "reserve", "roll_back_detach"]


async def many(context: Context, tx: AsyncSession, volume_ids: Iterable[str]) -> dict[str, Volume]:
    """Those of the volumes that there are and that the caller may see, by id."""
    rows = (await tx.execute(visible(context).where(Volume.id.in_(set(volume_ids))))).scalars()
    return {row.id: row for row in rows}


async def reserve(context: Context, tx: AsyncSession, volume: Volume, server_id: str, *, mode: str = "rw") -> Attachment:
    """Claim a volume for a server; it is nobody else's from now on, and only `release` ends it. One of them a server and volume.

    One that is still being made can be claimed as well. Raises BadRequest.
    """
    return await rules.reserve(context, tx, volume, server_id, mode=mode, held=True)


async def complete(context: Context, tx: AsyncSession, attachment_id: str, *, host: str, device: str | None) -> None:
    """The guest has it. Said twice, it is so once."""
    attachment = await tx.get_one(Attachment, attachment_id)
    volume = await tx.get_one(Volume, attachment.volume_id)
    if attachment.attach_status != states.ATTACHED:
        await rules.connect(context, tx, volume, attachment, {"host": host, "mountpoint": device or "na"})
        await rules.complete(context, tx, volume, attachment)


async def begin_detach(context: Context, tx: AsyncSession, attachment_id: str) -> None:
    """The guest is being asked for it. Raises BadRequest when it is not in use."""
    await classic.begin_detaching(context, tx, await _volume_of(tx, attachment_id))


async def roll_back_detach(context: Context, tx: AsyncSession, attachment_id: str) -> None:
    """The guest does not let go: in use again. Of one that has been released meanwhile, nothing is done."""
    if await tx.get(Attachment, attachment_id) is not None:
        await classic.roll_detaching(context, tx, await _volume_of(tx, attachment_id))


async def release(context: Context, tx: AsyncSession, attachment_id: str) -> None:
    """End one attachment, from whatever it was; the others of the volume stay. Done twice, it is done once."""
    attachment = await tx.get(Attachment, attachment_id)
    if attachment is not None:
        await rules.remove(context, tx, await tx.get_one(Volume, attachment.volume_id), attachment)


async def _volume_of(tx: AsyncSession, attachment_id: str) -> Volume:
    return await tx.get_one(Volume, (await tx.get_one(Attachment, attachment_id)).volume_id)


async def require_ready(tx: AsyncSession, volume_ids: Iterable[str]) -> None:
    """Raise Conflict with the fault of a volume that was not made; for the first step of a job that shares their locks."""
    rows = (await tx.execute(select(Volume).where(Volume.id.in_(set(volume_ids))))).scalars()
    for volume in rows:
        if states.ERROR in volume.status or volume.launched_at is None:
            raise Conflict(f"Volume {volume.id} is {volume.status}. {volume.fault or ''}".strip(), type="VolumeNotCreated")


async def delete_loose(context: Context, tx: AsyncSession, volume_ids: Iterable[str]) -> list[str]:
    """Delete the volumes that were to go with their server. Those that somebody else has, or that have snapshots, stay, as they do in
    Nova. The ids of those that go."""
    gone = []
    for volume in (await many(context, tx, volume_ids)).values():
        try:
            await deletion.delete(context, tx, volume)
        except BadRequest:
            continue
        gone.append(volume.id)
    return gone


async def connect(parts: Parts, attachment_id: str) -> Connection:
    """What a hypervisor opens, as of now; for this start or attach only."""
    async with parts.database.read() as tx:
        attachment = await tx.get_one(Attachment, attachment_id)
        volume = await tx.get_one(Volume, attachment.volume_id)
        limits = await qos.limits_of(tx, volume)
    access = Access(read_only=attachment.attach_mode == "ro", shareable=volume.multiattach, limits=limits)
    return await parts.service(Backends).of(volume.host).connect(volume.id, access)


async def admit(parts: Parts, group: int) -> None:
    """Let the group that QEMU runs in through to volumes."""
    for driver in parts.service(Backends).by_name.values():
        await driver.admit(group)


async def disconnect(parts: Parts, volume_id: str) -> None:
    """No guest has it open any more. Of one that is gone, nothing is done."""
    async with parts.database.read() as tx:
        volume = await tx.get(Volume, volume_id)
    if volume is not None and volume.host:
        await parts.service(Backends).of(volume.host).disconnect(volume_id)
