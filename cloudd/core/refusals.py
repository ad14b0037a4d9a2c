"""Refused requests, told like what was done: who wanted what, and why he may not. An operator reads of them by `cloudd audit`."""

import time
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import ClassVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids, log
from cloudd.core.context import Context
from cloudd.core.errors import CloudError
from cloudd.core.events import Event
from cloudd.core.outage import DatabaseDown

LOG = log.get("cloudd.refusals")
MINUTE = 60.0
REMEMBERED = 10_000


@dataclass(frozen=True)
class Refused(Event):
    """A request of somebody known was answered with 403, or with 401 for what his token does not cover.

    The resource is the last that its path names. `untold`: so many more of this caller before.
    """

    name: ClassVar[str] = "request.refused"
    service: str
    method: str
    path: str
    rule: str
    reason: str
    untold: int = 0
    outcome: str = "failure"


@dataclass
class Allowance:
    """How many refusals of one caller are told in a minute, by a clock that only goes forward: nobody fills the log, or keeps the
    disk busy, by asking."""

    most: int = 60
    _minutes: OrderedDict[str, tuple[float, int, int]] = field(default_factory=OrderedDict)

    def forget(self) -> None:
        self._minutes.clear()

    def take(self, caller: str, now: float) -> int | None:
        """How many of the caller's were not told since the last one; None when this one is not told either."""
        began, told, untold = self._minutes.pop(caller, (now, 0, 0))
        if now - began >= MINUTE:
            began, told = now, 0
        tell = told < self.most
        self._minutes[caller] = (began, told + 1, 0) if tell else (began, told, untold + 1)
        if len(self._minutes) > REMEMBERED:
            self._minutes.popitem(last=False)
        return untold if tell else None


async def tell(transaction: AbstractAsyncContextManager[AsyncSession], allowance: Allowance, context: Context, service: str,
               method: str, path: str, error: CloudError) -> None:
    """Write a refusal to the outbox, in a transaction that is not yet begun. The caller gets his 403 also when that fails."""
    untold = allowance.take(context.user_id or context.remote_address or "", time.monotonic())
    if untold is None:
        return
    segments = [segment for segment in path.split("/") if segment]
    resource = next((segment for segment in reversed(segments) if ids.is_uuid(segment)), segments[-1] if segments else "")
    event = Refused(resource[:64], service, method, path[:255], str(error.facts.get("rule", "")), error.message[:500], untold)
    try:
        async with transaction as tx:
            await events.emit(tx, context, event)
    except (SQLAlchemyError, DatabaseDown) as exc:
        LOG.error("a refusal could not be told", method=method, path=path, user=context.user_id, error=repr(exc))
