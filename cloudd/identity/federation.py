"""What tokens tell of other clouds."""

from typing import Any

from sqlalchemy import select

from cloudd.core.database import Database
from cloudd.identity.models.extensions import ServiceProvider


async def enabled_service_providers(database: Database) -> list[dict[str, Any]]:
    """The clouds that users of this one may go on to."""
    async with database.read() as tx:
        rows = (await tx.execute(select(ServiceProvider).where(ServiceProvider.enabled).order_by(ServiceProvider.id))).scalars()
        return [{"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url} for row in rows]
