"""The zones that volumes can be made in, over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.operators import services
from cloudd.core.http.types import Bool, List, Record, Text

ZONES = Record({"availabilityZoneInfo": List(Record({"zoneName": Text(), "zoneState": Record({"available": Bool()})}))})
SEE = "volume_extension:type_get_all"
"""Upstream asks no policy; whoever may see what volumes there can be may see where."""


@API.resource("/os-availability-zone").get("", policy=SEE, answer=ZONES)
async def index(tx: AsyncSession) -> dict[str, Any]:
    """List the zones."""
    return {"availabilityZoneInfo": [{"zoneName": name, "zoneState": {"available": takes}}
                                     for name, takes in sorted((await services.zones(tx)).items())]}
