"""Transfers of volumes from project to project, at both of their addresses."""

from typing import Any

from sqlalchemy import select

from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.volumes.query import within
from cloudd.block.models import Transfer
from cloudd.block.transfers import rules
from cloudd.block.volumes.find import find as find_volume
from cloudd.core import clock
from cloudd.core.http import Change, Field, Page, Request, Resource, Shape
from cloudd.core.http import types as t

OLD, NEW = "os-volume-transfer", "volume-transfers"
ASKED = Shape("transfer", Field("volume_id", f.UUID, required=True), Field("name", f.NAME))
ASKED_NEW = Shape("transfer", *ASKED.fields, Field("no_snapshots", f.BOOLEAN, since=v.TRANSFERS_WITH_SNAPSHOTS))
ACCEPT = Shape("accept", Field("auth_key", t.Raw({"type": ["string", "integer"]}), required=True))
LINKS = Field("links", f.LINKS, of=lambda row, request: f.links(request, request.operation.path.split("/")[1], row.id))
BRIEF_FIELDS = (Field("id", t.Uuid()), Field("volume_id", t.Uuid()), Field("name", t.Text(null=True)), LINKS)
FULL_FIELDS = (
    *BRIEF_FIELDS,
    Field("created_at", f.MOMENT, of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("no_snapshots", t.Bool(), since=v.TRANSFERS_WITH_SNAPSHOTS),
    Field("source_project_id", t.Text(), of="project_id", since=v.TRANSFER_PROJECTS),
    Field("destination_project_id", t.Text(null=True), of=lambda row, request: None, since=v.TRANSFER_PROJECTS),
    Field("accepted", t.Bool(), of=lambda row, request: False, since=v.TRANSFER_PROJECTS),
)
BRIEF, FULL = Shape("transfer", *BRIEF_FIELDS), Shape("transfer", *FULL_FIELDS)
MADE = Shape("transfer", *FULL_FIELDS, Field("auth_key", t.Text(), of=lambda row, request: request.loaded["key"]))
COLUMNS = {"id": Transfer.id, "name": Transfer.name, "display_name": Transfer.name, "volume_id": Transfer.volume_id,
           "no_snapshots": Transfer.no_snapshots, "source_project_id": Transfer.project_id}
PUBLIC: dict[str, Change | None] = dict.fromkeys(("name", "volume_id", "id", "no_snapshots", "source_project_id"))
LISTING = f.Rows(
    Transfer, filters={**{name: f.exact(column) for name, column in COLUMNS.items()},
                       "no_snapshots": f.truth(Transfer.no_snapshots, "no_snapshots")},
    sorts={**COLUMNS, "created_at": Transfer.created_at}, default=(("created_at", "asc"), ("id", "asc")))


@API.loader("transfer")
async def load(request: Request, tx: Any, transfer_id: str) -> Transfer:
    return await rules.find(tx, request.context, transfer_id)


async def page(request: Request, tx: Any) -> Page:
    asked = f.read_filters(request, LISTING, PUBLIC, {})
    return await f.page(request, tx, LISTING, within(request, select(Transfer), Transfer.project_id), asked)


async def index(request: Request, tx: Any) -> Page:
    """List offers of volumes, briefly."""
    return await page(request, tx)


async def detail(request: Request, tx: Any) -> Page:
    """List offers of volumes with all that is known of them."""
    return await page(request, tx)


async def show(request: Request, tx: Any, transfer: Transfer) -> Transfer:
    """Show an offer of a volume."""
    return transfer


async def create(request: Request, tx: Any, body: dict[str, Any]) -> Transfer:
    """Offer a volume to whoever has its key."""
    volume = await find_volume(tx, request.context, body["volume_id"])
    transfer, key = await rules.offer(request.context, tx, volume, body.get("name"), no_snapshots=bool(body.get("no_snapshots")),
                                      encrypted=request.has(v.TRANSFER_ENCRYPTED))
    request.loaded["key"] = key
    return transfer


async def accept(request: Request, tx: Any, id: str, body: dict[str, Any]) -> Transfer:
    """Take a volume that is offered."""
    return await rules.accept(request.context, tx, id, str(body["auth_key"]))


async def delete(request: Request, tx: Any, transfer: Transfer) -> None:
    """End an offer."""
    await rules.withdraw(request.context, tx, transfer)


def _declare(resource: Resource, asked: Shape) -> None:
    reads, one = "volume:get_all_transfers", "/{transfer}"
    resource.get(policy=reads, reply=BRIEF, listing=LISTING)(index)
    resource.get("/detail", policy=reads, reply=FULL, listing=LISTING)(detail)
    resource.get(one, policy="volume:get_transfer", reply=FULL)(show)
    resource.post(policy="volume:create_transfer", body=asked, status=202, reply=MADE)(create)
    resource.post("/{id}/accept", policy="volume:accept_transfer", body=ACCEPT, status=202, reply=BRIEF)(accept)
    resource.delete(one, policy="volume:delete_transfer", status=202)(delete)


_declare(API.resource(f"/{OLD}"), ASKED)
_declare(API.resource(f"/{NEW}"), ASKED_NEW)
