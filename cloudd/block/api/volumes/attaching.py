"""The old actions by which a volume is attached and detached."""

from typing import Any

from cloudd.block.api import API
from cloudd.block.api import fields as f
from cloudd.block.attachments import classic
from cloudd.block.models import Volume
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t

RULE = "volume_extension:volume_actions:"
ADMIN = "volume_extension:volume_admin_actions:"
ATTACH = Shape("os-attach", Field("instance_uuid", f.UUID), Field("mountpoint", t.Text(1, 255), required=True),
               Field("host_name", t.Text(0, 255)), Field("mode", t.Enum("rw", "ro"), default="rw"))
ID = t.Obj({"attachment_id": f.UUID_OR_NULL}, null=True)
DETACH = Shape(None, Field("os-detach", ID, required=True))
ANY_CONNECTOR = t.Raw({"type": ["string", "object", "null"]})
FORCE_DETACH = Shape("os-force_detach", Field("connector", ANY_CONNECTOR), Field("attachment_id", f.UUID_OR_NULL))
INITIALIZE = Shape("os-initialize_connection", Field("connector", t.Raw({"type": ["string", "object"]}), required=True))
TERMINATE = Shape("os-terminate_connection", Field("connector", ANY_CONNECTOR, required=True))
INFO = t.Record({"connection_info": t.Raw({"type": "object", "required": ["driver_volume_type", "data"]})})
actions = API.resource("/volumes/{volume}/action", status=202)


@actions.post(action="os-reserve", policy=RULE + "reserve")
async def reserve(request: Request, tx: Any, volume: Volume) -> None:
    """Mark a volume as about to be attached."""
    await classic.reserve(request.context, tx, volume)


@actions.post(action="os-unreserve", policy=RULE + "unreserve")
async def unreserve(request: Request, tx: Any, volume: Volume) -> None:
    """Take that mark away."""
    await classic.unreserve(request.context, tx, volume)


@actions.post(action="os-begin_detaching", policy=RULE + "begin_detaching")
async def begin_detaching(request: Request, tx: Any, volume: Volume) -> None:
    """Mark a volume as about to be detached."""
    await classic.begin_detaching(request.context, tx, volume)


@actions.post(action="os-roll_detaching", policy=RULE + "roll_detaching")
async def roll_detaching(request: Request, tx: Any, volume: Volume) -> None:
    """Take that mark away."""
    await classic.roll_detaching(request.context, tx, volume)


@actions.post(action="os-attach", policy=RULE + "attach", body=ATTACH)
async def attach(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Write down that a volume is attached."""
    if not body.get("instance_uuid") and "host_name" not in body:
        raise BadRequest("Invalid input: os-attach needs instance_uuid or host_name.", type="ValidationError")
    await classic.attach(request.context, tx, volume, instance_id=body.get("instance_uuid"), host=body.get("host_name"),
                         mountpoint=body["mountpoint"], mode=body["mode"])


@actions.post(action="os-detach", policy=RULE + "detach", body=DETACH)
async def detach(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Write down that a volume is detached."""
    await classic.detach(request.context, tx, volume, (body["os-detach"] or {}).get("attachment_id"))


@actions.post(action="os-force_detach", policy=ADMIN + "force_detach", body=FORCE_DETACH)
async def force_detach(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Write down that a volume is detached, in whatever state it is."""
    await classic.terminate(request.context, tx, volume)
    await classic.detach(request.context, tx, volume, body.get("attachment_id"))


@actions.post(action="os-initialize_connection", policy=RULE + "initialize_connection", body=INITIALIZE, status=200, answer=INFO)
async def initialize(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> dict[str, Any]:
    """Tell how a volume is connected."""
    return {"connection_info": await classic.initialize(request.context, tx, volume, body["connector"])}


@actions.post(action="os-terminate_connection", policy=RULE + "terminate_connection", body=TERMINATE)
async def terminate(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """End a connection."""
    await classic.terminate(request.context, tx, volume)
