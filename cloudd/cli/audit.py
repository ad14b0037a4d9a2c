"""`cloudd audit`: who did what to what, from where and how it ended, as it stands in the database, the daemon running or not."""

from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Select, Text, select, type_coerce

from cloudd.core import clock
from cloudd.core.database import Database
from cloudd.core.errors import StartError
from cloudd.core.tables import EventRow
from cloudd.settings import Settings

COLUMNS = ("time", "event", "outcome", "user", "address", "project", "resource", "request")


@dataclass(frozen=True)
class Asked:
    """Which events: of a user, about a resource, whose names begin so, since a moment, only failures; the last `limit` of them."""

    user: str | None = None
    resource: str | None = None
    event: str | None = None
    since: str | None = None
    failures: bool = False
    limit: int = 100


async def show(settings: Settings, asked: Asked, as_json: bool) -> int:
    """Print the audit log, newest last; as JSON one object a line, with all that each event tells."""
    database = Database(settings.database.url)
    try:
        await database.check_schema()
        async with database.read() as tx:
            rows = list((await tx.execute(query(asked))).scalars())
    finally:
        await database.close()
    found = list(reversed(rows))
    if as_json:
        for row in found:
            print(orjson.dumps(record(row)).decode())
        return 0
    lines = [COLUMNS] + [line(row) for row in found]
    widths = [max(len(one[column]) for one in lines) for column in range(len(COLUMNS))]
    for one in lines:
        print("  ".join(text.ljust(width) for text, width in zip(one, widths, strict=True)).rstrip())
    return 0


def query(asked: Asked) -> Select[tuple[EventRow]]:
    """The newest first. The outcome lies inside the payload, which is kept as text (core.database.Json)."""
    wanted = select(EventRow).order_by(EventRow.serial.desc())
    if asked.user:
        wanted = wanted.where(EventRow.user_id == asked.user)
    if asked.resource:
        wanted = wanted.where(EventRow.resource_id == asked.resource)
    if asked.event:
        wanted = wanted.where(EventRow.name.startswith(asked.event, autoescape=True))
    if asked.since:
        wanted = wanted.where(EventRow.created_at >= _moment(asked.since))
    if asked.failures:
        wanted = wanted.where(type_coerce(EventRow.payload, Text).contains('"outcome":"failure"'))
    return wanted.limit(asked.limit)


def _moment(text: str) -> datetime:
    try:
        return clock.parse(text)
    except ValueError as exc:
        raise StartError(f"--since {text}: it must be a time, as 2026-01-31 or 2026-01-31T12:00:00") from exc


def outcome(row: EventRow) -> str:
    """What is told in the transaction of the change has succeeded, unless it says otherwise."""
    return str(row.payload.get("outcome", "success"))


def line(row: EventRow) -> tuple[str, ...]:
    return (row.created_at.strftime("%Y-%m-%d %H:%M:%S"), row.name, outcome(row), row.user_id or "", row.address or "",
            row.project_id or "", row.resource_id or "", row.request_id or "")


def record(row: EventRow) -> dict[str, object]:
    """One event with everything, in CADF's words: initiator, action, target, outcome."""
    return {"id": row.serial, "eventTime": clock.iso_micro(row.created_at), "action": row.name, "outcome": outcome(row),
            "initiator": {"id": row.user_id, "project_id": row.project_id, "host": {"address": row.address},
                          "request_id": row.request_id},
            "target": {"id": row.resource_id}, "attachments": row.payload}
