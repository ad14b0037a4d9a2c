"""The rules of networks."""

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.network import changes, standard
from cloudd.network.config import CONFIG, QUOTAS
from cloudd.network.l2.pools import IPV6_LEAST_MTU, mtu_conflict
from cloudd.network.l3 import floatingips
from cloudd.network.models import FloatingIp, Network, Port, Subnet
from cloudd.network.ports import dhcp, ports
from cloudd.network.security import groups

PLAIN = ("name", "description", "admin_state_up", "port_security_enabled", "dns_domain", "is_default")
TYPES = ("local", "flat", "vlan", "vxlan", "geneve", "gre")
TENANT_TYPE = "vxlan"
SEGMENTS = {"vlan": (1, 4094), "vxlan": (1, 2**24 - 1), "geneve": (1, 2**24 - 1), "gre": (1, 2**24 - 1)}
LEAST_MTU = 68
NAT_PHYSICAL = "public"                              # always there: ends on this host unless the settings give it an interface
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> Network:
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, network=1)
    if project:
        await groups.default_id(context, tx, project)
    external = bool(values.get("external"))
    kind, physical, segment = await _segment(tx, values)
    network = standard.born(context, Network, project, external=external, network_type=kind, physical_network=physical,
                            segmentation_id=segment, mtu=_mtu(values.get("mtu")), status="ACTIVE", rbac=[],
                            availability_zone_hints=values.get("availability_zone_hints") or [],
                            **{name: values[name] for name in PLAIN if values.get(name) is not None})
    _check_zones(network.availability_zone_hints)
    if network.is_default:
        await _only_default(tx, network)
    tx.add(network)
    _share(context, network, values)
    standard.set_tags(network, values.get("tags") or [])
    await changes.network(tx, context, network.id)
    set_committed_value(network, "subnets", [])
    await standard.tell(tx, context, "network", "create", network)
    return network


def _check_zones(hints: list[str]) -> None:
    if unknown := [hint for hint in hints if hint != CONFIG.zone]:
        raise BadRequest(f"AvailabilityZone {unknown[0]} could not be found; there is: {CONFIG.zone}.",
                         type="AvailabilityZoneNotFound")


def _mtu(wanted: int | None) -> int:
    if not wanted:
        return CONFIG.mtu
    if not LEAST_MTU <= wanted <= CONFIG.mtu:
        raise BadRequest(f"Invalid input for operation: Requested MTU {wanted} is not from {LEAST_MTU} to {CONFIG.mtu}.",
                         type="InvalidInput")
    return wanted


async def _segment(tx: AsyncSession, values: Values) -> tuple[str, str | None, int | None]:
    """Type, physical network and number of a network's one segment: as an administrator wants it, or a free number."""
    kind, physical, number = (values.get(name) for name in ("network_type", "physical_network", "segmentation_id"))
    if kind is None:
        if physical or number:
            raise BadRequest("Invalid input for operation: network_type required.", type="InvalidInput")
        return TENANT_TYPE, None, await _free_number(tx)
    if kind not in TYPES:
        raise BadRequest(f"Invalid input for operation: network_type value '{kind}' not supported; there are: "
                         f"{', '.join(TYPES)}.", type="InvalidInput")
    if kind in ("flat", "vlan") and not physical:
        raise BadRequest(f"Invalid input for operation: physical_network required for {kind} provider network.",
                         type="InvalidInput")
    if kind not in ("flat", "vlan") and physical:
        raise BadRequest(f"Invalid input for operation: provider:physical_network specified for {kind} network.",
                         type="InvalidInput")
    if physical and physical not in (NAT_PHYSICAL, *CONFIG.bridged):
        raise BadRequest(f"Invalid input for operation: physical_network '{physical}' unknown for {kind} provider network; there "
                         f"are: {', '.join((NAT_PHYSICAL, *CONFIG.bridged))}.", type="InvalidInput")
    if kind in SEGMENTS:
        number = await _number(tx, kind, physical, number)
    elif number is not None:
        raise BadRequest(f"Invalid input for operation: provider:segmentation_id specified for {kind} network.",
                         type="InvalidInput")
    elif kind == "flat" and await _taken(tx, kind, physical, None):
        raise Conflict(f"Unable to create the flat network. Physical network {physical} is in use.", type="FlatNetworkInUse")
    return kind, physical, number


async def _number(tx: AsyncSession, kind: str, physical: str | None, number: int | None) -> int:
    low, high = SEGMENTS[kind]
    if number is None:
        return await _free_number(tx, kind, physical)
    if not low <= number <= high:
        raise BadRequest(f"Invalid input for operation: segmentation_id out of range ({low} through {high}).",
                         type="InvalidInput")
    if await _taken(tx, kind, physical, number):
        where = f"The VLAN {number} on physical network {physical}" if kind == "vlan" else f"The {kind} segment {number}"
        raise Conflict(f"Unable to create the network. {where} is in use.",
                       type="VlanIdInUse" if kind == "vlan" else "TunnelIdInUse")
    return number


async def _taken(tx: AsyncSession, kind: str, physical: str | None, number: int | None) -> bool:
    query = select(Network.id).where(Network.network_type == kind, Network.physical_network == physical,
                                     Network.segmentation_id == number)
    return (await tx.execute(query.limit(1))).scalar() is not None


