"""Messages over HTTP."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, false, or_
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import filters
from cloudd.block.api import API, fields
from cloudd.block.models import Message
from cloudd.block.operators import messages
from cloudd.block.versions import LIKE_FILTERS, MESSAGE_PAGES, MESSAGES, RESOURCE_FILTERS
from cloudd.core import clock
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http.dialects import LINKS, ListQuery
from cloudd.core.http.shapes import UNSET
from cloudd.core.http.types import Raw, Text, Uuid


def links(row: Message, request: Request) -> list[dict[str, str]]:
    return [{"rel": "self", "href": request.link(f"/messages/{row.id}")},
            {"rel": "bookmark", "href": request.host_link(f"/volume/messages/{row.id}")}]


MESSAGE = Shape("message", Field("id", Uuid()), Field("event_id", Text(), of=lambda row, request: messages.event_id(row)),
    Field("user_message", Text(), of=lambda row, request: messages.text(row)), Field("message_level", Text(), of="level"),
    Field("created_at", Text(), of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("guaranteed_until", Text(), of=lambda row, request: clock.iso_naive(row.expires_at)),
    Field("request_id", Text()), Field("links", Raw(LINKS), of=links),
    Field("resource_type", Text(), of=lambda row, request: row.resource_type or UNSET, sometimes=True),
    Field("resource_uuid", Uuid(), of=lambda row, request: row.resource_id or UNSET, sometimes=True))


def of_event(values: Sequence[str]) -> ColumnElement[bool]:
    """Messages of these events, whose ids are made of three columns."""
    parts = [found for value in values if (found := messages.by_event(value))]
    return or_(false(), *(and_(Message.resource_type == kind, Message.action == action, Message.detail == detail)
                          for kind, action, detail in parts))


LISTING = fields.Rows(Message, {"resource_uuid": Message.resource_id, "resource_type": Message.resource_type, "event_id": of_event,
                                "request_id": Message.request_id, "message_level": Message.level, "id": Message.id,
                                "project_id": Message.project_id},
                      {"id": Message.id, "created_at": Message.created_at, "guaranteed_until": Message.expires_at,
                       "expires_at": Message.expires_at, "request_id": Message.request_id, "message_level": Message.level,
                       "resource_type": Message.resource_type, "resource_uuid": Message.resource_id}, (("created_at", "desc"),))
resource = API.resource("/messages", since=MESSAGES)


@API.loader("message")
async def load(request: Request, tx: AsyncSession, message_id: str) -> Message:
    return await messages.find(tx, request.context, message_id)


@resource.get("", policy="message:get_all", reply=MESSAGE, listing=LISTING)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List messages, the newest first."""
    asked = API.dialect.read_list(request) if request.has(MESSAGE_PAGES) else ListQuery(limit=request.settings.api.max_limit)
    if request.has(RESOURCE_FILTERS):
        filters.refuse(request.context, "message", [name for name, _ in asked.filters], like=request.has(LIKE_FILTERS))
    return await LISTING.page(request, tx, messages.visible(request.context), asked)


@resource.get("/{message}", policy="message:get", reply=MESSAGE)
async def show(message: Message) -> Message:
    """Show a message."""
    return message


@resource.delete("/{message}", policy="message:delete")
async def delete(tx: AsyncSession, message: Message) -> None:
    """Delete a message."""
    await tx.delete(message)
