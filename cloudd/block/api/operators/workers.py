"""Cleaning up after services that are gone, over HTTP.

The jobs of this daemon go on by themselves when it starts, and what is on the machine is compared with the rows: so nothing waits for
a clean-up, and what is answered is which services were asked for one and which are away.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.api import API
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.models import BlockService
from cloudd.block.operators import services
from cloudd.block.versions import WORKERS_CLEANUP
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import NULL, Bool, Enum, Int, List, Record, Text, Uuid

KINDS = ("Backup", "Snapshot", "Volume")
HOST = Text(1, 255, null=True, pattern=r"^[a-zA-Z0-9-._#@:/+]*$")
CLEANUP = Shape(None, Field("cluster_name", HOST), Field("host", HOST), Field("disabled", Bool(text=True, null=True)),
                Field("is_up", Bool(text=True, null=True)), Field("binary", Enum(services.VOLUME, services.SCHEDULER, null=True)),
                Field("resource_id", Uuid(null=True)), Field("resource_type", Text(0, 40, null=True)),
                Field("service_id", Int(0, 2**31 - 1, text=True, null=True)))
SERVICE = Record({"id": Int(), "host": Text(), "binary": Text(), "cluster_name": NULL})
ASKED = Record({"cleaning": List(SERVICE), "unavailable": List(SERVICE)})
resource = API.resource("/workers/cleanup", policy="workers:cleanup", since=WORKERS_CLEANUP, status=202, use="create", body=CLEANUP,
                        answer=ASKED)


@resource.put("")
@resource.post("")
async def cleanup(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Ask services to clean up; openstacksdk sends it by PUT."""
    if (kind := body.get("resource_type")) and kind.title() not in KINDS:
        raise BadRequest(f"Invalid input received: Resource type {kind} not valid, must be {' or '.join(KINDS)}.")
    if body.get("resource_id") and not any(body.get(name) for name in ("service_id", "cluster_name", "host")):
        raise BadRequest(f"Invalid input received: There is no resource with UUID {body['resource_id']} pending cleanup.")
    there = request.service(Backends).by_name
    rows = [] if body.get("cluster_name") else await services.listed(tx, body.get("host"), body.get("binary"))
    rows = [row for row in rows if matches(row, body, services.is_up(row, there))]
    await events.record(tx, request.context, "workers.cleanup", CONFIG.host[:64], services=[row.host for row in rows])
    can = [row for row in rows if services.is_up(row, there)]
    return {"cleaning": view(can), "unavailable": view([row for row in rows if row not in can])}


def matches(row: BlockService, body: dict[str, Any], up: bool) -> bool:
    """Only services that are down are asked, unless the body says so."""
    return (up is bool(body.get("is_up")) and body.get("disabled") in (None, row.disabled)
            and body.get("service_id") in (None, row.id))


def view(rows: list[BlockService]) -> list[dict[str, Any]]:
    return [{"id": row.id, "host": row.host, "binary": row.binary, "cluster_name": None} for row in rows]
