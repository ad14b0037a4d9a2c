"""NICs of a server that is there: plugging one in, taking one out, and what hangs on its ports."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute import states
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server, ServerPort
from cloudd.compute.servers import actions
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.compute.servers.networks import Wanted
from cloudd.core import jobs
from cloudd.core.context import Context, internal
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.events import Happened
from cloudd.core.rows.among import among
from cloudd.network import PortView

MEANINGS = {"PortNotFound": NotFound, "NetworkNotFound": NotFound, "FixedIpAlreadyInUse": Conflict}
"""Of what goes wrong with a wish for a NIC, what attaching words otherwise than creating a server."""


class Attached(NamedTuple):
    """A NIC: the server's row of it, and its port."""

    row: ServerPort
    port: PortView


async def listed(tx: AsyncSession, server: Server) -> list[Attached]:
    """The NICs of a server in their order."""
    query = select(ServerPort).where(ServerPort.server_id == server.id).order_by(ServerPort.number)
    rows = list((await tx.execute(query)).scalars())
    views = await network.port_views(tx, [row.port_id for row in rows])
    return [Attached(row, views[row.port_id]) for row in rows if row.port_id in views]


async def of_servers(tx: AsyncSession, server_ids: Sequence[str]) -> dict[str, list[PortView]]:
    """The ports of many servers by our own rows, in the order of their NICs; what a port says of its device proves nothing."""
    query = select(ServerPort.server_id, ServerPort.port_id).where(among(ServerPort.server_id, server_ids)).order_by(ServerPort.number)
    pairs = (await tx.execute(query)).all()
    views = await network.port_views(tx, [port_id for _, port_id in pairs])
    found: dict[str, list[PortView]] = {server_id: [] for server_id in server_ids}
    for server_id, port_id in pairs:
        if port_id in views:
            found[server_id].append(views[port_id])
    return found


async def of_port(tx: AsyncSession, port_id: str) -> Server | None:
    """The living server whose NIC a port is."""
    query = select(Server).join(ServerPort, ServerPort.server_id == Server.id).where(ServerPort.port_id == port_id)
    return (await tx.execute(query.where(Server.deleted_at.is_(None)))).scalar()


async def find(tx: AsyncSession, server: Server, port_id: str) -> Attached:
    """Raises NotFound."""
    for row, view in await listed(tx, server):
        if view.id == port_id:
            return Attached(row, view)
    raise NotFound(f"Instance {server.id} does not have a port with id {port_id}", type="PortNotFound")


async def attach(context: Context, tx: AsyncSession, server: Server, wanted: Wanted | None, *,
                 external_allowed: bool) -> Attached:
    """Order a NIC: on the network or port that is named, else on the one network there is."""
    require_unlocked(context, server)
    states.require(server, "attach_interface")
    _require_plug(server)
    try:
        wishes = await servers_networks.resolve(context, tx, [_asked(wanted)] if wanted else None,
                                                external_allowed=external_allowed)
        if not wishes:
            raise BadRequest(f"No network was named, and project {context.project_id} has none to choose.")
        have = await listed(tx, server)
        if wishes[0].port_id in [row.port_id for row, _ in have]:
            raise Conflict(f"Port {wishes[0].port_id} is still in use.", type="PortInUse")
        first = max((row.number for row, _ in have), default=-1) + 1
        rows = await servers_networks.claim(context, tx, server, wishes[:1], None, first=first)
    except BadRequest as exc:
        raise MEANINGS.get(exc.type, BadRequest)(exc.message, type=exc.type) from exc
    await _ask(context, tx, server, "attach", rows[0].port_id)
    return await find(tx, server, rows[0].port_id)


def _asked(wanted: Wanted) -> dict[str, str]:
    pairs = (("uuid", wanted.network_id), ("port", wanted.port_id), ("fixed_ip", wanted.fixed_ip), ("tag", wanted.tag))
    return {name: value for name, value in pairs if value}


def _require_plug(server: Server) -> None:
    if CONFIG.caps is not None and not CONFIG.caps.hot_plug and server.vm_state != states.STOPPED:
        raise BadRequest(f"The hypervisor cannot change the interfaces of a running guest: stop server {server.id} first.")


async def detach(context: Context, tx: AsyncSession, server: Server, port_id: str) -> None:
    """Order a NIC's end."""
    require_unlocked(context, server)
    states.require(server, "detach_interface")
    _require_plug(server)
    await find(tx, server, port_id)
    await _ask(context, tx, server, "detach", port_id)


async def _ask(context: Context, tx: AsyncSession, server: Server, verb: str, port_id: str) -> None:
    await touch(context, tx, server)
    await actions.begin(tx, context, server, f"{verb}_interface")
    await tell(tx, context, server, f"interface_{verb}.start")
    await jobs.ask(tx, context, f"compute.server.{verb}_interface", locks=[server.id], server=server.id, port=port_id)


