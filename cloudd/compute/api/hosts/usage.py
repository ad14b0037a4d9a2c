"""What projects used, over HTTP."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.hosts import usage
from cloudd.compute.hosts.usage import Used
from cloudd.compute.versions import STRICT, USAGE_PAGES
from cloudd.core import clock
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.dialects import LINKS, page_link
from cloudd.core.http.types import Int, List, Number, Obj, Raw, Text, Uuid

RULE = "os_compute_api:os-simple-tenant-usage:{}"
PERIOD = timedelta(weeks=4)
FILTERS = Shape(None, *(Field(name, List(Text(0, 255))) for name in ("start", "end", "detailed")),
                *(Field(name, List(Text(0, 255)), since=USAGE_PAGES) for name in ("limit", "marker")), extra=STRICT)
SERVER_USE = Shape(None,
    Field("instance_id", Uuid(), of="server.id"), Field("name", Text(), of="server.name"), Field("hours", Number()),
    Field("flavor", Text(), of=lambda one, request: one.server.flavor.get("name", "")), Field("vcpus", Int(), of="server.vcpus"),
    Field("memory_mb", Int(), of="server.memory_mb"), Field("local_gb", Int()), Field("tenant_id", Text(), of="server.project_id"),
    Field("state", Text()), Field("uptime", Int()),
    Field("started_at", Text(), of=lambda one, request: clock.iso_naive(one.started_at)),
    Field("ended_at", Text(null=True), of=lambda one, request: clock.iso_naive(one.ended_at)),
)
TOTALS = ("total_hours", "total_vcpus_usage", "total_memory_mb_usage", "total_local_gb_usage")
PROJECT = {"tenant_id": Text(), "start": Text(), "stop": Text(), **dict.fromkeys(TOTALS, Number())}
PROJECT_USE = {**PROJECT, "server_usages": List(Raw(SERVER_USE.answer((0, 0))))}
USAGES = Obj({"tenant_usages": List(Obj(PROJECT_USE, tuple(PROJECT))), "tenant_usages_links": Raw(LINKS)}, ("tenant_usages",))
USAGE = Obj({"tenant_usage": Obj(PROJECT_USE), "tenant_usage_links": Raw(LINKS)}, ("tenant_usage",))     # empty where nothing was used
resource = API.resource("/os-simple-tenant-usage")


def period(request: Request) -> tuple[datetime, datetime]:
    """The period asked for; by default the last four weeks."""
    now = request.context.now()
    start, stop = _moment(request, "start", now - PERIOD), _moment(request, "end", now)
    if start >= stop:
        raise BadRequest(f"Invalid start time. The start time cannot occur after the end time: {clock.iso_naive(start)} is not "
                         f"before {clock.iso_naive(stop)}.")
    return start, stop


def _moment(request: Request, name: str, default: datetime) -> datetime:
    text = request.query.get(name)
    try:
        return clock.parse(text.strip('"')) if text else default
    except ValueError as exc:
        raise BadRequest(f"Datetime is in invalid format: {name} = {text}; use 2026-01-31T12:00:00.") from exc


def project_view(request: Request, project_id: str, found: list[Used], start: datetime, stop: datetime, detailed: bool) -> dict[str, Any]:
    totals = usage.totals(found)
    shown = {"tenant_id": project_id, "start": clock.iso_naive(start), "stop": clock.iso_naive(stop),
             "total_hours": totals.hours, "total_vcpus_usage": totals.vcpus, "total_memory_mb_usage": totals.memory_mb,
             "total_local_gb_usage": totals.local_gb}
    return {**shown, "server_usages": [SERVER_USE.view(one, request) for one in found]} if detailed else shown


async def collected(request: Request, tx: AsyncSession, start: datetime, stop: datetime,
                    project_id: str | None = None) -> tuple[list[Used], list[dict[str, str]]]:
    """The servers of one page, and the link to the next."""
    limit = marker = None
    if request.has(USAGE_PAGES):
        asked = request.api.dialect.read_list(request)
        limit, marker = asked.limit, asked.marker
    found = await usage.used(tx, start, stop, request.context.now(), project_id=project_id, limit=limit, marker=marker)
    full = limit is not None and len(found) == limit and found
    links = [{"rel": "next", "href": page_link(request, marker=found[-1].server.id)}] if full else []
    return found, links


@resource.get("", policy=RULE.format("list"), query=FILTERS, answer=USAGES)
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List what every project used in a period."""
    if request.raw.path.endswith("/"):                        # who asks for one project, of no id, is not told of all (as Nova)
        raise NotFound(f"The resource {request.raw.path} could not be found: the id of a project is missing behind the slash.")
    start, stop = period(request)
    found, links = await collected(request, tx, start, stop)
    detailed = request.query.get("detailed") == "1"
    body: dict[str, Any] = {"tenant_usages": [project_view(request, project_id, list(group), start, stop, detailed)
                                              for project_id, group in groupby(found, key=lambda one: one.server.project_id)]}
    return {**body, "tenant_usages_links": links} if links else body


@resource.get("/{project}", policy=RULE.format("show"), query=FILTERS, answer=USAGE,
              target=lambda request: {"project_id": request.path["project"]})
async def show(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show what one project used in a period, server by server."""
    start, stop = period(request)
    found, links = await collected(request, tx, start, stop, project)
    body: dict[str, Any] = {"tenant_usage": project_view(request, project, found, start, stop, True) if found else {}}
    return {**body, "tenant_usage_links": links} if links else body
