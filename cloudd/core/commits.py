"""Who may write, and when it is on the disk: writers take turns, and those that wait for theirs share a commit.

Each caller has his own session, and his own savepoint where others were before him in the transaction: what he did is undone alone
when he fails. When a block ends and the next in line is known to be quick he goes on in the same transaction; everybody is answered
when the one commit is on the disk. Nobody waits longer for that than GROUP_SECONDS: a caller whose kind takes longer, or is not
known, comes after the commit.

Only SQLite commits in groups. PostgreSQL has a connection to lose, which would take all of a group with it.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from cloudd.core import tasks
from cloudd.core.sqlite import Direct, given_up, require_open
from cloudd.core.tasks import to_the_end

GROUP_SECONDS = 0.005
"""So much later than alone may somebody be answered for the sake of others."""
FORGETS = 0.75
"""How much of a kind's slowest time is remembered at each of the next."""


@dataclass
class Group:
    """One transaction, and the sessions whose part in it is done."""

    connection: AsyncConnection
    ended: "asyncio.Future[None]"
    members: list[tuple[AsyncSession, "asyncio.Future[None]"]] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    answers_by: float = float("inf")

    @property
    def door(self) -> Any:
        """The driver's own connection."""
        return self.connection.sync_connection.connection.dbapi_connection  # type: ignore[union-attr]


class Listener(Protocol):
    """Who is told of transactions, each time before anybody else may write."""

    def begun(self) -> None: ...

    def ended(self, done: bool, seconds: float) -> None: ...

    def tell(self, tx: AsyncSession, done: bool) -> None:
        """After `ended`, for each caller who had no error of his own."""


class Commits:
    """The turns of one writing engine. `share`: in groups."""

    def __init__(self, engine: AsyncEngine, listener: Listener, share: bool):
        self._engine, self._listener, self._share = engine, listener, share
        self._session = Direct if share else AsyncSession
        self._line: deque[tuple[asyncio.Future[None], Hashable]] = deque()
        self._busy = False
        self._group: Group | None = None                      # that the next may join
        self._takes: dict[Hashable, float] = {}               # seconds that a kind of caller holds the turn

    @asynccontextmanager
    async def transaction(self, kind: Hashable) -> AsyncIterator[AsyncSession]:
        """A turn. `kind` is what this caller is known by: how long such as he take is learned."""
        await self._my_turn(kind)
        try:
            group = await self._join(kind)
            began = time.perf_counter()
            mode = "create_savepoint" if group.members else "rollback_only"
            tx = self._session(group.connection, expire_on_commit=False, join_transaction_mode=mode)  # type: ignore[arg-type]
            try:
                yield tx
                await tx.commit()
                if self._share:
                    require_open(group.door)
            except BaseException as exc:
                await to_the_end(asyncio.ensure_future(self._undo(group, tx, exc)))
                raise
            finally:
                self._learn(kind, time.perf_counter() - began)
                tx.sync_session.expunge_all()
            over = asyncio.get_running_loop().create_future()
            group.members.append((tx, over))
            group.answers_by = min(group.answers_by, time.perf_counter() + GROUP_SECONDS)
        finally:
            self._pass_on()
        try:
            await over
        except asyncio.CancelledError:                        # even he waits: what he did may be on its way to the disk
            await to_the_end(group.ended)
            raise

    # -- turns --------------------------------------------------------------------------------------------------------

    async def _my_turn(self, kind: Hashable) -> None:
        if not self._busy:
            self._busy = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append((turn, kind))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():                          # it had come
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """To the next, in this transaction or after its commit."""
        while self._line and self._line[0][0].done():         # cancelled
            self._line.popleft()
        group = self._group
        if group is not None and not (self._line and self._fits(group, self._line[0][1])):
            tasks.start("commit", self._commit_and_pass_on(group))
        elif self._line:
            self._line.popleft()[0].set_result(None)
        else:
            self._busy = False

    def _fits(self, group: Group, kind: Hashable) -> bool:
        """Whether one of this kind will be done before the first of the group must be answered."""
        return self._share and time.perf_counter() + self._takes.get(kind, float("inf")) < group.answers_by

    def _learn(self, kind: Hashable, seconds: float) -> None:
        if self._share:
            self._takes[kind] = max(seconds, self._takes.get(kind, 0) * FORGETS)

    # -- transactions -------------------------------------------------------------------------------------------------

    async def _join(self, kind: Hashable) -> Group:
        """The transaction of those before us, unless it grew late on the way here; else a new one."""
        if self._group is not None and not self._fits(self._group, kind):
            await to_the_end(asyncio.ensure_future(self._commit(self._group)))
        if self._group is None:
            self._listener.begun()
            connection = self._engine.connect()
            try:
                await connection.start()
                await connection.begin()
            except BaseException:
                if connection.sync_connection is not None:
                    await to_the_end(asyncio.ensure_future(connection.close()))
                raise
            self._group = Group(connection, asyncio.get_running_loop().create_future())
        return self._group

    async def _undo(self, group: Group, tx: AsyncSession, exc: BaseException) -> None:
        """What this caller did; and what those before him did only if nothing is left of their transaction."""
        undone = False
        with suppress(Exception):
            await tx.rollback()
            if group.members and group.door.in_transaction:
                return
            undone = not group.members
        self._group = None
        await self._close(group, undone)
        self._end(group, exc if isinstance(exc, Exception) else given_up())

    async def _commit_and_pass_on(self, group: Group) -> None:
        try:
            await self._commit(group)
        finally:
            self._pass_on()

    async def _commit(self, group: Group) -> None:
        self._group, error = None, None
        try:
            await group.connection.commit()
        except BaseException as exc:
            error = exc
        await self._close(group, error is None)
        self._end(group, error)

    async def _close(self, group: Group, well: bool) -> None:
        """Of a connection that did not end its transaction well nobody knows what it would do next."""
        with suppress(Exception):
            if not well:
                await group.connection.invalidate()
            await group.connection.close()

    def _end(self, group: Group, error: BaseException | None) -> None:
        """Tell who listens, then answer who waits."""
        if group.members:
            self._listener.ended(error is None, time.perf_counter() - group.began)
        for tx, over in group.members:
            own = error
            try:
                self._listener.tell(tx, error is None)
            except Exception as exc:                          # of his own hooks
                own = own or exc
            if not over.done():                               # else he was cancelled
                over.set_result(None) if own is None else over.set_exception(own)
        group.ended.set_result(None)
