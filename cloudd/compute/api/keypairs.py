"""Key pairs over HTTP."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import keypairs
from cloudd.compute.api import API
from cloudd.compute.models import Keypair
from cloudd.compute.versions import KEYPAIR_IMPORT_ONLY, KEYPAIR_OF_OTHER_USER, KEYPAIR_PAGES, KEYPAIR_TYPE, STRICT
from cloudd.core import clock, events
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import nested
from cloudd.core.http.types import NULL, Bool, Enum, Int, List, Text

NAME = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
NEW_NAME = r"^(?! )[a-zA-Z0-9._\-@ ]+(?<! )$"
RULE = "os_compute_api:os-keypairs:{}"
BEFORE = "2.91"

KEYPAIR_NEW = Shape("keypair",
    Field("name", Text(1, 255, pattern=NAME), required=True, until=BEFORE),
    Field("name", Text(1, 255, pattern=NEW_NAME), required=True, since=KEYPAIR_IMPORT_ONLY),
    Field("type", Enum("ssh", "x509"), since=KEYPAIR_TYPE),
    Field("public_key", Text(0, None), until=BEFORE),
    Field("public_key", Text(1, None), since=KEYPAIR_IMPORT_ONLY, required=True),
    Field("user_id", Text(1, 255), since=KEYPAIR_OF_OTHER_USER),
)
BRIEF = Shape("keypair", Field("name", Text()), Field("public_key", Text()), Field("fingerprint", Text()),
              Field("type", Text(), since=KEYPAIR_TYPE))
KEYPAIR = Shape("keypair", *BRIEF.fields, Field("user_id", Text()), Field("id", Int()),
    Field("created_at", Text(), of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("updated_at", NULL, of=lambda row, request: None), Field("deleted_at", NULL, of=lambda row, request: None),
    Field("deleted", Bool(), of=lambda row, request: False),
)
LISTED = Shape("keypair", *nested("keypair", BRIEF, of=BRIEF.view))
MADE = Shape("keypair", *BRIEF.fields, Field("user_id", Text()), Field("private_key", Text(), sometimes=True))
FILTERS = Shape(None, Field("user_id", List(Text(0, 255)), since=KEYPAIR_OF_OTHER_USER),
                Field("limit", List(Text(0, 64)), since=KEYPAIR_PAGES), Field("marker", List(Text(0, 255)), since=KEYPAIR_PAGES),
                extra=STRICT)
WHOSE = Shape(None, Field("user_id", List(Text(0, 255)), since=KEYPAIR_OF_OTHER_USER), extra=STRICT)
LISTING = Listing(Keypair, {}, {"name": Keypair.name}, (("name", "asc"),), key="name")
resource = API.resource("/os-keypairs")


@dataclass(frozen=True)
class KeypairChanged(events.Event):
    """A key pair was made, imported or deleted; the name says which."""

    resource_id: str
    keypair: dict[str, Any] = field(default_factory=dict)
    name: ClassVar[str] = "keypair.changed"


async def tell(request: Request, tx: AsyncSession, row: Keypair, verb: str) -> None:
    event = KeypairChanged(row.name, {"name": row.name, "user_id": row.user_id, "type": row.type, "fingerprint": row.fingerprint})
    object.__setattr__(event, "name", f"keypair.{verb}")
    await events.emit(tx, request.context, event)


def whose(request: Request) -> str:
    """The user whose key pairs are meant: from 2.10 on administrators may name one."""
    if request.has(KEYPAIR_OF_OTHER_USER):
        sent = request.sent.get("keypair") if isinstance(request.sent, dict) else None
        named = sent.get("user_id") if isinstance(sent, dict) else request.query.get("user_id")
        if isinstance(named, str) and named:
            return named
    return request.context.user_id or ""


def target(request: Request) -> dict[str, Any]:
    return {"user_id": whose(request), "project_id": request.context.project_id}


@resource.get("", policy=RULE.format("index"), target=target, query=FILTERS, reply=LISTED)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List the key pairs of a user."""
    asked = request.api.dialect.read_list(request) if request.has(KEYPAIR_PAGES) else ListQuery()
    if asked.marker:
        await keypairs.find(tx, whose(request), asked.marker)
    query = keypairs.of_user(whose(request))
    return await LISTING.paged(tx, query, asked, query)


@resource.post("", body=KEYPAIR_NEW, policy=RULE.format("create"), target=target, live=True, answer=MADE)
async def create(request: Request, body: dict[str, Any]) -> Reply:
    """Import a key pair, or (before 2.92) have one made."""
    user_id, kind, name = whose(request), body.get("type", "ssh"), body["name"]
    if not request.has(KEYPAIR_IMPORT_ONLY):
        keypairs.check_name(name)
    if "public_key" in body:
        made = keypairs.imported(body["public_key"], kind)
    else:
        async with request.parts.database.read() as tx:
            await keypairs.require_room(tx, request.context, user_id, name)
        made = await asyncio.to_thread(keypairs.generate, kind, user_id, request.context.now())
    async with request.parts.database.write() as tx:
        row = await keypairs.add(tx, request.context, user_id, name, kind, made)
        await tell(request, tx, row, "import.end" if made.private_key is None else "create.end")
    view = {**BRIEF.view(row, request), "user_id": user_id}
    if made.private_key is not None:
        view["private_key"] = made.private_key
    return Reply({"keypair": view}, 201 if request.has(KEYPAIR_TYPE) else 200)


@resource.get("/{name}", policy=RULE.format("show"), target=target, query=WHOSE, reply=KEYPAIR)
async def show(request: Request, tx: AsyncSession, name: str) -> Keypair:
    """Show a key pair."""
    return await keypairs.find(tx, whose(request), name)


@resource.delete("/{name}", policy=RULE.format("delete"), target=target, query=WHOSE)
async def delete(request: Request, tx: AsyncSession, name: str) -> Reply:
    """Delete a key pair; servers keep what they were given."""
    row = await keypairs.find(tx, whose(request), name)
    await tx.delete(row)
    await tell(request, tx, row, "delete.end")
    return Reply(status=204 if request.has(KEYPAIR_TYPE) else 202)
