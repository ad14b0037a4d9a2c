"""The ports of a new server: from networks, from ports that the caller brought, or from nothing said at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute.models import Server, ServerPort
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.core.ids import is_uuid

MULTICAST = 1                                                  # the bit of a first octet
OWNER = "compute:nova"
DEFAULT_GROUP = "default"
AMBIGUOUS = "Multiple possible networks found, use a Network ID to be more specific."


@dataclass(frozen=True, slots=True)
class Wanted:
    """One NIC: a network with perhaps an address in it, or a port."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


def read(asked: Sequence[dict[str, Any]]) -> tuple[Wanted, ...]:
    """The list form of `networks`. Raises BadRequest for what contradicts itself."""
    wanted = tuple(Wanted(item.get("uuid"), item.get("port"), item.get("fixed_ip"), item.get("tag")) for item in asked)
    for item in wanted:
        if item.port_id and item.fixed_ip:
            raise BadRequest(f"Specified Fixed IP '{item.fixed_ip}' cannot be used with port '{item.port_id}': the two cannot be "
                             "specified together.")
        if not item.port_id and not item.network_id:
            raise BadRequest("Bad networks format: network uuid is missing: each network has a uuid or a port.")
        if not item.port_id and not is_uuid(item.network_id):
            raise BadRequest(f"Bad networks format: network uuid is not in proper format ({item.network_id})")
    ports = [item.port_id for item in wanted if item.port_id]
    if len(ports) != len(set(ports)):
        raise BadRequest(f"A port cannot be given twice: {', '.join(ports)}.")
    return wanted


def require_single(wanted: Sequence[Wanted]) -> None:
    """Several servers cannot share what there is once."""
    for item in wanted:
        if item.port_id:
            raise BadRequest("Unable to launch multiple instances with a single configured port ID. Please launch your instance "
                             "one by one with different ports.", type="MultiplePortsNotApplicable")
        if item.fixed_ip:
            raise BadRequest(f"max_count cannot be greater than 1 if an fixed_ip is specified ({item.fixed_ip}).")


async def resolve(context: Context, tx: AsyncSession, asked: Any, *, external_allowed: bool) -> tuple[Wanted, ...]:
    """`auto`, `none`, None (nothing said) or a list, as the NICs that come of it. Raises BadRequest, Conflict, Forbidden."""
    if asked == "none":
        return ()
    if asked == "auto" or not asked:
        return await _chosen(context, tx, allocate=asked == "auto")
    wanted = read(asked)
    for item in wanted:
        if item.network_id and not item.port_id:
            await _require_network(context, tx, item.network_id, external_allowed)
    return wanted


async def _chosen(context: Context, tx: AsyncSession, *, allocate: bool) -> tuple[Wanted, ...]:
    networks = await network.usable_networks(context, tx)
    internal = [row for row in networks if not row.external]
    if len(internal) > 1:
        raise Conflict(AMBIGUOUS, type="NetworkAmbiguous")
    if internal:
        return (Wanted(internal[0].id),)
    if not allocate:
        return ()
    try:
        made = await network.auto_network(context, tx)
    except Conflict as exc:
        raise BadRequest(f"Unable to automatically allocate a network for project {context.project_id}: {exc.message}",
                         type="UnableToAutoAllocateNetwork") from exc
    return (Wanted(made.id),)


async def _require_network(context: Context, tx: AsyncSession, network_id: str, external_allowed: bool) -> None:
    try:
        row = await network.get_network(context, tx, network_id)
    except NotFound as exc:
        raise BadRequest(f"Network {network_id} could not be found.", type="NetworkNotFound") from exc
    if row.external and not external_allowed and row.project_id != context.project_id:
        raise Forbidden(f"It is not allowed to create an interface on external network {network_id}",
                        type="ExternalNetworkAttachForbidden")
    if not await network.has_subnets(tx, network_id):
        raise BadRequest(f"Network {network_id} requires a subnet in order to boot instances on.", type="NetworkRequiresSubnet")


async def groups(context: Context, tx: AsyncSession, names: Sequence[str] | None) -> list[str] | None:
    """Ids of security groups; None: whatever the project's default is."""
    names = [name for name in dict.fromkeys(names or ())]
    if not names or names == [DEFAULT_GROUP]:
        return None
    try:
        return [group.id for group in await network.security_groups(context, tx, names)]
    except NotFound as exc:
        raise BadRequest(exc.message, type="SecurityGroupNotFound") from exc


async def claim(context: Context, tx: AsyncSession, server: Server, wanted: Sequence[Wanted],
                group_ids: list[str] | None, *, first: int = 0) -> list[ServerPort]:
    """Make or take the ports of a server, in order, in the caller's transaction."""
    rows = []
    for number, item in enumerate(wanted, first):
        port = await (_take(context, tx, server, item) if item.port_id else _make(context, tx, server, item, group_ids))
        rows.append(ServerPort(port_id=port.id, server_id=server.id, number=number, tag=item.tag, ours=not item.port_id))
    tx.add_all(rows)
    await tx.flush()
    return rows


async def _take(context: Context, tx: AsyncSession, server: Server, item: Wanted) -> network.Port:
    try:
        port = await network.get_port(context, tx, item.port_id)
        if await tx.get(ServerPort, item.port_id) is not None:
            raise Conflict(f"Port {item.port_id} is still in use.", type="PortInUse")
        if not port.fixed_ips and not await network.has_subnets(tx, port.network_id):
            raise BadRequest(f"Port {port.id} requires a FixedIP in order to be used.", type="PortRequiresFixedIP")
        if int(port.mac_address[:2], 16) & MULTICAST:
            raise BadRequest(f"Port {port.id} has the multicast address {port.mac_address}, which no network card can have; change "
                             "its mac_address first.", type="PortNotUsable")
        return await network.bind_port(context, tx, item.port_id, device_id=server.id, device_owner=OWNER,
                                       dns_name=server.hostname)
    except NotFound as exc:
        raise BadRequest(f"Port id {item.port_id} could not be found.", type="PortNotFound") from exc


async def _make(context: Context, tx: AsyncSession, server: Server, item: Wanted, group_ids: list[str] | None) -> network.Port:
    fixed = [{"ip_address": item.fixed_ip}] if item.fixed_ip else None
    try:
        return await network.create_port(context, tx, network_id=item.network_id, device_id=server.id, device_owner=OWNER,
                                         fixed_ips=fixed, security_groups=group_ids, dns_name=server.hostname)
    except Conflict as exc:
        if exc.type != "IpAddressAlreadyAllocated":
            raise
        raise BadRequest(f"Fixed IP address {item.fixed_ip} is already in use on network {item.network_id}.",
                         type="FixedIpAlreadyInUse") from exc


async def let_go(context: Context, tx: AsyncSession, rows: Sequence[ServerPort]) -> None:
    """Delete the ports that were made for a server, give back those that it was brought."""
    for row in rows:
        await (network.delete_port if row.ours else network.release_port)(context, tx, row.port_id)
        await tx.delete(row)
    await tx.flush()
