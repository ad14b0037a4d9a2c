"""Server groups over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import ServerGroup
from cloudd.compute.servers import groups as server_groups
from cloudd.compute.servers.groups import HARD, SOFT
from cloudd.compute.versions import SERVER_GROUP_OWNER, SERVER_GROUP_RULES, SOFT_POLICIES, STRICT
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Enum, Int, List, Map, Obj, Text, Uuid
from cloudd.core.ids import whole
from cloudd.core.rows import plain

RULE = "os_compute_api:os-server-groups:{}"
NAME = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
BEFORE_RULES = "2.63"
GROUP = Shape("server_group",
    Field("id", Uuid(), readonly=True), Field("name", Text(1, 255, pattern=NAME), required=True),
    Field("policies", List(Enum(*HARD), 1, 1, unique=True), required=True, until="2.14", answer=List(Text()),
          of=lambda row, request: [row.policy]),
    Field("policies", List(Enum(*HARD, *SOFT), 1, 1, unique=True), required=True, since=SOFT_POLICIES, until=BEFORE_RULES,
          of=lambda row, request: [row.policy]),
    Field("policy", Enum(*HARD, *SOFT), required=True, since=SERVER_GROUP_RULES),
    Field("rules", Obj({"max_server_per_host": Int(1, text=True)}), since=SERVER_GROUP_RULES),
    Field("members", List(Uuid()), readonly=True),
    Field("metadata", Map(), readonly=True, until=BEFORE_RULES, of=lambda row, request: {}),
    *(Field(name, Text(), readonly=True, since=SERVER_GROUP_OWNER) for name in ("project_id", "user_id")),
)
FILTERS = Shape(None, *(Field(name, List(Text(0, 255))) for name in ("all_projects", "limit", "offset")), extra=STRICT)
resource = API.resource("/os-server-groups")


@API.loader("server_group")
async def load(request: Request, tx: AsyncSession, group_id: str) -> ServerGroup:
    return await server_groups.find(request.context, tx, group_id)


@resource.get("", policy=RULE.format("index"), query=FILTERS, reply=GROUP)
async def index(request: Request, tx: AsyncSession) -> list[ServerGroup]:
    """List the server groups of the project."""
    everywhere = "all_projects" in request.query
    if everywhere:
        request.require(RULE.format("index:all_projects"))
    query = server_groups.listed(request.context, all_projects=everywhere)
    for name in ("limit", "offset"):
        if text := request.query.get(name):
            if (wanted := whole(text)) is None:
                raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. It must be a number from 0 on.")
            query = query.limit(wanted) if name == "limit" else query.offset(wanted)
    if "limit" not in request.query:
        query = query.limit(request.settings.api.max_limit)
    return await plain.read(tx, ServerGroup, query)


@resource.post("", body=GROUP, policy=RULE.format("create"), reply=GROUP)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> ServerGroup:
    """Make a server group."""
    policy = body["policy"] if request.has(SERVER_GROUP_RULES) else body["policies"][0]
    return await server_groups.create(request.context, tx, body["name"], policy, body.get("rules") or {})


@resource.get("/{server_group}", policy=RULE.format("show"), reply=GROUP)
async def show(server_group: ServerGroup) -> ServerGroup:
    """Show a server group."""
    return server_group


@resource.delete("/{server_group}", policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, server_group: ServerGroup) -> None:
    """Delete a server group; its servers stay as they are."""
    await server_groups.delete(request.context, tx, server_group)
