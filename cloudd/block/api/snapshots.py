"""Snapshots: taken, listed, shown, changed, deleted; their metadata and actions."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from cloudd.block import states
from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.volumes.query import within
from cloudd.block.models import Snapshot, SnapshotMetadata, Volume
from cloudd.block.snapshots import change
from cloudd.block.snapshots import create as snapshots_create
from cloudd.block.snapshots import delete as snapshots_delete
from cloudd.block.snapshots.find import find, metadata_of
from cloudd.block.volumes.find import find as find_volume
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Change, Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.shapes import UNSET

ADMIN = "volume_extension:snapshot_admin_actions:"
FORCE_WORDS = (f"Since microversion {v.SNAPSHOT_WITHOUT_FORCE.since} the 'force' flag is invalid for this request. For backward "
               "compatibility, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.")
NEW = Shape("snapshot", Field("name", f.NAME), Field("display_name", f.NAME), Field("description", f.DESCRIPTION),
            Field("volume_id", f.UUID_OR_NULL, required=True), Field("force", f.BOOLEAN), Field("metadata", f.METADATA_OR_NULL))
CHANGE = Shape("snapshot", Field("name", f.NAME), Field("description", f.DESCRIPTION), Field("display_name", f.NAME),
               Field("display_description", f.DESCRIPTION), low=1)
RESET = Shape("os-reset_status", Field("status", t.Text(0, 255), required=True))
UPDATE_STATUS = Shape("os-update_snapshot_status", Field("status", t.Text(0, None), required=True),
                      Field("progress", t.Text(0, 8, pattern=r"^[0-9]{1,3}%$")))
STATUSES = (states.CREATING, states.AVAILABLE, states.DELETING, states.ERROR, states.ERROR_DELETING)


@dataclass(frozen=True)
class Seen:
    """A snapshot with all that its reply is made of."""

    row: Snapshot
    metadata: dict[str, str]
    extended: bool


BRIEF_FIELDS = (
    Field("id", t.Uuid(), of="row.id"),
    Field("created_at", f.MOMENT, of=lambda seen, request: clock.iso_naive(seen.row.created_at)),
    Field("updated_at", f.MOMENT, of=lambda seen, request: clock.iso_naive(seen.row.updated_at)),
    Field("name", t.Text(null=True), of="row.name"),
    Field("description", t.Text(null=True), of="row.description"),
    Field("volume_id", t.Uuid(), of="row.volume_id"),
    Field("status", t.Text(), of="row.status"),
    Field("size", t.Int(), of="row.volume_size"),
    Field("metadata", f.TEXTS),
)
BRIEF = Shape("snapshot", *BRIEF_FIELDS)
MADE = Shape(
    "snapshot", *BRIEF_FIELDS,
    Field("group_snapshot_id", t.Text(null=True), of="row.group_snapshot_id", since=v.GROUP_SNAPSHOTS),
    Field("user_id", t.Text(), of="row.user_id", since=v.SNAPSHOT_USER),
    Field("consumes_quota", t.Bool(), of="row.counted", since=v.CONSUMES_QUOTA),
)
"""What is answered to who makes or changes a snapshot."""
SNAPSHOT = Shape(
    "snapshot", *MADE.fields,
    Field("os-extended-snapshot-attributes:progress", t.Text(null=True), sometimes=True,
          of=lambda seen, request: seen.row.progress if seen.extended else UNSET),
    Field("os-extended-snapshot-attributes:project_id", t.Text(), sometimes=True,
          of=lambda seen, request: seen.row.project_id if seen.extended else UNSET),
)
TEXTS = {"name": Snapshot.name, "display_name": Snapshot.name, "description": Snapshot.description,
         "display_description": Snapshot.description, "status": Snapshot.status, "user_id": Snapshot.user_id,
         "project_id": Snapshot.project_id}
COLUMNS = {**TEXTS, "id": Snapshot.id, "volume_id": Snapshot.volume_id, "size": Snapshot.volume_size,
           "volume_size": Snapshot.volume_size, "volume_type_id": Snapshot.volume_type_id, "progress": Snapshot.progress,
           "group_snapshot_id": Snapshot.group_snapshot_id, "encryption_key_id": Snapshot.encryption_key_id}
PUBLIC: dict[str, Change | None] = {**dict.fromkeys(("name", "status", "volume_id", "availability_zone")),
                                    "metadata": v.SNAPSHOT_METADATA_FILTER, "consumes_quota": v.CONSUMES_QUOTA}
LISTING = f.Rows(
    Snapshot,
    filters=f.with_likes({
        **{name: f.exact(column) for name, column in COLUMNS.items()},
        "consumes_quota": f.truth(Snapshot.counted, "consumes_quota"),
        "metadata": f.pairs(Snapshot.id, SnapshotMetadata.key, SnapshotMetadata.value, SnapshotMetadata.snapshot_id),
        "availability_zone": lambda values: Snapshot.volume_id.in_(select(Volume.id).where(Volume.availability_zone == values[-1])),
        "host": lambda values: Snapshot.volume_id.in_(select(Volume.id).where(Volume.host == values[-1])),
    }, TEXTS),
    sorts={**COLUMNS, "created_at": Snapshot.created_at, "updated_at": Snapshot.updated_at},
    default=(("created_at", "desc"), ("id", "desc")))
resource = API.resource("/snapshots")
actions = API.resource("/snapshots/{snapshot}/action", status=202)


@API.loader("snapshot")
async def load(request: Request, tx: Any, snapshot_id: str) -> Snapshot:
    return await find(tx, request.context, snapshot_id)


async def see(request: Request, tx: Any, rows: list[Snapshot]) -> list[Seen]:
    metadata, extended = await metadata_of(tx, [row.id for row in rows]), request.allows("volume_extension:extended_snapshot_attributes")
    return [Seen(row, metadata.get(row.id, {}), extended) for row in rows]


async def _page(request: Request, tx: Any) -> Page:
    asked = f.read_filters(request, LISTING, PUBLIC, TEXTS)
    found = await f.page(request, tx, LISTING, within(request, select(Snapshot), Snapshot.project_id), asked)
    return replace(found, rows=await see(request, tx, found.rows))


@resource.get(policy="volume:get_all_snapshots", reply=BRIEF, listing=LISTING)
async def index(request: Request, tx: Any) -> Page:
    """List snapshots, briefly."""
    return await _page(request, tx)


@resource.get("/detail", policy="volume:get_all_snapshots", reply=SNAPSHOT, listing=LISTING)
async def detail(request: Request, tx: Any) -> Page:
    """List snapshots with all that is known of them."""
    return await _page(request, tx)


@resource.get("/{snapshot}", policy="volume:get_snapshot", reply=SNAPSHOT)
async def show(request: Request, tx: Any, snapshot: Snapshot) -> Seen:
    """Show a snapshot."""
    return (await see(request, tx, [snapshot]))[0]


@resource.post(policy="volume:create_snapshot", body=NEW, status=202, reply=MADE)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Seen:
    """Take a snapshot of a volume."""
    force = body.get("force")
    if force is False and request.has(v.SNAPSHOT_WITHOUT_FORCE):
        raise BadRequest(FORCE_WORDS)
    volume = await find_volume(tx, request.context, str(body["volume_id"]))
    snapshot = await snapshots_create.create(
        request.context, tx, volume, name=body.get("name", body.get("display_name")), description=body.get("description"),
        metadata=body.get("metadata"), in_use=bool(force) or request.has(v.SNAPSHOT_WITHOUT_FORCE))
    return (await see(request, tx, [snapshot]))[0]


@resource.put("/{snapshot}", policy="volume:update_snapshot", body=CHANGE, reply=MADE)
async def update(request: Request, tx: Any, snapshot: Snapshot, body: dict[str, Any]) -> Seen:
    """Change what is only written down of a snapshot."""
    values = {name: body.get(name, body.get(f"display_{name}")) for name in ("name", "description")
              if name in body or f"display_{name}" in body}
    if not values:
        raise BadRequest("Invalid input: nothing is to be changed: name or description is required.", type="ValidationError")
    await change.update(request.context, tx, snapshot, **values)
    return (await see(request, tx, [snapshot]))[0]


@resource.delete("/{snapshot}", policy="volume:delete_snapshot", status=202)
async def delete(request: Request, tx: Any, snapshot: Snapshot) -> None:
    """Delete a snapshot, whatever stands on it."""
    await snapshots_delete.delete(request.context, tx, snapshot)


@actions.post(action="os-reset_status", policy=ADMIN + "reset_status", body=RESET)
async def reset_status(request: Request, tx: Any, snapshot: Snapshot, body: dict[str, Any]) -> None:
    """Say what status a snapshot has."""
    if (status := body["status"].lower()) not in STATUSES:
        raise BadRequest(f"Invalid input for field/attribute status. Value: {body['status'][:50]}. It must be one of "
                         f"{', '.join(STATUSES)}.", type="ValidationError")
    await change.reset(request.context, tx, snapshot, status)


@actions.post(action="os-force_delete", policy=ADMIN + "force_delete")
async def force_delete(request: Request, tx: Any, snapshot: Snapshot) -> None:
    """Delete a snapshot, whatever its status."""
    await snapshots_delete.delete(request.context, tx, snapshot, force=True)


@actions.post(action="os-update_snapshot_status", policy="snapshot_extension:snapshot_actions:update_snapshot_status", body=UPDATE_STATUS)
async def update_status(request: Request, tx: Any, snapshot: Snapshot, body: dict[str, Any]) -> None:
    """Say how the taking of a snapshot goes on."""
    await change.tell_status(request.context, tx, snapshot, body["status"], body.get("progress"))


@actions.post(action="os-unmanage", policy="snapshot_extension:snapshot_unmanage")
async def unmanage(request: Request, tx: Any, snapshot: Snapshot) -> None:
    """Forget a snapshot, whose data stays in the back end."""
    await snapshots_delete.unmanage(request.context, tx, snapshot)
