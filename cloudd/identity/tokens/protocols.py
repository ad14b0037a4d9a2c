"""What tokens tell of other clouds, and whether those who came from outside may still be here."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.database import Database
from cloudd.identity.models.extensions import IdentityProvider, Protocol, ServiceProvider
from cloudd.identity.payload import Origin


async def enabled_service_providers(database: Database) -> list[dict[str, Any]]:
    """The clouds that users of this one may go on to."""
    async with database.read() as tx:
        rows = (await tx.execute(select(ServiceProvider).where(ServiceProvider.enabled).order_by(ServiceProvider.id))).scalars()
        return [{"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url} for row in rows]


async def is_open(tx: AsyncSession, origin: Origin) -> bool:
    """Whether the identity provider and protocol that somebody came by are still there and enabled."""
    provider = await tx.get(IdentityProvider, origin.idp_id)
    return provider is not None and provider.enabled and await tx.get(Protocol, (origin.idp_id, origin.protocol_id)) is not None
