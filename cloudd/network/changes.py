"""Asking for the dataplane to follow the rows: one job a changed subject, equal ones that still wait are one."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.network.models import Port

APPLY_NETWORK = "network.network.apply"
APPLY_ROUTER = "network.router.apply"
APPLY_PORT = "network.port.apply"
APPLY_GROUP = "network.group.apply"


async def ask(tx: AsyncSession, context: Context, kind: str, subject: str) -> None:
    """Ask for one subject's job."""
    await tx.flush()
    await jobs.ask(tx, context, kind, locks=[subject], resource=subject, merge=True, id=subject)


async def network(tx: AsyncSession, context: Context, network_id: str) -> None:
    """A network, its subnets, or who is in its DHCP and DNS changed."""
    await ask(tx, context, APPLY_NETWORK, network_id)


async def router(tx: AsyncSession, context: Context, router_id: str) -> None:
    """A router, its interfaces, gateway, routes or floating addresses changed."""
    await ask(tx, context, APPLY_ROUTER, router_id)


async def port(tx: AsyncSession, context: Context, row: Port) -> None:
    """A port changed: the firewall of a bound one, and DHCP's table."""
    if row.host_id and not row.is_ours:
        await ask(tx, context, APPLY_PORT, row.id)
    await network(tx, context, row.network_id)


async def port_gone(tx: AsyncSession, context: Context, row: Port) -> None:
    if not row.is_ours:
        await ask(tx, context, APPLY_PORT, row.id)
    await network(tx, context, row.network_id)


async def group(tx: AsyncSession, context: Context, group_id: str) -> None:
    """A security group or its rules changed."""
    await ask(tx, context, APPLY_GROUP, group_id)


async def routers_on(tx: AsyncSession, context: Context, network_id: str) -> None:
    """What routers see of a network changed: all that have an interface or their gateway in it."""
    query = select(Port.router_id).where(Port.network_id == network_id, Port.router_id.is_not(None)).distinct()
    for router_id in (await tx.execute(query)).scalars().all():
        await router(tx, context, router_id)
