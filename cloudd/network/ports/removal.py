"""Deleting a port on somebody's request: not those that a router or a floating address lives on."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import Conflict
from cloudd.network.models import Port
from cloudd.network.ports import dhcp, ports

KEPT = ("network:router_interface", "network:router_gateway", "network:floatingip")


async def delete(context: Context, tx: AsyncSession, port: Port) -> None:
    """Delete a port; that of DHCP comes back as long as a subnet wants it."""
    if port.service in KEPT:
        raise Conflict(f"Port {port.id} cannot be deleted directly via the port API: has device owner {port.device_owner}.",
                       type="ServicePortInUse")
    served_dhcp = port.service == dhcp.OWNER
    await ports.drop(context, tx, port)
    if served_dhcp:
        await dhcp.ensure(context, tx, port.network_id)
