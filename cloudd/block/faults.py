"""What went wrong with a volume or snapshot, in words that its owner can act on."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import messages
from cloudd.block.models import Snapshot
from cloudd.core.context import Context
from cloudd.core.jobs import words as words_of
from cloudd.drivers.volume.base import VolumeError


def words(error: BaseException) -> str:
    """One sentence for the owner."""
    return words_of(error, VolumeError)


async def record(tx: AsyncSession, context: Context, row: Any, error: BaseException, *, doing: str, action: str,
                 detail: str = messages.UNKNOWN) -> None:
    """Keep the fault with the row, and leave its owner a message."""
    row.fault = f"{doing}: {words(error)}"
    await messages.tell(tx, context, project_id=row.project_id, resource_id=row.id, action=action, detail=detail, cause=row.fault,
                        kind=messages.SNAPSHOT if isinstance(row, Snapshot) else messages.VOLUME)