async def port_gone(tx: AsyncSession, happened: Happened) -> None:
    """Somebody deleted a server's port behind our back: its NIC goes as well."""
    row = await tx.get(ServerPort, happened.resource_id)
    server = await tx.get(Server, row.server_id) if row is not None else None
    if row is not None and server is not None and server.deleted_at is None:
        await jobs.ask(tx, internal(server.project_id, server.user_id), "compute.server.detach_interface", locks=[server.id],
                       server=server.id, port=row.port_id)


# -- addresses --------------------------------------------------------------------------------------------------------


async def add_fixed_ip(context: Context, tx: AsyncSession, server: Server, network_id: str) -> None:
    """One address more on the server's port in a network. Raises BadRequest when it has none there."""
    require_unlocked(context, server)
    for _, view in await listed(tx, server):
        if view.network_id == network_id:
            await network.add_address(context, tx, view.id)
            await touch(context, tx, server)
            return
    raise BadRequest(f"Server {server.id} has no port in network {network_id}.", type="NetworkNotFoundForInstance")


async def remove_fixed_ip(context: Context, tx: AsyncSession, server: Server, address: str) -> None:
    """Raises BadRequest when the server has no such address."""
    require_unlocked(context, server)
    for _, view in await listed(tx, server):
        left = [item for item in view.fixed_ips if item.address != address]
        if len(left) < len(view.fixed_ips):
            await network.update_port(context, tx, view.id, fixed_ips=[
                {"subnet_id": item.subnet_id, "ip_address": item.address} for item in left])
            await touch(context, tx, server)
            return
    raise BadRequest(f"Fixed IP {address} is not found on server {server.id}.", type="FixedIpNotFoundForInstance")


async def add_floating_ip(context: Context, tx: AsyncSession, server: Server, address: str, fixed: str | None) -> None:
    """Lead a floating address to the server: to the address named, else to the first IPv4 one."""
    found = [(view.id, item.address) for _, view in await listed(tx, server) for item in view.fixed_ips if item.version == 4]
    if not found:
        raise BadRequest(f"No fixed IPs associated to instance {server.id}", type="NoFixedIpsFoundForInstance")
    chosen = next((pair for pair in found if fixed in (None, pair[1])), None)
    if chosen is None:
        raise BadRequest(f"Specified fixed address {fixed} not assigned to instance {server.id}")
    await network.associate_floating_ip(context, tx, address, chosen[0], chosen[1])
    await touch(context, tx, server)


async def remove_floating_ip(context: Context, tx: AsyncSession, server: Server, address: str) -> None:
    try:
        await network.disassociate_floating_ip(context, tx, address, [view.id for _, view in await listed(tx, server)])
    except NotFound as exc:
        if exc.type == "FloatingIpNotAssociated":
            raise Conflict(f"Floating IP {address} is not associated with instance {server.id}.", type=exc.type) from exc
        raise
    await touch(context, tx, server)


# -- security groups --------------------------------------------------------------------------------------------------


async def add_security_group(context: Context, tx: AsyncSession, server: Server, name: str) -> None:
    """Put all ports of a server into a group. Raises NotFound, BadRequest when no port can be."""
    group = (await network.security_groups(context, tx, [name]))[0]
    views = _secured(await listed(tx, server))
    if not views:
        raise BadRequest(f"Security group {name} cannot be added to instance {server.id}: it has no port with port security and "
                         "an address.", type="SecurityGroupCannotBeApplied")
    for view in views:
        have = [group_id for group_id, _ in view.security_groups]
        if group.id not in have:
            await network.update_port(context, tx, view.id, security_groups=[*have, group.id])
    await touch(context, tx, server)


async def remove_security_group(context: Context, tx: AsyncSession, server: Server, name: str) -> None:
    """Raises NotFound when the group does not exist, or none of the server's ports is in it."""
    group = (await network.security_groups(context, tx, [name]))[0]
    views = [view for view in _secured(await listed(tx, server)) if group.id in dict(view.security_groups)]
    if not views:
        raise NotFound(f"Security group {name} is not associated with the instance {server.id}", type="SecurityGroupNotFound")
    for view in views:
        left = [group_id for group_id, _ in view.security_groups if group_id != group.id]
        await network.update_port(context, tx, view.id, security_groups=left)
    await touch(context, tx, server)


def _secured(attached: Sequence[Attached]) -> list[PortView]:
    return [view for _, view in attached if view.port_security_enabled and view.fixed_ips]


async def security_groups_of(tx: AsyncSession, server: Server) -> list[network.SecurityGroup]:
    """The groups that a server's ports are in."""
    ids = [group_id for _, view in await listed(tx, server) for group_id, _ in view.security_groups]
    rows = await network.security_groups_by_id(tx, set(ids))
    return [rows[group_id] for group_id in dict.fromkeys(ids) if group_id in rows]
