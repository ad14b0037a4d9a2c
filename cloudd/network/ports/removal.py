"""Deleting a port on somebody's request: not those that a router or a floating address lives on."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import Conflict
from cloudd.network.models import Port, Router
from cloudd.network.ports import dhcp, floating_links, ports

KEPT_OWNERS = ("network:router_interface", "network:router_gateway", "network:floatingip")


async def delete(context: Context, tx: AsyncSession, port: Port) -> None:
    """Delete a port; that of DHCP comes back as long as a subnet wants it."""
    if port.device_owner in KEPT_OWNERS and await _in_service(tx, port):
        raise Conflict(f"Port {port.id} cannot be deleted directly via the port API: has device owner {port.device_owner}.",
                       type="ServicePortInUse")
    await ports.drop(context, tx, port)
    if port.device_owner == dhcp.OWNER:
        await dhcp.ensure(context, tx, port.network_id)


async def _in_service(tx: AsyncSession, port: Port) -> bool:
    if port.device_owner == "network:floatingip":
        return await floating_links.holds(tx, port.id)
    return await tx.get(Router, port.device_id) is not None
