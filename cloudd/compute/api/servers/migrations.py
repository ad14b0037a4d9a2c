"""Migrations and NUMA topology of servers. One host has nowhere to migrate to: the lists are empty, and true."""

from typing import Any

from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.compute.versions import (
    ABORT_LIVE_MIGRATION,
    CHANGES_BEFORE,
    FORCE_LIVE_MIGRATION,
    MIGRATION_OWNERS,
    MIGRATION_PAGES,
    SERVER_MIGRATIONS,
    TOPOLOGY,
)
from cloudd.core import clock
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import List, Text

RULE = "os_compute_api:servers:migrations:{}"
ANY = List(Text(0, 255))
FILTERS = Shape(None,
    *(Field(name, ANY) for name in ("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type")),
    *(Field(name, ANY, since=MIGRATION_PAGES) for name in ("limit", "marker", "changes-since")),
    Field("changes-before", ANY, since=CHANGES_BEFORE), Field("user_id", ANY, since=MIGRATION_OWNERS),
    Field("project_id", ANY, since=MIGRATION_OWNERS), extra=MIGRATION_PAGES)
resource = API.resource("/servers/{server}/migrations")


@API.resource("/os-migrations").get("", policy="os_compute_api:os-migrations:index", query=FILTERS)
async def index(request: Request) -> dict[str, Any]:
    """List the migrations of all servers."""
    if request.has(MIGRATION_PAGES):
        _check(request)
    return {"migrations": []}


def _check(request: Request) -> None:
    request.api.dialect.read_list(request)
    for name in ("changes-since", "changes-before"):
        text = request.query.get(name)
        try:
            clock.parse(text) if text is not None else None
        except ValueError as exc:
            raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. It must be a date and time.") from exc
    if "marker" in request.query:
        raise BadRequest(f"Marker {request.query['marker']} could not be found.", type="MarkerNotFound")


def missing(server: Server, key: str) -> NotFound:
    return NotFound(f"Migration {key} for server {server.id} could not be found.", type="MigrationNotFoundForInstance")


@resource.get("", since=SERVER_MIGRATIONS, policy=RULE.format("index"))
async def of_server(server: Server) -> dict[str, Any]:
    """List the migrations of a server that are under way."""
    return {"migrations": []}


@resource.get("/{migration_id}", since=SERVER_MIGRATIONS, policy=RULE.format("show"))
async def show(server: Server, migration_id: str) -> dict[str, Any]:
    """Show a migration that is under way."""
    raise missing(server, migration_id)


@resource.post("/{migration_id}/action", action="force_complete", since=FORCE_LIVE_MIGRATION, status=202,
               policy=RULE.format("force_complete"))
async def force_complete(server: Server, migration_id: str) -> None:
    """Hurry a live migration."""
    raise missing(server, migration_id)


@resource.delete("/{migration_id}", since=ABORT_LIVE_MIGRATION, status=202, policy=RULE.format("delete"))
async def abort(server: Server, migration_id: str) -> None:
    """Stop a live migration."""
    raise missing(server, migration_id)


@API.resource("/servers/{server}/topology").get("", since=TOPOLOGY, policy="compute:server:topology:index")
async def topology(server: Server) -> dict[str, Any]:
    """Show the NUMA cells of a server. Guests have none of their own here."""
    return {"nodes": [], "pagesize_kb": None}
