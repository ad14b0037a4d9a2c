"""What lies in a back end without being ours: listed, taken over as a volume or a snapshot; and volumes let go.

Each is served at two addresses, of which the newer comes with 3.8.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.api.snapshots import MADE as SNAPSHOT
from cloudd.block.api.snapshots import see as see_snapshots
from cloudd.block.api.volumes.view import MADE, see
from cloudd.block.backends import Backends
from cloudd.block.models import Snapshot, Volume
from cloudd.block.volumes import delete as volumes_delete
from cloudd.block.volumes import manage
from cloudd.block.volumes.find import find as find_volume
from cloudd.core.errors import BadRequest, Unavailable
from cloudd.core.http import Change, Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Filters
from cloudd.drivers.volume.base import Manageable, VolumeError

GIB = 1 << 30
HOST = t.Text(1, 255, pattern=r"^[a-zA-Z0-9-._#@:/+\[\]]*$", null=True)
NAME = t.Text(0, 255, null=True)
REF = t.Raw({"type": ["object", "string"]})
REF_OR_NULL = t.Raw({"type": ["object", "string", "null"]})
NEW = Shape("volume", Field("ref", REF, required=True), Field("host", HOST), Field("name", f.NAME), Field("description", f.DESCRIPTION),
            Field("volume_type", NAME), Field("availability_zone", NAME), Field("metadata", f.METADATA_OR_NULL),
            Field("bootable", f.BOOLEAN, default=False), Field("cluster", NAME, since=v.MIGRATE_CLUSTER))
NEW_SNAPSHOT = Shape("snapshot", Field("ref", REF_OR_NULL, required=True), Field("volume_id", f.UUID, required=True),
                     Field("name", f.NAME), Field("description", f.DESCRIPTION), Field("metadata", f.METADATA_OR_NULL))
REFERENCE = t.Record({"source-name": t.Text()})
BRIEF = {"reference": REFERENCE, "size": t.Int(), "safe_to_manage": t.Bool()}
FULL = {**BRIEF, "reason_not_safe": t.Text(null=True), "cinder_id": t.Text(null=True), "extra_info": t.Text(null=True)}
SOURCE = {"source_reference": REFERENCE}
SORTS: dict[str, Callable[[Manageable], Any]] = {"reference": lambda one: one.reference, "size": lambda one: one.size}
ASKED = Filters({"host", "cluster"}, SORTS)
LIST = "volume_extension:list_manageable"
LIST_SNAPSHOTS = "snapshot_extension:list_manageable"


def _brief(one: Manageable) -> dict[str, Any]:
    told = {"reference": {"source-name": one.reference}, "size": -(-one.size // GIB), "safe_to_manage": one.safe}
    return {**told, "source_reference": {"source-name": one.of_volume}} if one.of_volume else told


def _full(one: Manageable) -> dict[str, Any]:
    return {**_brief(one), "reason_not_safe": one.reason or None, "cinder_id": one.id or None, "extra_info": None}


async def _found(request: Request, *, snapshots: bool) -> list[Manageable]:
    """What the back end that the request names has, a page of it."""
    there = request.service(Backends)
    place = manage.place(there, request.query.get("host"))
    try:
        found = [one for one in await there.of(place).manageable() if bool(one.of_volume) is snapshots]
    except VolumeError as exc:
        raise Unavailable(f"The back end does not answer: {exc}.") from exc
    asked = request.api.dialect.read_list(request)
    for key, direction in reversed(asked.sorts or (("reference", "desc"),)):
        if key not in SORTS or direction not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort keys passed: {key}:{direction}. Use reference or size, asc or desc.")
        found.sort(key=SORTS[key], reverse=direction == "desc")
    if asked.marker is not None:
        names = [one.reference for one in found]
        if asked.marker not in names:
            raise BadRequest(f"marker [{asked.marker[:100]}] not found", type="MarkerNotFound")
        found = found[names.index(asked.marker) + 1:]
    return found[asked.offset:][:asked.limit]


def _lists(path: str, plural: str, policy: str, members: dict[str, t.Type], since: Change | None) -> None:
    """The two lists at an address."""
    resource, snapshots = API.resource(path, live=True, since=since or "3.0", listing=ASKED, policy=policy), bool(members)

    def shape(fields: dict[str, t.Type]) -> t.Type:
        return t.Record({plural: t.List(t.Record({**fields, **members}))})

    async def index(request: Request) -> dict[str, Any]:
        """List what could be managed, briefly."""
        return {plural: [_brief(one) for one in await _found(request, snapshots=snapshots)]}

    async def detail(request: Request) -> dict[str, Any]:
        """List what could be managed, with why it cannot where that is so."""
        return {plural: [_full(one) for one in await _found(request, snapshots=snapshots)]}

    resource.get(answer=shape(BRIEF), many=False)(index)
    resource.get("/detail", answer=shape(FULL), many=False)(detail)


async def take_volume(request: Request, tx: Any, body: dict[str, Any]) -> Any:
    """Make what lies in a back end a volume."""
    place = manage.place(request.service(Backends), body.get("host"))
    volume = await manage.manage(
        request.context, tx, place, manage.reference(body["ref"]), name=body.get("name"), description=body.get("description"),
        volume_type=body.get("volume_type"), metadata=body.get("metadata") or {}, zone=body.get("availability_zone"),
        bootable=body["bootable"])
    return (await see(request, tx, [volume]))[0]


async def take_snapshot(request: Request, tx: Any, body: dict[str, Any]) -> Any:
    """Make what lies in a back end a snapshot of one of our volumes."""
    volume = await find_volume(tx, request.context, body["volume_id"])
    snapshot: Snapshot = await manage.manage_snapshot(
        request.context, tx, volume, manage.reference(body["ref"]), name=body.get("name"), description=body.get("description"),
        metadata=body.get("metadata") or {})
    return (await see_snapshots(request, tx, [snapshot]))[0]


def _takes(path: str, handler: Callable[..., Awaitable[Any]], policy: str, body: Shape, reply: Shape, since: Change | None) -> None:
    API.resource(path, since=since or "3.0").post(policy=policy, body=body, reply=reply, status=202)(handler)


for _path, _since in (("/os-volume-manage", None), ("/manageable_volumes", v.MANAGE_LISTS)):
    _lists(_path, "manageable-volumes", LIST, {}, _since)
    _takes(_path, take_volume, "volume_extension:volume_manage", NEW, MADE, _since)
for _path, _since in (("/os-snapshot-manage", None), ("/manageable_snapshots", v.MANAGE_LISTS)):
    _lists(_path, "manageable-snapshots", LIST_SNAPSHOTS, SOURCE, _since)
    _takes(_path, take_snapshot, "snapshot_extension:snapshot_manage", NEW_SNAPSHOT, SNAPSHOT, _since)


@API.resource("/volumes/{volume}/action").post(action="os-unmanage", policy="volume_extension:volume_unmanage", status=202)
async def unmanage(request: Request, tx: Any, volume: Volume) -> None:
    """Forget a volume, whose data stays in the back end."""
    await volumes_delete.unmanage(request.context, tx, volume)
