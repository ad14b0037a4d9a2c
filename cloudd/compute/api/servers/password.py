"""The password that a guest left for its owner, encrypted with his key."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.core.http.types import Record, Text

RULE = "os_compute_api:os-server-password:{}"
resource = API.resource("/servers/{server}/os-server-password")


@resource.get("", policy=RULE.format("show"), answer=Record({"password": Text()}))
async def show(server: Server) -> dict[str, Any]:
    """Show what the guest left; an empty text while it left nothing."""
    return {"password": server.posted_password or ""}


@resource.delete("", policy=RULE.format("clear"))
async def clear(tx: AsyncSession, server: Server) -> None:
    """Forget it here; the guest's password stays as it is, and the guest may leave another."""
    server.posted_password = None
    await tx.flush()
