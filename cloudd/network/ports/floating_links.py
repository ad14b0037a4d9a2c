"""What ties floating addresses to ports: read and cut where a port, an address or a router goes."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import Conflict
from cloudd.network import changes, standard
from cloudd.network.models import FloatingIp, Port


async def require_unused(tx: AsyncSession, port: Port, gone: Iterable[str]) -> None:
    """Raise Conflict when a floating address leads to one of these addresses of the port."""
    gone = list(gone)
    if not gone:
        return
    query = select(FloatingIp).where(FloatingIp.port_id == port.id, FloatingIp.fixed_ip_address.in_(gone))
    row = (await tx.execute(query)).scalars().first()
    if row is not None:
        raise Conflict(f"Cannot remove fixed IP {row.fixed_ip_address} of port {port.id}: floating IP "
                       f"{row.floating_ip_address} ({row.id}) leads to it.", type="FixedIpInUseByFloatingIP")


async def disassociate(context: Context, tx: AsyncSession, row: FloatingIp) -> None:
    """A floating address leads nowhere from now on."""
    router_id = row.router_id
    row.port_id = row.fixed_ip_address = row.router_id = None
    row.status = "DOWN"
    standard.touch(context, row)
    await tx.flush()
    if router_id:
        await changes.router(tx, context, router_id)


async def disassociate_port(context: Context, tx: AsyncSession, port_id: str) -> None:
    for row in (await tx.execute(select(FloatingIp).where(FloatingIp.port_id == port_id))).scalars().all():
        await disassociate(context, tx, row)
