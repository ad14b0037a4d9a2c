"""Messages as their readers see them: upstream's event ids, with the cause in words."""

from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Message
from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.database import Database
from cloudd.core.errors import NotFound

DOING = {
    "001": "choosing a back end for the volume", "002": "attaching the volume", "003": "uploading the volume to an image",
    "004": "updating the attachment", "005": "copying the image to the volume", "006": "unmanaging the volume",
    "007": "extending the volume", "008": "creating the volume", "009": "creating the snapshot", "010": "deleting the snapshot",
    "011": "updating the snapshot", "012": "updating the snapshot's metadata", "013": "creating the backup",
    "014": "deleting the backup", "015": "restoring the backup", "016": "reimaging the volume"}
"""What was being done, by upstream's numbers (Action)."""
WRONG = {
    "001": "an unknown error occurred", "002": "the driver is not ready", "003": "no back end could take it",
    "004": "the back end failed to upload it", "005": "the attach mode is not valid", "006": "the quota is not enough",
    "007": "the image does not fit", "008": "encrypted volumes cannot be unmanaged", "009": "the server could not extend it",
    "010": "the driver failed to extend it", "011": "the image's signature is not valid", "012": "the driver failed to create it",
    "013": "it could not be created", "014": "its metadata could not be updated", "015": "it is busy",
    "016": "it could not be deleted", "017": "the backup's status does not allow it", "018": "the backup service is down",
    "019": "the volume could not be read for the backup", "020": "the backup could not be written", "021": "it could not be attached",
    "022": "it could not be detached", "023": "what was made for the backup could not be removed",
    "024": "there is no backup service for it", "025": "the backup could not be deleted", "026": "the backup could not be restored",
    "027": "the volume's status does not allow it", "028": "the server could not reimage it",
    "029": "the image's format does not fit the volume type", "030": "an incremental backup was not possible, a full one was made"}
"""What was wrong, by upstream's numbers (Detail)."""


def event_id(row: Message) -> str:
    """`VOLUME_VOLUME_001_003`."""
    return f"VOLUME_{row.resource_type}_{row.action}_{row.detail}"


def text(row: Message) -> str:
    """All of it in words: what was done, what was wrong, why."""
    return f"{DOING.get(row.action, 'working')}: {WRONG.get(row.detail, WRONG['001'])}" + (f": {row.cause}" if row.cause else "")


def by_event(value: str) -> tuple[str, str, str] | None:
    """Resource, action and detail of an event id; None for what is none."""
    parts = value.removeprefix("VOLUME_").rsplit("_", 2)
    return (parts[0], parts[1], parts[2]) if value.startswith("VOLUME_") and len(parts) == 3 else None


def visible(context: Context) -> Select[Any]:
    """A project's own; administrators see all."""
    query = select(Message)
    return query if context.is_admin else query.where(Message.project_id == (context.project_id or ""))


async def find(tx: AsyncSession, context: Context, message_id: str) -> Message:
    """Raises NotFound."""
    row = (await tx.execute(visible(context).where(Message.id == message_id))).scalar()
    if row is None:
        raise NotFound(f"Message {message_id[:255]} could not be found.", type="MessageNotFound")
    return row


async def forget_old(database: Database) -> int:
    """Delete messages that are kept no longer."""
    async with database.write() as tx:
        return (await tx.execute(delete(Message).where(Message.expires_at < clock.now()))).rowcount
