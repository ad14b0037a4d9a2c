"""What was done to a server, over HTTP."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import ActionEvent, Server, ServerAction
from cloudd.compute.servers import change as servers
from cloudd.compute.servers import instance_actions
from cloudd.compute.versions import (
    ACTION_EVENT_DETAILS,
    ACTION_EVENT_HOST,
    ACTION_PAGES,
    ACTIONS_OF_DELETED,
    CHANGES_BEFORE,
    VOLUME_EXTENDED_EVENT,
)
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.dialects import page_link
from cloudd.core.http.types import List, Text

RULE = "os_compute_api:os-instance-actions:{}"
ACTION = Shape("instanceAction",
    Field("action"), Field("instance_uuid", of="server_id"), Field("request_id"), Field("user_id"), Field("project_id"),
    Field("start_time", of=lambda row, request: clock.iso_naive(row.started_at)), Field("message"),
    Field("updated_at", since=ACTION_PAGES, of=lambda row, request: clock.iso_naive(row.updated_at)),
    plural="instanceActions",
)
FILTERS = Shape(None,
    *(Field(name, List(Text(0, 255)), since=ACTION_PAGES) for name in ("limit", "marker", "changes-since")),
    Field("changes-before", List(Text(0, 255)), since=CHANGES_BEFORE), extra=ACTION_PAGES)
resource = API.resource("/servers/{server_id}/os-instance-actions")


async def server_of(request: Request, tx: AsyncSession, server_id: str) -> Server:
    return await servers.find(tx, request.context, server_id, deleted=request.has(ACTIONS_OF_DELETED))


def moment(request: Request, name: str) -> datetime | None:
    text = request.query.get(name)
    try:
        return clock.parse(text) if text is not None else None
    except ValueError as exc:
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. It must be a date and time.") from exc


@resource.get("", policy=RULE.format("list"), query=FILTERS)
async def index(request: Request, tx: AsyncSession, server_id: str) -> dict[str, Any]:
    """List what was done to a server, the newest first."""
    server = await server_of(request, tx, server_id)
    if not request.has(ACTION_PAGES):
        rows = await instance_actions.listed(tx, server)
        return {"instanceActions": [ACTION.view(row, request) for row in rows]}
    since = moment(request, "changes-since")
    before = moment(request, "changes-before") if request.has(CHANGES_BEFORE) else None
    if since and before and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    asked = request.api.dialect.read_list(request)
    rows = await instance_actions.listed(tx, server, limit=asked.limit, marker=asked.marker, since=since, before=before)
    more, rows = len(rows) > (asked.limit or 0), rows[:asked.limit]
    body: dict[str, Any] = {"instanceActions": [ACTION.view(row, request) for row in rows]}
    if more and rows:
        body["links"] = [{"rel": "next", "href": page_link(request, marker=rows[-1].request_id)}]
    return body


@resource.get("/{request_id}", policy=RULE.format("show"))
async def show(request: Request, tx: AsyncSession, server_id: str, request_id: str) -> dict[str, Any]:
    """Show what one request did to a server, and how its parts ended."""
    server = await server_of(request, tx, server_id)
    row: ServerAction = await instance_actions.find(tx, server, request_id)
    shown = ACTION.view(row, request)
    full = request.allows(RULE.format("events"))
    if full or request.has(VOLUME_EXTENDED_EVENT):
        shown["events"] = [event_view(request, event, row, full) for event in await instance_actions.events_of(tx, [row])]
    return {"instanceAction": shown}


def event_view(request: Request, event: ActionEvent, action: ServerAction, full: bool) -> dict[str, Any]:
    """A part of the work; where it failed, and on which host, is for administrators."""
    shown: dict[str, Any] = {"event": event.event, "start_time": clock.iso_naive(event.started_at),
                             "finish_time": clock.iso_naive(event.finished_at), "result": event.result}
    if full:
        shown["traceback"] = event.traceback
    if request.has(ACTION_EVENT_HOST):
        shown["hostId"] = host_id(action.project_id, event.host)
        if full:
            shown["host"] = event.host
    if request.has(ACTION_EVENT_DETAILS):
        shown["details"] = event.details if request.allows(RULE.format("events:details")) else None
    return shown


def host_id(project_id: str | None, host: str | None) -> str:
    """A name for a host that tells a project which of its servers are together, and nothing else."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""
