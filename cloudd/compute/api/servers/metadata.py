"""Metadata of servers over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.compute.servers import metadata as server_metadata
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Map, Record, Text

RULE = "os_compute_api:server-metadata:{}"
KEYS = r"^[a-zA-Z0-9-_:. ]{1,255}$"
METADATA = Shape(None, Field("metadata", Map(Text(0, 255), keys=KEYS), required=True))
ONE = Shape(None, Field("meta", Map(Text(0, 255), keys=KEYS, low=1, high=1), required=True))
ALL = Record({"metadata": Map(Text())})
ITEM = Record({"meta": Map(Text())})
resource = API.resource("/servers/{server}/metadata")


@resource.get("", policy=RULE.format("index"), answer=ALL)
async def index(tx: AsyncSession, server: Server) -> dict[str, Any]:
    """List the metadata of a server."""
    return {"metadata": await server_metadata.of(tx, server)}


@resource.post("", body=METADATA, policy=RULE.format("create"), answer=ALL)
async def create(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Add and change metadata of a server."""
    return {"metadata": await server_metadata.change(request.context, tx, server, body["metadata"])}


@resource.put("", body=METADATA, use="create", policy=RULE.format("update_all"), answer=ALL)
async def update_all(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Replace the metadata of a server."""
    return {"metadata": await server_metadata.change(request.context, tx, server, body["metadata"], replace=True)}


@resource.get("/{key}", policy=RULE.format("show"), answer=ITEM)
async def show(tx: AsyncSession, server: Server, key: str) -> dict[str, Any]:
    """Show one item of a server's metadata."""
    return {"meta": {key: await server_metadata.item(tx, server, key)}}


@resource.put("/{key}", body=ONE, use="create", policy=RULE.format("update"), answer=ITEM)
async def update(request: Request, tx: AsyncSession, server: Server, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set one item of a server's metadata."""
    if key not in body["meta"]:
        raise BadRequest(f"Request body and URI mismatch: the address names {key}, the body {', '.join(body['meta'])}.")
    await server_metadata.change(request.context, tx, server, body["meta"])
    return {"meta": body["meta"]}


@resource.delete("/{key}", policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, server: Server, key: str) -> None:
    """Delete one item of a server's metadata."""
    await server_metadata.remove(request.context, tx, server, key)
