"""How one volume is encrypted: what its type says, and which key it has."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.models import Volume
from cloudd.block.types import encryption
from cloudd.core.errors import NotFound
from cloudd.core.http.types import Int, Obj, Raw, Text

KEYS = ("control_location", "cipher", "key_size", "provider")
FACTS = Obj({"encryption_key_id": Text(null=True), "control_location": Text(), "cipher": Text(null=True), "key_size": Int(null=True),
             "provider": Text()}, ["encryption_key_id"])
FACT = Raw({"type": ["string", "integer", "null"]})
resource = API.resource("/volumes/{volume}/encryption", policy="volume_extension:volume_encryption_metadata")


async def facts(tx: AsyncSession, volume: Volume) -> dict[str, Any]:
    row = await encryption.of(tx, volume.volume_type_id)
    return {"encryption_key_id": volume.encryption_key_id, **({key: getattr(row, key) for key in KEYS} if row else {})}


@resource.get("", answer=FACTS, many=False)
async def index(tx: AsyncSession, volume: Volume) -> dict[str, Any]:
    """Show how a volume is encrypted."""
    return await facts(tx, volume)


@resource.get("/{key}", answer=FACT)
async def show(tx: AsyncSession, volume: Volume, key: str) -> Any:
    """Show one of the facts of it, as it is."""
    found = await facts(tx, volume)
    if key not in found:
        raise NotFound(f"Volume {volume.id} has no {key[:255]} of encryption; there are: {', '.join(found)}.")
    return found[key]
