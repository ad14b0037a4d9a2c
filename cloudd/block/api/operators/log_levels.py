"""How much the parts of block storage log. They are one daemon, so what is set for one goes for all of them."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.api import API
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.operators import services
from cloudd.block.versions import LOG_LEVELS
from cloudd.core import log
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Enum, List, Map, Record, Text

RULE = "volume_extension:services:update"
LEVELS = ("INFO", "WARNING", "ERROR", "DEBUG")
ALL = ("", "*")
BINARIES = (services.SCHEDULER, services.VOLUME, services.BACKUP, services.API)
WHICH = (Field("binary", Enum(*BINARIES, *ALL)), Field("server", Text(0, 255, null=True)), Field("prefix", Text(0, 255, null=True)))
SET = Shape(None, *WHICH, Field("level", Text(0, 32, null=True)))
GET = Shape(None, *WHICH)
SHOWN = Record({"log_levels": List(Record({"binary": Text(), "host": Text(), "levels": Map(Text())}))})
resource = API.resource("/os-services", since=LOG_LEVELS)


async def meant(request: Request, tx: AsyncSession, body: dict[str, Any]) -> list[tuple[str, str]]:
    """The services of this daemon that a body names, as (binary, host)."""
    binary, server = body.get("binary", ""), body.get("server")
    found = [(services.API, CONFIG.host)] if server in (None, "", CONFIG.host) else []
    rows = await services.listed(tx, server)
    found += [(row.binary, row.host) for row in rows if services.is_up(row, request.service(Backends).by_name)]
    return [one for one in found if binary in ALL or one[0] == binary]


@resource.put("/set-log", policy=RULE, use="create", body=SET, status=202)
async def set_levels(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Reply:
    """Log more or less, until the daemon starts again."""
    level = (body.get("level") or "").upper()
    if level not in LEVELS:
        raise BadRequest(f"Invalid input received: {body.get('level')} is not a valid log level: use {', '.join(LEVELS)}.")
    if await meant(request, tx, body):
        prefix = body.get("prefix") or ""
        log.set_levels(prefix, level)
        await events.record(tx, request.context, "service.log", CONFIG.host[:64], prefix=prefix, level=level)
    return Reply()


@resource.put("/get-log", policy=RULE, use="create", body=GET, answer=SHOWN)
async def get_levels(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Tell how much is logged."""
    levels = log.levels(body.get("prefix") or "")
    return {"log_levels": [{"binary": binary, "host": host, "levels": levels} for binary, host in await meant(request, tx, body)]}
