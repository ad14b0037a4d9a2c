"""What other services tell Nova about servers. Here they are in the same process, so an event is checked and answered."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.compute.versions import ACCELERATOR_EVENT, POWER_UPDATE_EVENT, VOLUME_EXTENDED_EVENT
from cloudd.core import log
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Enum, Int, List, Obj, Record, Text, Uuid

LOG = log.get("cloudd.compute.external_events")
STATUSES = ("failed", "completed", "in-progress")
FIRST = ("network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted")
LATER = ((VOLUME_EXTENDED_EVENT, "volume-extended"), (POWER_UPDATE_EVENT, "power-update"),
         (ACCELERATOR_EVENT, "accelerator-request-bound"))
TAGGED = {"power-update", "volume-extended", "network-vif-deleted", "accelerator-request-bound"}


def _events(*names: str) -> List:
    return List(Obj({"name": Enum(*names), "status": Enum(*STATUSES), "server_uuid": Uuid(), "tag": Text(0, 255)},
                    ["name", "server_uuid"]), 1)


def _stretches() -> list[Field]:
    """The list of names grew with versions."""
    fields, names, since = [], list(FIRST), None
    for change, name in LATER:
        fields.append(Field("events", _events(*names), required=True, since=since, until=f"2.{change.version[1] - 1}"))
        names.append(name)
        since = change
    return [*fields, Field("events", _events(*names), required=True, since=since)]


ANSWERS = Record({"events": List(Obj({"name": Text(), "status": Text(), "server_uuid": Uuid(), "tag": Text(), "code": Int()},
                                     ["name", "status", "server_uuid", "code"]))})
EVENTS = Shape(None, *_stretches())


@API.resource("/os-server-external-events").post("", body=EVENTS, answer=ANSWERS,
                                                   policy="os_compute_api:os-server-external-events:create")
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Reply:
    """Tell what happened to servers' ports and volumes."""
    wanted = {event["server_uuid"] for event in body["events"]}
    rows = (await tx.execute(select(Server).where(Server.id.in_(wanted), Server.deleted_at.is_(None)))).scalars()
    servers = {row.id: row for row in rows}
    answers = [_answer(event, servers.get(event["server_uuid"])) for event in body["events"]]
    if not any(answer["code"] == 200 for answer in answers):
        raise NotFound("No instances found for any event")
    complete = all(answer["code"] == 200 for answer in answers)
    return Reply({"events": answers}, 200 if complete else 207)


def _answer(event: dict[str, Any], server: Server | None) -> dict[str, Any]:
    shown = {**event, "status": event.get("status", "completed")}
    if event["name"] == "power-update" and event.get("tag") not in ("POWER_ON", "POWER_OFF"):
        raise BadRequest(f"The tag of power-update is POWER_ON or POWER_OFF, not {event.get('tag')}.")
    if event["name"] in TAGGED and not event.get("tag"):
        return {**shown, "status": "failed", "code": 400}
    if server is None:
        return {**shown, "status": "failed", "code": 404}
    if server.host is None:
        return {**shown, "status": "failed", "code": 422}
    LOG.info("told by another service", server=server.id, event=event["name"], status=shown["status"])
    return {**shown, "code": 200}
