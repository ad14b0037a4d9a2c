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
from cloudd.core.http.dialects import LINKS, page_link
from cloudd.core.http.shapes import UNSET, nested
from cloudd.core.http.types import List, Raw, Text, Uuid

RULE = "os_compute_api:os-instance-actions:{}"
def moment_of(name: str) -> Any:
    return lambda row, request: clock.iso_naive(getattr(row, name))


def for_operators(name: str) -> Any:
    """A member that is for administrators: where a part of the work failed, and on which host."""
    return lambda row, request: getattr(row, name) if request.allows(RULE.format("events")) else UNSET


def details(row: ActionEvent, request: Request) -> str | None:
    return row.details if request.allows(RULE.format("events:details")) else None


ACTION = Shape("instanceAction",
    Field("action", Text()), Field("instance_uuid", Uuid(), of="server_id"), Field("request_id", Text()),
    Field("user_id", Text(null=True)), Field("project_id", Text(null=True)),
    Field("start_time", Text(), of=moment_of("started_at")), Field("message", Text(null=True)),
    Field("updated_at", Text(null=True), since=ACTION_PAGES, of=moment_of("updated_at")),
)
EVENT = Shape("event",
    Field("event", Text()), Field("start_time", Text(), of=moment_of("started_at")),
    Field("finish_time", Text(null=True), of=moment_of("finished_at")), Field("result", Text(null=True)),
    Field("traceback", Text(null=True), of=for_operators("traceback"), sometimes=True),
    Field("hostId", Text(), since=ACTION_EVENT_HOST, of=lambda row, request: host_id(request.params["project"], row.host)),
    Field("host", Text(null=True), since=ACTION_EVENT_HOST, of=for_operators("host"), sometimes=True),
    Field("details", Text(null=True), since=ACTION_EVENT_DETAILS, of=details),
)
ACTIONS = Shape(None, *nested("instanceActions", ACTION, many=True), Field("links", Raw(LINKS), since=ACTION_PAGES, sometimes=True))
WHOLE = Shape("instanceAction", *ACTION.fields, *nested("events", EVENT, many=True, sometimes=True))
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


@resource.get("", policy=RULE.format("list"), query=FILTERS, answer=ACTIONS, many=False)
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


@resource.get("/{request_id}", policy=RULE.format("show"), answer=WHOLE)
async def show(request: Request, tx: AsyncSession, server_id: str, request_id: str) -> dict[str, Any]:
    """Show what one request did to a server, and how its parts ended."""
    server = await server_of(request, tx, server_id)
    row: ServerAction = await instance_actions.find(tx, server, request_id)
    shown, request.params["project"] = ACTION.view(row, request), row.project_id
    if request.has(VOLUME_EXTENDED_EVENT) or request.allows(RULE.format("events")):
        shown["events"] = [EVENT.view(event, request) for event in await instance_actions.events_of(tx, [row])]
    return {"instanceAction": shown}


def host_id(project_id: str | None, host: str | None) -> str:
    """A name for a host that tells a project which of its servers are together, and nothing else."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest() if host else ""
