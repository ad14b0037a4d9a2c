"""What block storage tells of its resources, under the names of Cinder's notifications (`volume.create.end`, `snapshot.delete.start`)."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Snapshot, Transfer, Volume
from cloudd.core import clock, events
from cloudd.core.context import Context


@dataclass(frozen=True)
class BlockChanged(events.Event):
    """Something was done to a volume or what belongs to one; `event` says what."""

    resource_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    event: str = "volume.update"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.event


async def tell(tx: AsyncSession, context: Context, row: Volume | Snapshot | Transfer, verb: str, **more: Any) -> None:
    """Emit `volume.{verb}`, `snapshot.{verb}` or `transfer.{verb}` with what meters and watchers want."""
    kind = {Volume: "volume", Snapshot: "snapshot", Transfer: "transfer"}[type(row)]
    facts = {"name": row.name, "created_at": clock.iso(row.created_at), **_facts(row), **more}
    await events.emit(tx, context, BlockChanged(row.id, facts, f"{kind}.{verb}"), project_id=row.project_id)


def _facts(row: Volume | Snapshot | Transfer) -> dict[str, Any]:
    if isinstance(row, Volume):
        names = ("size", "status", "volume_type_id", "availability_zone", "host", "user_id", "snapshot_id", "source_volid")
    elif isinstance(row, Snapshot):
        names = ("volume_id", "volume_size", "status", "volume_type_id", "user_id")
    else:
        names = ("volume_id",)
    return {name: getattr(row, name) for name in names}


async def record(tx: AsyncSession, context: Context, event: str, resource_id: str, **facts: Any) -> None:
    """Tell of a plain record, a type or a service: `volume_type.create`."""
    await events.emit(tx, context, BlockChanged(resource_id, facts, event))
