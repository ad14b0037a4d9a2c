"""The rules of routers: gateways to external networks and routes. Interfaces have a page of their own."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.network import changes, standard
from cloudd.network.config import CONFIG, QUOTAS
from cloudd.network.models import Allocation, FloatingIp, Network, Port, Router, Subnet
from cloudd.network.ports import ports

INTERFACE, GATEWAY = "network:router_interface", "network:router_gateway"
MAX_ROUTES = 30
Values = dict[str, Any]
Routes = list[dict[str, str]]


async def create(context: Context, tx: AsyncSession, values: Values) -> Router:
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, router=1)
    hints = values.get("availability_zone_hints") or []
    if unknown := [hint for hint in hints if hint != CONFIG.zone]:
        raise BadRequest(f"AvailabilityZone {unknown[0]} could not be found; there is: {CONFIG.zone}.",
                         type="AvailabilityZoneNotFound")
    _check_flags(values)
    state = values.get("admin_state_up")
    router = standard.born(context, Router, project, name=values.get("name") or "", description=values.get("description") or "",
                           admin_state_up=True if state is None else state, availability_zone_hints=hints, status="ACTIVE")
    tx.add(router)
    standard.set_tags(router, values.get("tags") or [])
    await tx.flush()
    if values.get("external_gateway_info"):
        await set_gateway(context, tx, router, values["external_gateway_info"])
    await changes.router(tx, context, router.id)
    await standard.fresh(tx, router)
    await standard.tell(tx, context, "router", "create", router)
    return router


def _check_flags(values: Values) -> None:
    for name in ("distributed", "ha"):
        if values.get(name):
            raise BadRequest(f"Bad router request: {name} routers need several hosts, this cloud has one.", type="BadRequest")


async def update(context: Context, tx: AsyncSession, router: Router, values: Values) -> Router:
    _check_flags(values)
    for name in ("name", "description", "admin_state_up"):
        if values.get(name) is not None:
            setattr(router, name, values[name])
    if "external_gateway_info" in values:
        await set_gateway(context, tx, router, values["external_gateway_info"] or {})
    if "routes" in values:
        await _set_routes(tx, router, values["routes"] or [])
    standard.touch(context, router)
    await changes.router(tx, context, router.id)
    await standard.fresh(tx, router)
    await standard.tell(tx, context, "router", "update", router)
    return router


async def delete(context: Context, tx: AsyncSession, router: Router) -> None:
    """Delete a router without interfaces; its gateway goes with it."""
    query = select(Port.id).where(Port.router_id == router.id, Port.service == INTERFACE).order_by(Port.id)
    held = list((await tx.execute(query)).scalars())
    if held:
        raise Conflict(f"Router {router.id} still has ports: {', '.join(held)}.", type="RouterInUse")
    await _require_no_floating(tx, router)
    await standard.tell(tx, context, "router", "delete", router)
    await _drop_gateway(context, tx, router)
    await tx.delete(router)
    await changes.router(tx, context, router.id)


async def set_gateway(context: Context, tx: AsyncSession, router: Router, info: Values) -> None:
    """Give the router a gateway in an external network, change it, or (empty) take it away."""
    network_id = info.get("network_id")
    if network_id is None:
        if info:
            raise BadRequest("Invalid input for external_gateway_info. Reason: 'network_id' is missing.", type="HTTPBadRequest")
        await _require_no_floating(tx, router)
        await _drop_gateway(context, tx, router)
        return
    network = await standard.network(context, tx, network_id)
    if not network.external:
        raise BadRequest(f"Bad router request: Network {network_id} is not an external network.", type="BadRequest")
    snat = info.get("enable_snat")
    router.enable_snat = True if snat is None else snat
    wanted = [{key: value for key, value in one.items() if value is not None} for one in info.get("external_fixed_ips") or []]
    port = router.gw_port if router.gw_port_id else None
    if port is not None and port.network_id == network_id:
        if wanted:
            await _move_gateway(context, tx, port, wanted)
        return
    if port is not None:
        await _require_no_floating(tx, router)
        await _drop_gateway(context, tx, router)
    await _make_gateway(context, tx, router, network, wanted)


async def _make_gateway(context: Context, tx: AsyncSession, router: Router, network: Network, wanted: list[Values]) -> None:
    await _require_apart(tx, router, network)
    port = await ports.make(context, tx, network, "", {
        "device_id": router.id, "host_id": CONFIG.host, "fixed_ips": wanted or None}, service=GATEWAY, router_id=router.id)
    router.gw_port_id = port.id
    await tx.flush()
    await tx.refresh(router)


async def _move_gateway(context: Context, tx: AsyncSession, port: Port, wanted: list[Values]) -> None:
    await ports.update(context, tx, port, {"fixed_ips": wanted})


async def _drop_gateway(context: Context, tx: AsyncSession, router: Router) -> None:
    port = await tx.get(Port, router.gw_port_id) if router.gw_port_id else None
    router.gw_port_id = None
    await tx.flush()
    if port is not None:
        await ports.drop(context, tx, port)
        await tx.refresh(router)


async def _require_no_floating(tx: AsyncSession, router: Router) -> None:
    if router.gw_port_id is None:
        return
    query = select(FloatingIp.floating_ip_address).where(FloatingIp.router_id == router.id)
    used = list((await tx.execute(query)).scalars())
    if used:
        raise Conflict(f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
                       f"{router.gw_port.network_id} is required by one or more floating IPs: {', '.join(used)}.",
                       type="RouterExternalGatewayInUseByFloatingIp")


async def _require_apart(tx: AsyncSession, router: Router, network: Network) -> None:
    """The external subnets must not overlap those that the router joins."""
    query = select(Subnet).where(Subnet.network_id == network.id)
    for subnet in (await tx.execute(query)).scalars().all():
        await require_no_overlap(tx, router, subnet)


async def subnets_on(tx: AsyncSession, router: Router, *, gateway: bool = True) -> list[Subnet]:
    """The subnets that a router has an address in."""
    owners = (INTERFACE, GATEWAY) if gateway else (INTERFACE,)
    query = select(Subnet).join(Allocation, Allocation.subnet_id == Subnet.id).join(Port, Port.id == Allocation.port_id).where(
        Port.router_id == router.id, Port.service.in_(owners)).distinct()
    return list((await tx.execute(query)).scalars())


async def require_no_overlap(tx: AsyncSession, router: Router, subnet: Subnet) -> None:
    """Raise BadRequest when the router has the subnet already, or one that overlaps it."""
    net = ipaddress.ip_network(subnet.cidr)
    for other in await subnets_on(tx, router):
        if other.id == subnet.id:
            raise BadRequest(f"Bad router request: Router already has a port on subnet {subnet.id}.", type="BadRequest")
        other_net = ipaddress.ip_network(other.cidr)
        if other_net.version == net.version and other_net.overlaps(net):
            raise BadRequest(f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr "
                             f"{other.cidr} of subnet {other.id}.", type="BadRequest")


async def add_routes(context: Context, tx: AsyncSession, router: Router, routes: Routes) -> Router:
    """Add routes; those that are there already stay."""
    have = _plain(router.routes)
    return await update(context, tx, router, {"routes": have + [one for one in _plain(routes) if one not in have]})


async def remove_routes(context: Context, tx: AsyncSession, router: Router, routes: Routes) -> Router:
    gone = _plain(routes)
    return await update(context, tx, router, {"routes": [one for one in _plain(router.routes) if one not in gone]})


def _plain(routes: Iterable[dict[str, str]]) -> Routes:
    return [{"destination": str(ipaddress.ip_network(one["destination"], strict=False)),
             "nexthop": str(ipaddress.ip_address(one["nexthop"]))} for one in routes]


async def _set_routes(tx: AsyncSession, router: Router, routes: Routes) -> None:
    routes = _plain(routes)
    if len(routes) > MAX_ROUTES:
        raise BadRequest(f"Unable to complete operation for {router.id}. The number of routes exceeds the maximum {MAX_ROUTES}.",
                         type="RoutesExhausted")
    if doubled := [one for number, one in enumerate(routes) if one in routes[:number]]:
        raise BadRequest(f"Invalid input for routes. Reason: Duplicate route {doubled[0]}.", type="HTTPBadRequest")
    subnets = await subnets_on(tx, router)
    own = select(Allocation.ip_address).join(Port, Port.id == Allocation.port_id).where(
        Port.router_id == router.id, Port.service.in_((INTERFACE, GATEWAY)))
    addresses = set((await tx.execute(own)).scalars())
    for one in routes:
        reason = _fault(one, subnets, addresses)
        if reason:
            raise BadRequest(f"Invalid format for routes: {routes}, {reason}", type="InvalidRoutes")
    router.routes = sorted(routes, key=lambda one: (one["destination"], one["nexthop"]))


def _fault(route: dict[str, str], subnets: list[Subnet], addresses: set[str]) -> str | None:
    hop = ipaddress.ip_address(route["nexthop"])
    if not any(hop in ipaddress.ip_network(subnet.cidr) for subnet in subnets):
        return f"the nexthop {hop} is not connected with router"
    if str(hop) in addresses:
        return f"the nexthop {hop} is used by router"
    return None
