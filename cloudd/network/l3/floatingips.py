"""The rules of floating addresses: an address of an external network that leads through a router to a port."""

import ipaddress
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NoCapacity, NotFound
from cloudd.network import changes, standard
from cloudd.network.config import QUOTAS
from cloudd.network.models import Allocation, FloatingIp, Network, Port, Router, Subnet
from cloudd.network.ports import floating_links, ports

OWNER = "network:floatingip"
INTERFACE = "network:router_interface"
PLAIN = ("description", "dns_name", "dns_domain")
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> FloatingIp:
    network = await standard.network(context, tx, values["floating_network_id"])
    if not network.external:
        raise BadRequest(f"Bad floatingip request: Network {network.id} is not a valid external network.", type="BadRequest")
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, floatingip=1)
    row = standard.born(context, FloatingIp, project, floating_network_id=network.id, status="DOWN",
                        **{name: values[name] for name in PLAIN if values.get(name) is not None})
    body = await _body(context, tx, network, row.id, values)
    row.floating_port_id = body.id
    row.floating_ip_address = body.fixed_ips[0].ip_address
    tx.add(row)
    standard.set_tags(row, values.get("tags") or [])
    await tx.flush()
    if values.get("port_id"):
        await _associate(context, tx, row, values["port_id"], values.get("fixed_ip_address"))
    elif values.get("fixed_ip_address"):
        raise BadRequest("Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", type="BadRequest")
    await standard.fresh(tx, row)
    await standard.tell(tx, context, "floatingip", "create", row)
    return row


async def _body(context: Context, tx: AsyncSession, network: Network, row_id: str, values: Values) -> Port:
    """The port that holds the address; it belongs to nobody, so that members do not see it."""
    query = select(Subnet).where(Subnet.network_id == network.id, Subnet.ip_version == 4).order_by(Subnet.created_at, Subnet.id)
    subnets = list((await tx.execute(query)).scalars())
    if not subnets:
        raise BadRequest(f"Bad floatingip request: Network {network.id} does not contain any IPv4 subnet.", type="BadRequest")
    address, subnet_id = values.get("floating_ip_address"), values.get("subnet_id")
    wishes = [{key: value for key, value in (("subnet_id", subnet_id), ("ip_address", address)) if value}]
    if not wishes[0]:
        wishes = [{"subnet_id": subnet.id} for subnet in subnets]
    for wish in wishes:
        try:
            return await ports.make(context, tx, network, "", {"device_id": row_id, "fixed_ips": [wish]}, service=OWNER)
        except NoCapacity:
            continue
    raise BadRequest(f"Unable to find any IP address on external network {network.id}.", type="ExternalIpAddressExhausted")


async def update(context: Context, tx: AsyncSession, row: FloatingIp, values: Values) -> FloatingIp:
    """Move, cut or describe a floating address; an update that says nothing cuts it, as Neutron's does."""
    if not values:
        values = {"port_id": None}
    for name in PLAIN:
        if values.get(name) is not None:
            setattr(row, name, values[name])
    if "port_id" in values:
        if values["port_id"] is None:
            await floating_links.disassociate(context, tx, row)
        else:
            await _associate(context, tx, row, values["port_id"], values.get("fixed_ip_address"))
    elif values.get("fixed_ip_address") is not None:
        if row.port_id is None:
            raise BadRequest("Bad floatingip request: fixed_ip_address cannot be specified without a port_id.", type="BadRequest")
        await _associate(context, tx, row, row.port_id, values["fixed_ip_address"])
    standard.touch(context, row)
    await standard.fresh(tx, row)
    await standard.tell(tx, context, "floatingip", "update", row)
    return row


async def _associate(context: Context, tx: AsyncSession, row: FloatingIp, port_id: str, fixed: str | None) -> None:
    port = await _target(context, tx, row, port_id)
    inner = _inner_address(port, fixed)
    await _require_free(tx, row, port, inner.ip_address)
    router_id = await _router_between(tx, row, port, inner.subnet_id)
    was = row.router_id
    row.port_id, row.fixed_ip_address, row.router_id = port.id, inner.ip_address, router_id
    row.status = "DOWN"
    await tx.flush()
    for changed in dict.fromkeys(filter(None, (was, router_id))):
        await changes.router(tx, context, changed)


async def _target(context: Context, tx: AsyncSession, row: FloatingIp, port_id: str) -> Port:
    port = await standard.port(context, tx, port_id)
    if port.project_id != row.project_id and not standard.sees_all(context):
        raise BadRequest(f"Bad floatingip request: Cannot process floating IP association with Port {port_id}, since that "
                         "port is owned by a different project.", type="BadRequest")
    return port


def _inner_address(port: Port, fixed: str | None) -> Allocation:
    rows = [row for row in port.fixed_ips if ipaddress.ip_address(row.ip_address).version == 4]
    if fixed:
        rows = [row for row in rows if row.ip_address == str(ipaddress.ip_address(fixed))]
        if not rows:
            raise BadRequest(f"Bad floatingip request: Port {port.id} does not have fixed ip {fixed}.", type="BadRequest")
    if not rows:
        raise BadRequest(f"Bad floatingip request: Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses.",
                         type="BadRequest")
    return rows[0]


async def _require_free(tx: AsyncSession, row: FloatingIp, port: Port, inner: str) -> None:
    query = select(FloatingIp.id).where(FloatingIp.port_id == port.id, FloatingIp.fixed_ip_address == inner,
                                        FloatingIp.id != row.id, FloatingIp.floating_network_id == row.floating_network_id)
    if (await tx.execute(query)).scalar() is not None:
        raise Conflict(f"Cannot associate floating IP {row.floating_ip_address} ({row.id}) with port {port.id} using fixed IP "
                       f"{inner}, as that fixed IP already has a floating IP on external network {row.floating_network_id}.",
                       type="FloatingIPPortAlreadyAssociated")


async def _router_between(tx: AsyncSession, row: FloatingIp, port: Port, subnet_id: str) -> str:
    """The router from the port's subnet to the external network; the one that is the subnet's gateway before others."""
    gateways = select(Port.id).where(Port.network_id == row.floating_network_id)
    query = (select(Router.id, Allocation.ip_address == Subnet.gateway_ip)
             .join(Port, (Port.router_id == Router.id) & (Port.service == INTERFACE))
             .join(Allocation, Allocation.port_id == Port.id).join(Subnet, Subnet.id == Allocation.subnet_id)
             .where(Allocation.subnet_id == subnet_id, Router.gw_port_id.in_(gateways)))
    found = sorted((await tx.execute(query)), key=lambda one: (not one[1], one[0]))
    if not found:
        raise NotFound(f"External network {row.floating_network_id} is not reachable from subnet {subnet_id}.  Therefore, cannot "
                       f"associate Port {port.id} with a Floating IP.", type="ExternalGatewayForFloatingIPNotFound")
    return found[0][0]


async def delete(context: Context, tx: AsyncSession, row: FloatingIp) -> None:
    router_id, body_id = row.router_id, row.floating_port_id
    await standard.tell(tx, context, "floatingip", "delete", row)
    await tx.delete(row)
    await tx.flush()
    body = await tx.get(Port, body_id)
    if body is not None:
        await ports.drop(context, tx, body)
    if router_id:
        await changes.router(tx, context, router_id)
