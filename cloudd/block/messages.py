"""What went wrong, told to the owner of the resource: upstream's event ids, with the cause in words."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.config import CONFIG
from cloudd.block.models import Message
from cloudd.core import ids
from cloudd.core.context import Context

VOLUME, SNAPSHOT, BACKUP = "VOLUME", "VOLUME_SNAPSHOT", "VOLUME_BACKUP"

SCHEDULE, ATTACH, COPY_TO_IMAGE, UPDATE_ATTACHMENT, COPY_IMAGE, UNMANAGE = "001", "002", "003", "004", "005", "006"
EXTEND, CREATE_FROM_BACKEND, SNAPSHOT_CREATE, SNAPSHOT_DELETE, SNAPSHOT_UPDATE = "007", "008", "009", "010", "011"
SNAPSHOT_METADATA, BACKUP_CREATE, BACKUP_DELETE, BACKUP_RESTORE, REIMAGE = "012", "013", "014", "015", "016"
"""Upstream's numbers of what was being done (cinder/message/message_field.py, Action)."""
UNKNOWN, NO_BACKEND, UPLOAD_FAILED, IMAGE_TOO_LARGE, EXTEND_FAILED, CREATE_FAILED = "001", "003", "004", "007", "010", "012"
SNAPSHOT_FAILED, SNAPSHOT_BUSY, SNAPSHOT_DELETE_FAILED, REIMAGE_FAILED, BAD_FORMAT = "013", "015", "016", "028", "029"
"""Upstream's numbers of what was wrong (Detail)."""


async def tell(tx: AsyncSession, context: Context, *, project_id: str, kind: str, resource_id: str, action: str, cause: str,
               detail: str = UNKNOWN) -> None:
    """Leave a message to a project about its resource."""
    now = context.now()
    tx.add(Message(id=ids.new_uuid(), project_id=project_id, request_id=context.request_id, resource_type=kind,
                   resource_id=resource_id, action=action, detail=detail, cause=cause[:4000], created_at=now,
                   expires_at=now + timedelta(days=CONFIG.message_days)))
    await tx.flush()
