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
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.dialects import page_link
from cloudd.core.http.types import List, Text

RULE = "os_compute_api:os-simple-tenant-usage:{}"
PERIOD = timedelta(weeks=4)
FILTERS = Shape(None, *(Field(name, List(Text(0, 255))) for name in ("start", "end", "detailed")),
                *(Field(name, List(Text(0, 255)), since=USAGE_PAGES) for name in ("limit", "marker")), extra=STRICT)
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


def server_view(one: Used) -> dict[str, Any]:
    server = one.server
    return {"instance_id": server.id, "name": server.name, "hours": one.hours, "flavor": server.flavor.get("name", ""),
            "vcpus": server.vcpus, "memory_mb": server.memory_mb, "local_gb": one.local_gb, "tenant_id": server.project_id,
            "state": one.state, "uptime": one.uptime, "started_at": clock.iso_naive(one.started_at),
            "ended_at": clock.iso_naive(one.ended_at)}


def project_view(project_id: str, found: list[Used], start: datetime, stop: datetime, detailed: bool) -> dict[str, Any]:
    totals = usage.totals(found)
    shown = {"tenant_id": project_id, "start": clock.iso_naive(start), "stop": clock.iso_naive(stop),
             "total_hours": totals.hours, "total_vcpus_usage": totals.vcpus, "total_memory_mb_usage": totals.memory_mb,
             "total_local_gb_usage": totals.local_gb}
    return {**shown, "server_usages": [server_view(one) for one in found]} if detailed else shown


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


@resource.get("", policy=RULE.format("list"), query=FILTERS)
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List what every project used in a period."""
    start, stop = period(request)
    found, links = await collected(request, tx, start, stop)
    detailed = request.query.get("detailed") == "1"
    body: dict[str, Any] = {"tenant_usages": [project_view(project_id, list(group), start, stop, detailed) for project_id, group
                                              in groupby(found, key=lambda one: one.server.project_id)]}
    return {**body, "tenant_usages_links": links} if links else body


@resource.get("/{project}", policy=RULE.format("show"), query=FILTERS,
              target=lambda request: {"project_id": request.path["project"]})
async def show(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show what one project used in a period, server by server."""
    start, stop = period(request)
    found, links = await collected(request, tx, start, stop, project)
    body: dict[str, Any] = {"tenant_usage": project_view(project, found, start, stop, True) if found else {}}
    return {**body, "tenant_usage_links": links} if links else body
