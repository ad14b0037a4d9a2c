"""Migrations and NUMA topology of servers. One host has nowhere to move them to: what there is are resizes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import Migration, Server
from cloudd.compute.servers import migrations
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
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.lists import Listing
from cloudd.core.http.types import NONE, NOTHING, NULL, Int, List, Record, Text, Uuid
from cloudd.core.rows import plain

ROOT, RULE = "os_compute_api:os-migrations:index", "os_compute_api:servers:migrations:{}"
ANY = List(Text(0, 255))
NAME = Text(null=True)
FILTERS = Shape(None,
    *(Field(name, ANY) for name in ("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type")),
    *(Field(name, ANY, since=MIGRATION_PAGES) for name in ("limit", "marker", "changes-since")),
    Field("changes-before", ANY, since=CHANGES_BEFORE), Field("user_id", ANY, since=MIGRATION_OWNERS),
    Field("project_id", ANY, since=MIGRATION_OWNERS), extra=MIGRATION_PAGES)


def host(name: str) -> Any:
    """A member that tells of hosts, to those who may know them."""
    return lambda row, request: getattr(row, name) if request.allows(f"{ROOT}:host") else None


def number(name: str) -> Any:
    """Nova's number of a flavor: its id, where that is one."""
    return lambda row, request: int(getattr(row, name)) if getattr(row, name).isdigit() and len(getattr(row, name)) < 10 else None


MIGRATION = Shape("migration",
    Field("id", Int()), Field("uuid", Uuid(), since=MIGRATION_PAGES), Field("instance_uuid", Uuid(), of="server_id"),
    Field("status", Text()), Field("migration_type", Text(), since=SERVER_MIGRATIONS),
    Field("source_compute", NAME, of=host("source_host")), Field("source_node", NAME, of=host("source_node")),
    Field("dest_compute", NAME, of=host("dest_host")), Field("dest_node", NAME, of=host("dest_node")),
    Field("dest_host", NAME, of=host("dest_address")),
    *(Field(f"{which}_instance_type_id", Int(null=True), of=number(f"{which}_flavor_id")) for which in ("old", "new")),
    Field("user_id", Text(), since=MIGRATION_OWNERS), Field("project_id", Text(), since=MIGRATION_OWNERS),
    Field("created_at", Text(), of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("updated_at", Text(null=True), of=lambda row, request: clock.iso_naive(row.updated_at)),
)
PLAIN = {"instance_uuid": Migration.server_id, "status": Migration.status, "migration_type": Migration.migration_type,
         "source_compute": Migration.source_host, "host": lambda values: migrations.of_host(values[-1])}
CHANGES = {"changes-since": lambda values: Migration.updated_at >= clock.parse(values[-1]),
           "changes-before": lambda values: Migration.updated_at <= clock.parse(values[-1])}
OWNERS = {"user_id": Migration.user_id, "project_id": Migration.project_id}
SORTS = {"created_at": Migration.created_at, "id": Migration.id}
NEWEST = (("created_at", "desc"), ("id", "desc"))
resource = API.resource("/servers/{server}/migrations")


@API.resource("/os-migrations").get("", policy=ROOT, query=FILTERS, reply=MIGRATION)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List the migrations of all servers; who may not see all sees his project's."""
    asked = request.api.dialect.read_list(request)
    if {"host", "source_compute"} & {name for name, _ in asked.filters}:
        request.require(f"{ROOT}:host")
    filters: dict[str, Any] = dict(PLAIN)
    if request.has(MIGRATION_PAGES):
        _require_moments(request)
        filters |= {name: CHANGES[name] for name in ("changes-since", *(["changes-before"] if request.has(CHANGES_BEFORE) else []))}
    if request.has(MIGRATION_OWNERS):
        filters |= OWNERS
    listing = Listing(Migration, filters, SORTS, NEWEST, key="uuid")
    seen = migrations.listed(request.context, everybody=request.allows(f"{ROOT}:all_projects"))
    query = listing.filtered(seen, asked)
    if request.has(MIGRATION_PAGES):
        return await listing.paged(tx, query, ListQuery(limit=asked.limit, marker=asked.marker), seen)
    return Page(await plain.read(tx, Migration, query.order_by(Migration.id)))


def _require_moments(request: Request) -> None:
    moments: Sequence[Any] = [_moment(request, name) for name in ("changes-since", "changes-before")]
    if None not in moments and moments[0] > moments[1]:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")


def _moment(request: Request, name: str) -> Any:
    text = request.query.get(name)
    try:
        return clock.parse(text) if text is not None else None
    except ValueError as exc:
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. {text!r} is not a 'date-time'") from exc


@resource.get("", since=SERVER_MIGRATIONS, policy=RULE.format("index"), answer=Record({"migrations": NONE}))
async def of_server(server: Server) -> dict[str, Any]:
    """List the live migrations of a server that are under way."""
    return {"migrations": []}


@resource.get("/{migration_id}", since=SERVER_MIGRATIONS, policy=RULE.format("show"), answer=NOTHING)
async def show(tx: AsyncSession, server: Server, migration_id: str) -> None:
    """Show a live migration that is under way."""
    await migrations.require_live(tx, server, migration_id)


@resource.post("/{migration_id}/action", action="force_complete", since=FORCE_LIVE_MIGRATION, status=202,
               policy=RULE.format("force_complete"))
async def force_complete(tx: AsyncSession, server: Server, migration_id: str) -> None:
    """Hurry a live migration."""
    await migrations.require_live(tx, server, migration_id)


@resource.delete("/{migration_id}", since=ABORT_LIVE_MIGRATION, status=202, policy=RULE.format("delete"))
async def abort(tx: AsyncSession, server: Server, migration_id: str) -> None:
    """Stop a live migration."""
    await migrations.require_live(tx, server, migration_id)


@API.resource("/servers/{server}/topology").get("", since=TOPOLOGY, policy="compute:server:topology:index",
                                                   answer=Record({"nodes": NONE, "pagesize_kb": NULL}))
async def topology(server: Server) -> dict[str, Any]:
    """Show the NUMA cells of a server. Guests have none of their own here."""
    return {"nodes": [], "pagesize_kb": None}
