"""What compute does with ports and floating addresses in its own transactions: make, take, give back, delete.

The dataplane of a port that is made or taken is made when compute wires it, which is while its hypervisor starts.
"""

import ipaddress
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.network import changes, standard, usage
from cloudd.network.config import CONFIG, QUOTAS
from cloudd.network.l3 import floatingips
from cloudd.network.models import FloatingIp, Network, Port, Subnet
from cloudd.network.ports import ports


async def create_port(context: Context, tx: AsyncSession, *, network_id: str, device_id: str, device_owner: str,
                      fixed_ips: list[dict[str, Any]] | None = None, security_groups: list[str] | None = None,
                      mac_address: str | None = None, name: str = "", dns_name: str = "") -> Port:
    """A port for a server of the caller's project. `fixed_ips` as in Neutron; `security_groups` ids, None: the default one."""
    network = await standard.network(context, tx, network_id)
    await QUOTAS.require(tx, context.project_id or "", port=1)
    if not network.port_security_enabled and security_groups:
        security_groups = []
    return await ports.make(context, tx, network, context.project_id or "", {
        "device_id": device_id, "device_owner": device_owner, "fixed_ips": fixed_ips, "security_groups": security_groups,
        "mac_address": mac_address, "name": name, "dns_name": dns_name, "host_id": CONFIG.host}, apply=False)


async def bind_port(context: Context, tx: AsyncSession, port_id: str, *, device_id: str, device_owner: str,
                    dns_name: str = "") -> Port:
    """Take a port that the caller made. Raises Conflict when another device has it, NotFound when it is not his."""
    port = await standard.owned(context, tx, Port, port_id, "Port")
    if port.device_id and port.device_id != device_id:
        raise Conflict(f"Port {port_id} is still in use.", type="PortInUse")
    if port.is_ours:
        raise Conflict(f"Port {port_id} is not usable: it belongs to {port.device_owner}.", type="PortInUse")
    port.device_id, port.device_owner, port.host_id = device_id, device_owner, CONFIG.host
    port.dns_name = port.dns_name or dns_name
    standard.touch(context, port)
    await tx.flush()
    return await standard.fresh(tx, port)


async def release_port(context: Context, tx: AsyncSession, port_id: str) -> None:
    """Give back a port that the user had brought; it lives on, unbound."""
    port = await tx.get(Port, port_id)
    if port is None:
        return
    port.device_id, port.device_owner, port.host_id, port.status = "", "", "", "DOWN"
    port.dns_name = ""
    standard.touch(context, port)
    await changes.port_gone(tx, context, port)
    await tx.flush()


async def delete_port(context: Context, tx: AsyncSession, port_id: str) -> None:
    """Delete a port that compute made; one that is gone is no fault."""
    port = await tx.get(Port, port_id)
    if port is not None:
        await ports.drop(context, tx, port)


async def usable_networks(context: Context, tx: AsyncSession) -> list[Network]:
    """The networks that a server may be put on without naming one: the project's own and those shared with it."""
    own = select(Network).where(Network.project_id == context.project_id)
    shared = select(Network).where(standard.shared_to(context, Network.id), Network.project_id != context.project_id)
    rows: list[Network] = []
    for query in (own, shared):
        rows += (await tx.execute(query.order_by(Network.created_at, Network.id))).scalars()
    return [row for row in rows if not row.external or context.is_admin]


async def has_subnets(tx: AsyncSession, network_id: str) -> bool:
    return bool((await tx.execute(select(exists().where(Subnet.network_id == network_id)))).scalar())


async def used(tx: AsyncSession, project_id: str) -> dict[str, int]:
    """How many floating IPs, security groups, ports ... a project has, by Neutron's quota names."""
    return dict(await usage.count(tx, project_id))


async def limits(tx: AsyncSession, project_id: str) -> dict[str, int]:
    return await QUOTAS.limits(tx, project_id)


async def associate_floating_ip(context: Context, tx: AsyncSession, address: str, port_id: str, fixed: str | None = None) -> None:
    """Lead a floating address of the project to a port. Raises NotFound, BadRequest, Conflict."""
    row = await _floating(context, tx, address)
    await floatingips.update(context, tx, row, {"port_id": port_id, **({"fixed_ip_address": fixed} if fixed else {})})


async def disassociate_floating_ip(context: Context, tx: AsyncSession, address: str, port_ids: list[str]) -> None:
    """Cut a floating address off one of these ports. Raises NotFound when it leads to none of them."""
    row = await _floating(context, tx, address)
    if row.port_id not in port_ids:
        raise NotFound(f"Floating IP {address} is not associated with this server.", type="FloatingIpNotAssociated")
    await floatingips.update(context, tx, row, {"port_id": None})


async def _floating(context: Context, tx: AsyncSession, address: str) -> FloatingIp:
    try:
        address = str(ipaddress.ip_address(address))
    except ValueError:
        raise BadRequest(f"Invalid floating IP address '{address}'.") from None
    query = select(FloatingIp).where(FloatingIp.floating_ip_address == address)
    if not standard.sees_all(context):
        query = query.where(FloatingIp.project_id == context.project_id)
    row = (await tx.execute(query)).scalars().first()
    if row is None:
        raise NotFound(f"Floating IP {address} could not be found.", type="FloatingIPNotFound")
    return row
