"""Waiting for an event of a resource: what a job's step may wait for, and who waits for what, in memory.

Nothing polls: events are handed on when they are committed, and one timer stands for the nearest deadline. A waiting job's row says
from which event on it looks (`since`), so none is missed that came between the step's asking and its waiting, or while no daemon ran.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock
from cloudd.core.errors import CloudError
from cloudd.core.tables import EventRow, JobRow

CHUNK = 500


@dataclass(frozen=True)
class Wait:
    """One of these events of this resource, whose payload has the values of `match` (a list: one of them), within `seconds`.

    `hold`: the job keeps its locks meanwhile, so that no other job works on what it works on.
    """

    names: tuple[str, ...]
    resource: str
    seconds: float
    match: Mapping[str, Any] = field(default_factory=dict)
    hold: bool = True

    def saved(self, since: int) -> dict[str, Any]:
        """As the job's row keeps it."""
        return {"names": list(self.names), "resource": self.resource, "seconds": self.seconds, "match": dict(self.match),
                "hold": self.hold, "since": since, "until": (clock.now() + timedelta(seconds=self.seconds)).isoformat()}

    @classmethod
    def of(cls, row: JobRow) -> "Wait":
        saved = row.waits or {}
        return cls(tuple(saved["names"]), saved["resource"], saved["seconds"], saved["match"], saved["hold"])

    def fits(self, event: EventRow) -> bool:
        if event.resource_id != self.resource or event.name not in self.names:
            return False
        payload = plain(event.payload)
        return all(payload.get(key) in (value if isinstance(value, list | tuple) else (value,)) for key, value in self.match.items())

    def __str__(self) -> str:
        with_what = "".join(f", {key} {value}" for key, value in self.match.items())
        return f"{' or '.join(self.names)} of {self.resource}{with_what}"


class EventMissed(CloudError):
    """What a job waited for did not come in time."""

    def __init__(self, wait: Wait):
        super().__init__(f"Waited {wait.seconds:g} seconds for {wait}, which did not come.")


def plain(payload: Any) -> Any:
    """A payload as it is read from its row."""
    return orjson.loads(orjson.dumps(payload))


def came(event: EventRow) -> dict[str, Any]:
    """An event as a job's memory keeps it."""
    return {"serial": event.serial, "name": event.name, "payload": plain(event.payload)}


async def newest(tx: AsyncSession) -> int:
    """The serial of the last event."""
    return (await tx.execute(select(func.max(EventRow.serial)))).scalar() or 0


async def find(tx: AsyncSession, wait: Wait, since: int) -> EventRow | None:
    """The first event after `since` that was waited for."""
    query = select(EventRow).where(EventRow.resource_id == wait.resource, EventRow.serial > since, EventRow.name.in_(wait.names))
    rows = (await tx.execute(query.order_by(EventRow.serial))).scalars()
    return next((row for row in rows if wait.fits(row)), None)


class Waits:
    """The jobs that wait. `over(row, event)` is told when one's event came, or its deadline (no event)."""

    def __init__(self, over: Callable[[JobRow, EventRow | None], None]):
        self._over = over
        self._rows: dict[int, tuple[JobRow, Wait]] = {}
        self._by_resource: dict[str, set[int]] = {}
        self._deadlines: list[tuple[datetime, int]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[JobRow]:
        return [row for row, _ in self._rows.values()]

    def add(self, row: JobRow) -> None:
        wait = Wait.of(row)
        self._rows[row.serial] = row, wait
        self._by_resource.setdefault(wait.resource, set()).add(row.serial)
        heappush(self._deadlines, (datetime.fromisoformat((row.waits or {})["until"]), row.serial))
        self._set_timer()

    def remove(self, serial: int) -> JobRow | None:
        row, wait = self._rows.pop(serial, (None, None))
        if wait is not None:
            others = self._by_resource[wait.resource]
            others.discard(serial)
            if not others:
                del self._by_resource[wait.resource]
        return row

    def heard(self, events: Iterable[EventRow]) -> None:
        """Events that have been committed, in their order."""
        for event in events:
            for serial in tuple(self._by_resource.get(event.resource_id or "", ())):
                row, wait = self._rows[serial]
                if event.serial > (row.waits or {})["since"] and wait.fits(event):
                    self.remove(serial)
                    self._over(row, event)

    async def catch_up(self, tx: AsyncSession) -> None:
        """Look in the database for what was waited for: at the start, and when a commit or another process may have told."""
        resources = sorted(self._by_resource)
        since = min(((row.waits or {})["since"] for row in self.rows()), default=0)
        for first in range(0, len(resources), CHUNK):
            query = select(EventRow).where(EventRow.resource_id.in_(resources[first:first + CHUNK]), EventRow.serial > since)
            self.heard((await tx.execute(query.order_by(EventRow.serial))).scalars().all())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        """One timer, for the nearest deadline of somebody who still waits."""
        self.stop()
        while self._deadlines and self._deadlines[0][1] not in self._rows:
            heappop(self._deadlines)
        if self._deadlines:
            seconds = (self._deadlines[0][0] - clock.now()).total_seconds()
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), self._late)

    def _late(self) -> None:
        now = clock.now()
        while self._deadlines and self._deadlines[0][0] <= now:
            serial = heappop(self._deadlines)[1]
            if (row := self.remove(serial)) is not None:
                self._over(row, None)
        self._set_timer()
