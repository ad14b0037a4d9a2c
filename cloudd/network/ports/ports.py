"""The rules of ports: born with a MAC, addresses and security groups; bound to a device; gone with all of it."""

import secrets
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict
from cloudd.network import changes, standard
from cloudd.network.config import CONFIG, QUOTAS
from cloudd.network.models import Network, Port, PortGroup, Router
from cloudd.network.ports import addresses, floating_links
from cloudd.network.security import groups

PLAIN = ("name", "description", "admin_state_up", "device_id", "device_owner", "vnic_type", "profile", "dns_name", "dns_domain")
MAC_ATTEMPTS = 16
MAX_PAIRS = 10
STATUS_AT_BIRTH = {"network:floatingip": "N/A"}               # its address lives in the router: it is never plugged
WITH_MAC = select(Port.id).where(Port.network_id == bindparam("network_id"), Port.mac_address == bindparam("mac"))
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> Port:
    """A port as asked for by a caller."""
    network = await standard.network(context, tx, values["network_id"])
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, port=1)
    await _require_own_router(context, tx, project, values.get("device_owner"), values.get("device_id"))
    return await make(context, tx, network, project, values)


async def _require_own_router(context: Context, tx: AsyncSession, project: str, owner: str | None, device: str | None) -> None:
    """A port that calls itself a router's interface does not name another project's router."""
    if context.is_admin or not device or owner not in addresses.ROUTER_OWNERS:
        return
    router = await tx.get(Router, device)
    if router is not None and router.project_id != project:
        raise Conflict(f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
                       type="DeviceIDNotOwnedByTenant")


async def make(context: Context, tx: AsyncSession, network: Network, project: str, values: Values, *, apply: bool = True,
               service: str = "", router_id: str | None = None) -> Port:
    """A port, whoever wants it; quotas are the caller's matter. Not `apply`: its dataplane comes with its wiring. `service`: what
    of cloudd's own it serves, and for which router: never taken from what a caller of the API sent."""
    values = {**values, "device_owner": service} if service else values
    ours = (values.get("device_owner") or "").startswith("network:")
    secured = values.get("port_security_enabled")
    port = standard.born(context, Port, project, network_id=network.id, fixed_ips=[], group_rows=[],
                         status=STATUS_AT_BIRTH.get(service, "DOWN"), service=service, router_id=router_id,
                         mac_address=await _mac(tx, network.id, values.get("mac_address")),
                         host_id=values.get("host_id") or "",
                         port_security_enabled=(network.port_security_enabled and not ours) if secured is None else secured,
                         **{name: values[name] for name in PLAIN if values.get(name) is not None})
    port.extra_dhcp_opts = _options([], values.get("extra_dhcp_opts") or [])
    wanted = values.get("security_groups")
    if wanted is not None:
        await _set_groups(context, tx, port, wanted)
    elif port.port_security_enabled and not ours and project:
        port.group_rows = [PortGroup(port_id=port.id, group_id=await groups.default_id(context, tx, project), position=0)]
    _set_pairs(port, values.get("allowed_address_pairs") or [])
    standard.set_tags(port, values.get("tags") or [])
    addresses.write(port, await addresses.choose(tx, _named(port), values.get("fixed_ips")))
    tx.add(port)                                              # when all is known, so that it is written at once
    if apply:
        await changes.port(tx, context, port)
    await tx.flush()
    set_committed_value(port, "network_project_id", network.project_id)
    await standard.tell(tx, context, "port", "create", port)
    return port


def _named(port: Port) -> Port:
    """Columns that have no value yet get their defaults now, since the address search looks at them."""
    port.device_owner = port.device_owner or ""
    port.device_id = port.device_id or ""
    return port


async def _mac(tx: AsyncSession, network_id: str, wanted: str | None) -> str:
    if wanted:
        wanted = wanted.lower()
        if await _mac_taken(tx, network_id, wanted):
            raise Conflict(f"Unable to complete operation for network {network_id}. The mac address {wanted} is in use.",
                           type="MacAddressInUse")
        return wanted
    base = CONFIG.mac_base.split(":")
    kept = 4 if base[3] != "00" else 3
    for _ in range(MAC_ATTEMPTS):
        mac = ":".join([*base[:kept], *(f"{secrets.randbelow(256):02x}" for _ in range(6 - kept))])
        if not await _mac_taken(tx, network_id, mac):
            return mac
    raise Conflict(f"Unable to generate unique mac on network {network_id}.", type="MacAddressGenerationFailure")


async def _mac_taken(tx: AsyncSession, network_id: str, mac: str) -> bool:
    return (await tx.execute(WITH_MAC, {"network_id": network_id, "mac": mac})).scalar() is not None


async def _set_groups(context: Context, tx: AsyncSession, port: Port, wanted: list[str]) -> None:
    wanted = list(dict.fromkeys(wanted))
    if wanted and not port.port_security_enabled:
        raise Conflict("Port security must be enabled and port must have an IP address in order to use security groups.",
                       type="PortSecurityAndIPRequiredForSecurityGroups")
    old = {row.group_id: row for row in port.group_rows}
    await groups.require(context, tx, [group_id for group_id in wanted if group_id not in old])
    rows = [old.get(group_id) or PortGroup(port_id=port.id, group_id=group_id) for group_id in wanted]
    for position, row in enumerate(rows):
        row.position = position
    port.group_rows = rows


