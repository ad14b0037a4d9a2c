"""Tags of servers over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.compute.servers import tags as server_tags
from cloudd.compute.versions import SERVER_TAGS
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import NOTHING, List, Record, Text

RULE = "os_compute_api:os-server-tags:{}"
TAGS = Shape(None, Field("tags", List(Text(1, 60, pattern="^[^,/]*$"), 0, 50, unique=True), required=True))
ALL = Record({"tags": List(Text())})
resource = API.resource("/servers/{server}/tags", since=SERVER_TAGS)


@resource.get("", policy=RULE.format("index"), answer=ALL)
async def index(tx: AsyncSession, server: Server) -> dict[str, Any]:
    """List the tags of a server."""
    return {"tags": await server_tags.of(tx, server)}


@resource.put("", body=TAGS, use="create", policy=RULE.format("update_all"), answer=ALL)
async def update_all(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Replace the tags of a server."""
    return {"tags": await server_tags.replace(request.context, tx, server, body["tags"])}


@resource.delete("", policy=RULE.format("delete_all"))
async def delete_all(request: Request, tx: AsyncSession, server: Server) -> None:
    """Remove all tags of a server."""
    await server_tags.replace(request.context, tx, server, ())


@resource.get("/{tag}", status=204, policy=RULE.format("show"))
async def show(tx: AsyncSession, server: Server, tag: str) -> None:
    """Tell whether a server has a tag."""
    await server_tags.require(tx, server, tag)


@resource.put("/{tag}", policy=RULE.format("update"), answer=NOTHING)
async def update(request: Request, tx: AsyncSession, server: Server, tag: str) -> Reply:
    """Give a server a tag."""
    new = await server_tags.add(request.context, tx, server, tag)
    where = {"Location": request.link("/servers/{}/tags/{}", server.id, tag)} if new else {}
    return Reply(status=201 if new else 204, headers=where)


@resource.delete("/{tag}", policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, server: Server, tag: str) -> None:
    """Take a tag from a server."""
    await server_tags.remove(request.context, tx, server, tag)
