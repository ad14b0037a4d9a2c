"""/agents, and which of them serves a network or router: always the one of this host"""

from cloudd.core import clock
from cloudd.core.errors import Conflict
from cloudd.core.http import Field, Page, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Filters
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import filtered, matching
from cloudd.network.api.networks import NETWORK
from cloudd.network.api.routers import ROUTER
from cloudd.network.api.shapes import BOOL, TEXT, NeutronShape
from cloudd.network.dataplane import agents
from cloudd.network.dataplane.pulse import is_alive
from cloudd.network.models import Router


def _moment(name):
    return lambda row, request: clock.iso(getattr(row, name)).replace("T", " ").rstrip("Z")


AGENT = NeutronShape(
    "agent",
    *(Field(name, TEXT, readonly=True) for name in ("id", "agent_type", "binary", "topic", "host")),
    Field("alive", t.Bool(), readonly=True),
    Field("configurations", t.Map(), readonly=True),
    Field("availability_zone", t.Text(null=True), readonly=True),
    Field("admin_state_up", BOOL),
    Field("description", t.Text(0, 255, null=True)),
    Field("resources_synced", t.NULL, readonly=True, of=lambda row, request: None),
    Field("created_at", TEXT, readonly=True, of=_moment("started_at")),
    Field("started_at", TEXT, readonly=True, of=_moment("started_at")),
    Field("heartbeat_timestamp", TEXT, readonly=True, of=_moment("heartbeat_timestamp")),
)
FILTERS = Filters(("id", "agent_type", "binary", "topic", "host", "alive", "admin_state_up", "availability_zone", "description"))
NETWORK_ID = Shape(None, Field("network_id", t.Uuid(), required=True))
ROUTER_ID = Shape(None, Field("router_id", t.Uuid(), required=True))
resource = API.resource("/agents")


@API.loader("agent")
async def load(request, tx, value):
    return await agents.one(request.context, tx, value, alive=await is_alive(request.parts))


@resource.get("", policy="get_agent", reply=AGENT, guard=filtered, listing=FILTERS)
async def index(request, tx):
    """List the agents; who may see none gets an empty list."""
    if not request.allows("get_agent"):
        return Page([])
    rows = await agents.every(request.context, tx, alive=await is_alive(request.parts))
    return Page(matching(request, rows, getattr))


@resource.get("/{agent}", policy="get_agent", reply=AGENT)
async def show(request, agent):
    """Show an agent."""
    return agent


@resource.put("/{agent}", policy="update_agent", body=AGENT, reply=AGENT)
async def update(request, tx, agent, body):
    """Describe an agent."""
    await agents.note(tx, agent, body)
    return await agents.one(request.context, tx, agent.id, alive=agent.alive)


@resource.delete("/{agent}", policy="delete_agent")
async def delete(request, tx, agent):
    """Refused: the agents are parts of the daemon."""
    raise Conflict(f"Agent {agent.id} ({agent.agent_type}) is a part of this cloud's daemon and cannot be deleted.",
                   type="AgentInUse")


@resource.get("/{agent}/dhcp-networks", policy="get_dhcp-networks", reply=NETWORK)
async def networks_of(request, tx, agent):
    """List the networks that a DHCP agent serves."""
    return Page(await agents.networks_of(tx) if agent.agent_type == agents.DHCP else [])


@resource.get("/{agent}/l3-routers", policy="get_l3-routers", reply=ROUTER)
async def routers_of(request, tx, agent):
    """List the routers that an L3 agent serves."""
    return Page(await agents.routers_of(tx) if agent.agent_type == agents.L3 else [])


@resource.post("/{agent}/dhcp-networks", policy="create_dhcp-network", body=NETWORK_ID, status=201, answer=t.NULL)
async def add_network(request, tx, agent, body):
    """Give a network to the DHCP agent."""
    network = await standard.network(request.context, tx, body["network_id"])
    await agents.serve_network(request.context, tx, network, agent, True)
    return b"null"


@resource.post("/{agent}/l3-routers", policy="create_l3-router", body=ROUTER_ID, status=201, answer=t.NULL)
async def add_router(request, tx, agent, body):
    """Give a router to the L3 agent."""
    router = await standard.owned(request.context, tx, Router, body["router_id"], "Router")
    await agents.serve_router(request.context, tx, router, agent, True)
    return b"null"


@resource.delete("/{agent}/dhcp-networks/{network}", policy="delete_dhcp-network")
async def remove_network(request, tx, agent, network):
    """Take a network from the DHCP agent."""
    await agents.serve_network(request.context, tx, network, agent, False)


@resource.delete("/{agent}/l3-routers/{router}", policy="delete_l3-router")
async def remove_router(request, tx, agent, router):
    """Take a router from the L3 agent."""
    await agents.serve_router(request.context, tx, router, agent, False)


@API.resource("/networks/{network}/dhcp-agents").get("", policy="get_dhcp-agents", reply=AGENT)
async def dhcp_agents(request, tx, network):
    """List the DHCP agents that serve a network."""
    rows = await agents.every(request.context, tx, alive=await is_alive(request.parts))
    served = network.id in {one.id for one in await agents.networks_of(tx)}
    return Page([row for row in rows if row.agent_type == agents.DHCP and served])


@API.resource("/routers/{router}/l3-agents").get("", policy="get_l3-agents", reply=AGENT)
async def l3_agents(request, tx, router):
    """List the L3 agents that serve a router."""
    rows = await agents.every(request.context, tx, alive=await is_alive(request.parts))
    return Page([row for row in rows if row.agent_type == agents.L3 and router.served])