def _set_pairs(port: Port, pairs: list[dict[str, Any]]) -> None:
    if len(pairs) > MAX_PAIRS:
        raise BadRequest(f"The number of allowed address pair exceeds the maximum {MAX_PAIRS}.", type="AllowedAddressPairExhausted")
    if pairs and not port.port_security_enabled:
        raise Conflict("Port Security must be enabled in order to have allowed address pairs on a port.",
                       type="AddressPairAndPortSecurityRequired")
    rows = [{"ip_address": pair["ip_address"], "mac_address": (pair.get("mac_address") or port.mac_address).lower()}
            for pair in pairs]
    for number, row in enumerate(rows):
        if row in rows[:number]:
            raise BadRequest(f"Request contains duplicate address pair: mac_address {row['mac_address']} ip_address "
                             f"{row['ip_address']}.", type="DuplicateAddressPairInRequest")
    port.allowed_address_pairs = rows


def _options(old: list[dict[str, Any]], sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """DHCP options: those sent go over the old ones, a null value takes one away."""
    merged = {(one["opt_name"], one.get("ip_version", 4)): one for one in old}
    for one in sent:
        version = one.get("ip_version") or 4
        if one.get("opt_value") is None:
            merged.pop((one["opt_name"], version), None)
        else:
            merged[one["opt_name"], version] = {"opt_name": one["opt_name"], "opt_value": one["opt_value"], "ip_version": version}
    return list(merged.values())


async def update(context: Context, tx: AsyncSession, port: Port, values: Values) -> Port:
    """Change a port; a bound guest's firewall and addresses follow at once."""
    was_bound = bool(port.host_id)
    await _check_device(context, tx, port, values)
    for name in PLAIN:
        if values.get(name) is not None:
            setattr(port, name, values[name])
    if values.get("host_id") is not None:
        port.host_id = values["host_id"]
    if port.is_ours and not port.admin_state_up:              # set up again, its job says ACTIVE
        port.status = "DOWN"
    if "mac_address" in values:
        await _change_mac(tx, port, values["mac_address"])
    if values.get("fixed_ips") is not None:
        await _change_addresses(context, tx, port, values["fixed_ips"])
    await _change_security(context, tx, port, values)
    if values.get("extra_dhcp_opts") is not None:
        port.extra_dhcp_opts = _options(port.extra_dhcp_opts, values["extra_dhcp_opts"])
    if was_bound and not port.host_id:
        port.status = "DOWN"
    standard.touch(context, port)
    await (changes.port_gone if was_bound and not port.host_id else changes.port)(tx, context, port)
    if port.is_ours:
        await _follow(context, tx, port)
    await tx.flush()
    await standard.tell(tx, context, "port", "update", port)
    return port


async def _check_device(context: Context, tx: AsyncSession, port: Port, values: Values) -> None:
    """What a port says of its device stays true of those that cloudd made, and names no router of somebody else."""
    changed = {name: values[name] for name in ("device_id", "device_owner")
               if values.get(name) is not None and values[name] != getattr(port, name)}
    if changed and port.is_ours:
        raise Conflict(f"Unable to complete operation on port {port.id}: {' and '.join(changed)} cannot be changed while it serves as "
                       f"{port.service}.", type="PortInUse")
    if changed:
        await _require_own_router(context, tx, port.project_id, changed.get("device_owner", port.device_owner),
                                  changed.get("device_id", port.device_id))


async def _change_mac(tx: AsyncSession, port: Port, wanted: str | None) -> None:
    if wanted and wanted.lower() == port.mac_address:
        return
    if port.host_id:
        raise Conflict(f"Unable to complete operation on port {port.id}, port is already bound, port type: bridge, old_mac "
                       f"{port.mac_address}, new_mac {wanted}.", type="PortBound")
    old, port.mac_address = port.mac_address, await _mac(tx, port.network_id, wanted)
    port.allowed_address_pairs = [{**pair, "mac_address": port.mac_address} if pair["mac_address"] == old else pair
                                  for pair in port.allowed_address_pairs]


async def _change_addresses(context: Context, tx: AsyncSession, port: Port, wanted: addresses.Wanted) -> None:
    before = addresses.of(port)
    chosen = await addresses.choose(tx, port, wanted, before)
    gone = [item.address for item in before if item not in chosen]
    await floating_links.require_unused(tx, port, gone)
    addresses.write(port, chosen)


async def _change_security(context: Context, tx: AsyncSession, port: Port, values: Values) -> None:
    wanted, secured = values.get("security_groups"), values.get("port_security_enabled")
    if "security_groups" in values and wanted is None:        # on create null asks for the default one, later for none
        wanted = []
    if secured is False and port.port_security_enabled:
        if port.group_rows and wanted is None:
            raise Conflict("Port has security group associated. Cannot disable port security or IP address until security group "
                           "is removed.", type="PortSecurityPortHasSecurityGroup")
        pairs = values.get("allowed_address_pairs")
        if port.allowed_address_pairs if pairs is None else pairs:
            raise Conflict("Port Security must be enabled in order to have allowed address pairs on a port.",
                           type="AddressPairAndPortSecurityRequired")
        port.port_security_enabled = False
    elif secured:
        if not port.port_security_enabled and wanted is None and not port.is_ours and port.project_id:
            wanted = [await groups.default_id(context, tx, port.project_id)]
        port.port_security_enabled = True
    if wanted is not None:
        await _set_groups(context, tx, port, wanted)
    if values.get("allowed_address_pairs") is not None:
        _set_pairs(port, values["allowed_address_pairs"])


async def _follow(context: Context, tx: AsyncSession, port: Port) -> None:
    """A router's own port changed: the router follows."""
    if port.router_id is not None:
        await changes.router(tx, context, port.router_id)


async def drop(context: Context, tx: AsyncSession, port: Port) -> None:
    """Delete a port, whoever holds it; floating addresses that led to it lead nowhere."""
    await floating_links.disassociate_port(context, tx, port.id)
    await changes.port_gone(tx, context, port)
    await standard.tell(tx, context, "port", "delete", port)
    await tx.delete(port)
    await tx.flush()
