"""Volumes of a server over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.api.servers.interfaces import TAG
from cloudd.compute.models import BlockDevice, Server
from cloudd.compute.servers import volumes
from cloudd.compute.versions import (
    ATTACHMENT_IDS,
    CHANGE_DELETE_ON_TERMINATION,
    DELETE_ON_TERMINATION,
    MULTIATTACH,
    TAGGED_ATTACH,
    TAGS_OF_ATTACHMENTS,
    VOLUME_ATTACH_LATER,
)
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Bool, Obj, Text, Uuid

RULE = "os_compute_api:os-volumes-attachments:{}"
DEVICE = Text(1, 255, null=True, pattern="(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$")
ASKED = {"volumeId": Uuid(), "device": DEVICE}
TAGGED = {**ASKED, "tag": TAG}
KEPT = {**TAGGED, "delete_on_termination": Bool()}
ATTACH = Shape(None, Field("volumeAttachment", Obj(ASKED, ["volumeId"]), until="2.48", required=True),
               Field("volumeAttachment", Obj(TAGGED, ["volumeId"]), since=TAGGED_ATTACH, until="2.78", required=True),
               Field("volumeAttachment", Obj(KEPT, ["volumeId"]), since=DELETE_ON_TERMINATION, required=True))
CHANGED = {**KEPT, "serverId": Uuid()}
SWAP = Shape(None, Field("volumeAttachment", Obj(ASKED, ["volumeId"]), required=True))
UPDATE = Shape(None, Field("volumeAttachment", Obj({**CHANGED, "id": Uuid()}, ["volumeId"]), until="2.88", required=True),
               Field("volumeAttachment", Obj({**CHANGED, "attachment_id": Uuid(), "bdm_uuid": Uuid()}, ["volumeId"]),
                     since=ATTACHMENT_IDS, required=True))
ATTACHED = Shape("volumeAttachment",
    Field("id", Uuid(), of="volume_id", until="2.88"), Field("serverId", Uuid(), of="server_id"), Field("volumeId", Uuid(), of="volume_id"),
    Field("device", Text(null=True), of=lambda row, request: f"/dev/{row.device_name}" if row.device_name else None),
    Field("tag", Text(null=True), since=TAGS_OF_ATTACHMENTS), Field("delete_on_termination", Bool(), since=DELETE_ON_TERMINATION),
    Field("attachment_id", Uuid(null=True), since=ATTACHMENT_IDS), Field("bdm_uuid", Uuid(), of="id", since=ATTACHMENT_IDS),
)
resource = API.resource("/servers/{server}/os-volume_attachments")


@resource.get("", policy=RULE.format("index"), reply=ATTACHED)
async def index(tx: AsyncSession, server: Server) -> list[BlockDevice]:
    """List the volumes of a server."""
    return await volumes.listed(tx, server.id)


@resource.get("/{volume_id}", policy=RULE.format("show"), reply=ATTACHED)
async def show(tx: AsyncSession, server: Server, volume_id: str) -> BlockDevice:
    """Show a volume of a server."""
    return await volumes.find(tx, server, volume_id)


async def _attach(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> BlockDevice:
    asked = body["volumeAttachment"]
    return await volumes.attach(request.context, tx, server, asked["volumeId"], tag=asked.get("tag"),
                                delete_on_termination=asked.get("delete_on_termination", False), multiattach=request.has(MULTIATTACH))


@resource.post("", until="2.100", body=ATTACH, policy=RULE.format("create"), reply=ATTACHED)
async def attach(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> BlockDevice:
    """Give a server a volume; it is in use when the guest has it."""
    return await _attach(request, tx, server, body)


@resource.post("", since=VOLUME_ATTACH_LATER, status=202, body=ATTACH, policy=RULE.format("create"))
async def attach_later(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Give a server a volume; it is in use when the guest has it."""
    await _attach(request, tx, server, body)


@resource.put("/{volume_id}", until="2.84", status=202, body=SWAP, use="create", policy=RULE.format("swap"))
async def swap(request: Request, tx: AsyncSession, server: Server, volume_id: str, body: dict[str, Any]) -> None:
    """Put another volume in a volume's place."""
    await volumes.swap(request.context, tx, server, volume_id, body["volumeAttachment"]["volumeId"])


async def may_update(request: Request, tx: AsyncSession, body: dict[str, Any]) -> None:
    """Changing how a volume is attached is its owner's, another volume in its place is not."""
    same = body["volumeAttachment"]["volumeId"] == request.path["volume_id"]
    request.require(RULE.format("update" if same else "swap"), request.api.dialect.target(request))


@resource.put("/{volume_id}", since=CHANGE_DELETE_ON_TERMINATION, status=202, body=UPDATE, use="create", policy=RULE.format("update"),
              guard=may_update)
async def update(request: Request, tx: AsyncSession, server: Server, volume_id: str, body: dict[str, Any]) -> None:
    """Change whether a volume goes with its server."""
    asked = body["volumeAttachment"]
    if asked["volumeId"] != volume_id:
        await volumes.swap(request.context, tx, server, volume_id, asked["volumeId"])
    await volumes.update(tx, server, volume_id, asked)


@resource.delete("/{volume_id}", status=202, policy=RULE.format("delete"))
async def detach(request: Request, tx: AsyncSession, server: Server, volume_id: str) -> None:
    """Take a volume from a server."""
    await volumes.detach(request.context, tx, server, volume_id)
