"""The agents that Neutron would have on this host: here they are parts of the daemon, and the list says how those fare."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound
from cloudd.core.rows import plain
from cloudd.network import changes
from cloudd.network.config import CONFIG
from cloudd.network.models import AgentNote, FloatingIp, Network, Port, Router, Subnet
from cloudd.network.ports import dhcp

DHCP, L3, METADATA, BRIDGE = "DHCP agent", "L3 agent", "Metadata agent", "Linux bridge agent"
KINDS = {DHCP: ("neutron-dhcp-agent", "dhcp_agent"), L3: ("neutron-l3-agent", "l3_agent"),
         METADATA: ("neutron-metadata-agent", "N/A"), BRIDGE: ("neutron-linuxbridge-agent", "N/A")}
STARTED = clock.now()


@dataclass(frozen=True)
class Agent:
    """One part of the host's networking as clients know it."""

    id: str
    agent_type: str
    binary: str
    topic: str
    host: str
    admin_state_up: bool
    description: str | None
    alive: bool
    configurations: dict[str, Any]
    started_at: datetime
    heartbeat_timestamp: datetime

    @property
    def availability_zone(self) -> str | None:
        return CONFIG.zone if self.agent_type in (DHCP, L3) else None


def agent_id(kind: str) -> str:
    """The same for a host and kind over all restarts."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{KINDS[kind][0]}.{CONFIG.host}"))


async def every(context: Context, tx: AsyncSession, *, alive: bool) -> list[Agent]:
    notes = {row.id: row for row in (await tx.execute(select(AgentNote))).scalars()}
    facts = await _facts(tx)
    agents = []
    for kind, (binary, topic) in KINDS.items():
        note = notes.get(agent_id(kind))
        agents.append(Agent(
            id=agent_id(kind), agent_type=kind, binary=binary, topic=topic, host=CONFIG.host, alive=alive,
            admin_state_up=note.admin_state_up if note else True, description=note.description if note else None,
            configurations=facts.get(kind, {}), started_at=STARTED, heartbeat_timestamp=context.now()))
    return agents


async def _facts(tx: AsyncSession) -> dict[str, dict[str, Any]]:
    """The counts that Neutron's agents report, in one query."""
    counts = {"networks": select(func.count()).select_from(Network), "subnets": select(func.count()).select_from(Subnet),
              "ports": select(func.count()).select_from(Port), "routers": select(func.count()).select_from(Router),
              "floating_ips": select(func.count()).select_from(FloatingIp)}
    row = (await tx.execute(select(*(query.scalar_subquery().label(name) for name, query in counts.items())))).one()._mapping
    return {DHCP: {"dhcp_driver": "dnsmasq", "networks": row["networks"], "subnets": row["subnets"], "ports": row["ports"]},
            L3: {"agent_mode": "legacy", "routers": row["routers"], "floating_ips": row["floating_ips"]},
            METADATA: {}, BRIDGE: {"devices": row["ports"], "bridge_mappings": dict.fromkeys(CONFIG.bridged, "")}}


async def one(context: Context, tx: AsyncSession, wanted: str, *, alive: bool) -> Agent:
    for agent in await every(context, tx, alive=alive):
        if agent.id == wanted:
            return agent
    raise NotFound(f"Agent {wanted} could not be found.", type="AgentNotFound")


async def networks_of(tx: AsyncSession) -> list[Network]:
    """The networks that the DHCP agent serves: those with a subnet that wants it, unless an administrator said otherwise."""
    wanted = exists().where(Subnet.network_id == Network.id, Subnet.enable_dhcp)
    query = select(Network).where(or_(Network.dhcp_served, and_(Network.dhcp_served.is_(None), wanted))).order_by(Network.id)
    return await plain.read(tx, Network, query)


async def routers_of(tx: AsyncSession) -> list[Router]:
    return await plain.read(tx, Router, select(Router).where(Router.served).order_by(Router.id))


async def serve_network(context: Context, tx: AsyncSession, network: Network, agent: Agent, wanted: bool) -> None:
    """Give a network to the DHCP agent, or take it from it: its DHCP port comes and goes. Raises Conflict if it is so already."""
    _require(agent, DHCP)
    if (network.id in {one.id for one in await networks_of(tx)}) == wanted:
        words, kind = ("has been already hosted", "NetworkHostedByDHCPAgent") if wanted else (
            "is not hosted", "NetworkNotHostedByDhcpAgent")
        raise Conflict(f"The network {network.id} {words} by the DHCP Agent {agent.id}.", type=kind)
    network.dhcp_served = wanted
    await dhcp.ensure(context, tx, network.id)
    await changes.network(tx, context, network.id)


async def serve_router(context: Context, tx: AsyncSession, router: Router, agent: Agent, wanted: bool) -> None:
    """Give a router to the L3 agent, or take it from it: then it forwards nothing. Raises Conflict if it is so already."""
    _require(agent, L3)
    if router.served == wanted:
        words, kind = ("has been already hosted", "RouterHostedByL3Agent") if wanted else (
            "is not hosted", "RouterNotHostedByL3Agent")
        raise Conflict(f"The router {router.id} {words} by the L3 Agent {agent.id}.", type=kind)
    router.served = wanted
    if not wanted:                                            # served again, its job says ACTIVE
        await tx.execute(update(FloatingIp).where(FloatingIp.router_id == router.id).values(status="DOWN"))
        await tx.execute(update(Port).where(Port.router_id == router.id).values(status="DOWN"))
    await changes.router(tx, context, router.id)


def _require(agent: Agent, kind: str) -> None:
    if agent.agent_type != kind:
        raise Conflict(f"Agent {agent.id} is not a {kind}: it is a {agent.agent_type}.",
                       type="InvalidDHCPAgent" if kind == DHCP else "InvalidL3Agent")


async def note(tx: AsyncSession, agent: Agent, values: dict[str, Any]) -> None:
    """Keep what an administrator says of an agent."""
    row = await tx.get(AgentNote, agent.id) or AgentNote(id=agent.id, admin_state_up=agent.admin_state_up,
                                                         description=agent.description)
    for name in ("admin_state_up", "description"):
        if name in values:
            setattr(row, name, values[name])
    tx.add(row)
    await tx.flush()
