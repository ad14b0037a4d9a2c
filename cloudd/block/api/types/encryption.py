"""Encryption of volume types over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.backends import Backends
from cloudd.block.models import TypeEncryption, VolumeType
from cloudd.block.types import encryption
from cloudd.core import clock
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Enum, Int, Map, Obj, Record, Text, Uuid

RULE = "volume_extension:volume_type_encryption:{}"
LOCATION = Enum(encryption.FRONT, encryption.BACK)
PROVIDER, CIPHER, KEY_SIZE = Text(1, 255), Text(0, 255, null=True), Int(0, 2**31 - 1, text=True, null=True)
SENT = Shape("encryption", Field("provider", PROVIDER, required=True), Field("control_location", LOCATION, required=True),
             Field("cipher", CIPHER), Field("key_size", KEY_SIZE))
PARTS = {"provider": Text(), "control_location": LOCATION, "cipher": Text(null=True), "key_size": Int(null=True)}
MADE = Record({"encryption": Record({"volume_type_id": Uuid(), "encryption_id": Uuid(), **PARTS})})
CHANGED = Record({"encryption": Obj(PARTS)})
TIMES = {"created_at": Text(), "updated_at": Text(null=True), "deleted_at": Text(null=True), "deleted": Enum(False)}
SHOWN = Obj({"volume_type_id": Uuid(), "encryption_id": Uuid(), **PARTS, **TIMES})
resource = API.resource("/types/{volume_type}/encryption")


def offered(request: Request) -> set[str]:
    """The providers of the back ends of this host."""
    return {name for driver in request.service(Backends).by_name.values() for name in driver.caps().encryption}


def parts(row: TypeEncryption) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PARTS}


async def shown(tx: AsyncSession, volume_type: VolumeType) -> dict[str, Any]:
    """All that there is to tell; nothing of a type that is not encrypted."""
    row = await encryption.of(tx, volume_type.id)
    if row is None:
        return {}
    return {"volume_type_id": row.volume_type_id, "encryption_id": row.encryption_id, **parts(row), "deleted": False,
            "created_at": clock.iso_naive(row.created_at), "updated_at": clock.iso_naive(row.updated_at), "deleted_at": None}


@resource.get("", policy=RULE.format("get"), answer=SHOWN, many=False)
async def index(tx: AsyncSession, volume_type: VolumeType) -> dict[str, Any]:
    """Show how volumes of a type are encrypted."""
    return await shown(tx, volume_type)


@resource.get("/{key}", policy=RULE.format("get"), answer=Map())
async def show(tx: AsyncSession, volume_type: VolumeType, key: str) -> dict[str, Any]:
    """Show one of the facts of it."""
    facts = await shown(tx, volume_type)
    if key not in facts:
        raise encryption.missing(volume_type)
    return {key: facts[key]}


@resource.post("", policy=RULE.format("create"), body=SENT, answer=MADE)
async def create(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> dict[str, Any]:
    """Let volumes of a type be encrypted."""
    row = await encryption.create(request.context, tx, volume_type, body, offered(request))
    return {"encryption": {"volume_type_id": row.volume_type_id, "encryption_id": row.encryption_id, **parts(row)}}


@resource.put("/{encryption_id}", policy=RULE.format("update"), body=SENT, answer=CHANGED)
async def update(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> dict[str, Any]:
    """Let volumes of a type be encrypted otherwise."""
    await encryption.update(request.context, tx, volume_type, body, offered(request))
    return {"encryption": body}


@resource.delete("/{encryption_id}", policy=RULE.format("delete"), status=202)
async def delete(request: Request, tx: AsyncSession, volume_type: VolumeType) -> Reply:
    """Let volumes of a type no more be encrypted."""
    await encryption.delete(request.context, tx, volume_type)
    return Reply()
