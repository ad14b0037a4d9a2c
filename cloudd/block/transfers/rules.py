"""Offering a volume to whoever has its key, and taking one: the volume changes hands with its snapshots, and so does its quota."""

import hashlib
import hmac
import secrets

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import quotas, states
from cloudd.block.events import tell
from cloudd.block.models import Attachment, Transfer, Volume
from cloudd.block.snapshots.find import of_volume
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound


def _digest(salt: str, key: str) -> str:
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()


async def find(tx: AsyncSession, context: Context, transfer_id: str) -> Transfer:
    """Raises NotFound, also for another project's."""
    transfer = await tx.get(Transfer, transfer_id)
    if transfer is None or not (context.is_admin or transfer.project_id == context.project_id):
        raise _missing(transfer_id)
    return transfer


def _missing(transfer_id: str) -> NotFound:
    return NotFound(f"Transfer {transfer_id} could not be found.", type="TransferNotFound")


async def offer(context: Context, tx: AsyncSession, volume: Volume, name: str | None, *, no_snapshots: bool,
                encrypted: bool) -> tuple[Transfer, str]:
    """Offer a volume; with the key, which nobody is told again."""
    states.VOLUME.require(volume, "offer")
    if volume.encryption_key_id is not None and (not encrypted or no_snapshots):
        raise BadRequest("Invalid volume: transferring an encrypted volume is from 3.70 on, and with its snapshots.", type="InvalidVolume")
    if volume.group_id:
        raise BadRequest(f"Invalid volume: Volume {volume.id} must not be part of a group.", type="InvalidVolume")
    for snapshot in [] if no_snapshots else await of_volume(tx, volume.id):
        if snapshot.status != states.AVAILABLE:
            raise BadRequest(f"Invalid snapshot: snapshot: {snapshot.id} status must be available, but it is {snapshot.status}.",
                             type="InvalidSnapshot")
    await tell(tx, context, volume, "transfer.create.start")
    await states.VOLUME.enter(tx, volume, "offer")
    key, salt = secrets.token_hex(8), secrets.token_hex(8)
    transfer = Transfer(id=ids.new_uuid(), volume_id=volume.id, project_id=volume.project_id, name=name, salt=salt,
                        digest=_digest(salt, key), no_snapshots=no_snapshots, created_at=context.now())
    tx.add(transfer)
    volume.updated_at = context.now()
    await tx.flush()
    await tell(tx, context, volume, "transfer.create.end")
    return transfer, key


async def withdraw(context: Context, tx: AsyncSession, transfer: Transfer) -> None:
    """The offer ends, and the volume is available again."""
    volume = await tx.get_one(Volume, transfer.volume_id)
    await tell(tx, context, volume, "transfer.delete.start")
    await tx.delete(transfer)
    if volume.status == states.AWAITING_TRANSFER:
        await states.VOLUME.enter(tx, volume, "withdraw")
    volume.updated_at = context.now()
    await tell(tx, context, volume, "transfer.delete.end")


async def accept(context: Context, tx: AsyncSession, transfer_id: str, key: str) -> Transfer:
    """Take what is offered. Raises BadRequest for a wrong key, OverQuota."""
    transfer = await tx.get(Transfer, transfer_id)
    if transfer is None:
        raise _missing(transfer_id)
    if not hmac.compare_digest(_digest(transfer.salt, key), transfer.digest):
        raise BadRequest(f"Invalid auth key: Attempt to transfer {transfer_id} with invalid auth key.", type="InvalidAuthKey")
    volume = await tx.get_one(Volume, transfer.volume_id)
    snapshots = [] if transfer.no_snapshots else await of_volume(tx, volume.id)
    mine = context.project_id or ""
    await quotas.require_size(tx, mine, volume.size)
    await quotas.require(tx, mine, volume.volume_type_id, volumes=1, snapshots=len(snapshots),
                         gigabytes=volume.size + sum(snapshot.volume_size for snapshot in snapshots))
    await states.VOLUME.enter(tx, volume, "withdraw")
    await tell(tx, context, volume, "transfer.accept.start")
    for row in (volume, *snapshots):
        row.project_id, row.user_id = mine, context.user_id or row.user_id
        row.updated_at = context.now()
    await tx.execute(Attachment.__table__.update().where(Attachment.volume_id == volume.id).values(project_id=mine))
    await tx.delete(transfer)
    await tx.flush()
    await tell(tx, context, volume, "transfer.accept.end")
    return transfer
