"""What compute tells of servers, under the names of Nova's notifications (`compute.instance.create.end`)."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server
from cloudd.core import clock, events
from cloudd.core.context import Context


@dataclass(frozen=True)
class ServerChanged(events.Event):
    """Something was done to a server; `event` says what."""

    resource_id: str
    server: dict[str, Any] = field(default_factory=dict)
    event: str = "compute.instance.update"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.event


async def tell(tx: AsyncSession, context: Context, server: Server, verb: str, *, error: str = "") -> None:
    """Emit `compute.instance.{verb}` (`create.start`, `power_off.end`, `update`) with what meters and watchers want."""
    facts = {"name": server.name, "state": server.vm_state, "task_state": server.task_state, "host": server.host,
             "flavor_id": server.flavor_id, "flavor_name": server.flavor.get("name"), "vcpus": server.vcpus,
             "memory_mb": server.memory_mb, "root_gb": server.root_gb, "ephemeral_gb": server.ephemeral_gb,
             "image_id": server.image_id, "availability_zone": server.availability_zone, "user_id": server.user_id,
             "created_at": clock.iso(server.created_at), "launched_at": clock.iso(server.launched_at),
             "deleted_at": clock.iso(server.deleted_at)}
    if error:
        facts["fault"] = error
    await events.emit(tx, context, ServerChanged(server.id, facts, f"compute.instance.{verb}"), project_id=server.project_id)