async def _free_number(tx: AsyncSession, kind: str = TENANT_TYPE, physical: str | None = None) -> int:
    """The least free number: the first that is not where it would be if all those in use stood side by side."""
    low, high = SEGMENTS[kind]
    number = Network.segmentation_id
    used = select(number.label("number"), (func.row_number().over(order_by=number) + (low - 1)).label("place")).where(
        Network.network_type == kind, Network.physical_network == physical, number >= low).subquery()
    gap = func.min(case((used.c.number != used.c.place, used.c.place)))
    found = (await tx.execute(select(func.coalesce(gap, func.count() + low)).select_from(used))).scalar_one()
    if found > high:
        raise Conflict("Unable to create the network. No tenant network is available for allocation.", type="NoNetworkAvailable")
    return found


async def _only_default(tx: AsyncSession, network: Network) -> None:
    if not network.external:
        return
    query = select(Network.id).where(Network.is_default, Network.external, Network.id != network.id)
    if other := (await tx.execute(query)).scalar():
        raise Conflict(f"A default external network already exists: {other}.", type="DefaultExternalNetworkExists")


def _share(context: Context, network: Network, values: Values) -> None:
    if values.get("shared"):
        standard.share(context, network, "network", "access_as_shared")
    if network.external:
        standard.share(context, network, "network", "access_as_external")


async def update(context: Context, tx: AsyncSession, network: Network, values: Values) -> Network:
    if any(name in values and values[name] != getattr(network, name)
           for name in ("network_type", "physical_network", "segmentation_id")):
        raise BadRequest("Invalid input for operation: Plugin does not support updating the following provider network "
                         "attributes: provider:network_type, provider:physical_network, provider:segmentation_id.",
                         type="InvalidInput")
    for name in PLAIN:
        if values.get(name) is not None:
            setattr(network, name, values[name])
    if "mtu" in values:
        await _change_mtu(tx, network, _mtu(values["mtu"]))
    if values.get("external") is not None and values["external"] != network.external:
        await _change_external(context, tx, network, values["external"])
    if values.get("shared") is not None:
        await _change_shared(context, tx, network, values["shared"])
    if values.get("is_default"):
        await _only_default(tx, network)
    standard.touch(context, network)
    await changes.network(tx, context, network.id)
    await standard.fresh(tx, network)
    await standard.tell(tx, context, "network", "update", network)
    return network


async def _change_mtu(tx: AsyncSession, network: Network, mtu: int) -> None:
    if mtu < IPV6_LEAST_MTU:
        query = select(Subnet.id).where(Subnet.network_id == network.id, Subnet.ip_version == 6).limit(1)
        if (await tx.execute(query)).scalar():
            raise mtu_conflict(network.id)
    network.mtu = mtu


async def _change_external(context: Context, tx: AsyncSession, network: Network, external: bool) -> None:
    if not external:
        gateways = select(Port.id).where(Port.network_id == network.id, Port.service.in_(
            ("network:router_gateway", "network:floatingip"))).limit(1)
        if (await tx.execute(gateways)).scalar():
            raise Conflict(f"External network {network.id} cannot be updated to be made non-external, since it has existing "
                           "gateway ports.", type="ExternalNetworkInUse")
        network.rbac = [row for row in network.rbac if row.action != "access_as_external"]
    network.external = external
    if external:
        standard.share(context, network, "network", "access_as_external")


async def _change_shared(context: Context, tx: AsyncSession, network: Network, shared: bool) -> None:
    if shared:
        standard.share(context, network, "network", "access_as_shared")
        return
    everybody = [row for row in network.rbac if row.action == "access_as_shared" and row.target_project == "*"]
    if not everybody:
        return
    await require_unshared(tx, network, "*")
    network.rbac = [row for row in network.rbac if row not in everybody]


async def require_unshared(tx: AsyncSession, network: Network, target: str) -> None:
    """Raise Conflict when projects that an RBAC entry lets in have ports or subnets in the network."""
    kept = {row.target_project for row in network.rbac if row.action == "access_as_shared"} - {target}
    if "*" in kept:
        return
    for model in (Port, Subnet):
        query = select(model.project_id).where(model.network_id == network.id, model.project_id.not_in(
            [network.project_id, "", *kept]))
        if target != "*":
            query = query.where(model.project_id == target)
        if (await tx.execute(query.limit(1))).scalar():
            raise Conflict(f"Unable to reconfigure sharing settings for network {network.id}. Multiple tenants are using it.",
                           type="InvalidSharedSetting")


async def delete(context: Context, tx: AsyncSession, network: Network) -> None:
    """Delete a network with its subnets and DHCP port; other ports hold it."""
    for row in await _idle_floating(tx, network):
        await floatingips.delete(context, tx, row)
    held = select(Port.id).where(Port.network_id == network.id, Port.service != dhcp.OWNER).order_by(Port.id)
    holders = list((await tx.execute(held.limit(20))).scalars())
    if holders:
        raise Conflict(f"Unable to complete operation on network {network.id}. There are one or more ports still in use on the "
                       f"network, id for these ports is: {', '.join(holders)}.", type="NetworkInUse")
    for port in (await tx.execute(select(Port).where(Port.network_id == network.id))).scalars().all():
        await ports.drop(context, tx, port)
    for subnet in (await tx.execute(select(Subnet).where(Subnet.network_id == network.id))).scalars().all():
        await standard.tell(tx, context, "subnet", "delete", subnet)
        await tx.delete(subnet)
    await changes.network(tx, context, network.id)
    await standard.tell(tx, context, "network", "delete", network)
    await tx.flush()
    await tx.delete(network)
    await tx.flush()


async def _idle_floating(tx: AsyncSession, network: Network) -> list[FloatingIp]:
    """Floating addresses that lead nowhere do not hold their network."""
    query = select(FloatingIp).where(FloatingIp.floating_network_id == network.id, FloatingIp.port_id.is_(None))
    return list((await tx.execute(query)).scalars())
