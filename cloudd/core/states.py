"""State tables: which move is allowed from where. One UPDATE decides, so two callers can never both win."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a resource: allowed from `sources`; `busy` is its working state (None: moves at once), `target` its end.

    Where a machine has no busy column, the working state stands in that of the state.
    """

    name: str
    sources: frozenset[str]
    busy: str | None
    target: str | None
    from_busy: frozenset[str | None] = frozenset({None})

    def __init__(self, name: str, sources: Iterable[str], busy: str | None = None, target: str | None = None,
                 from_busy: Iterable[str | None] = (None,)):
        for key, value in (("name", name), ("sources", frozenset(sources)), ("busy", busy), ("target", target),
                           ("from_busy", frozenset(from_busy))):
            object.__setattr__(self, key, value)


class Machine:
    """The life of one resource, held in a state column and, where work takes time, a busy column.

    Nobody else assigns these columns. `conflict` words the refusal: called with (row, move), it returns the exception.
    """

    def __init__(self, state: InstrumentedAttribute[Any], moves: Iterable[Move], *,
                 busy: InstrumentedAttribute[Any] | None = None, conflict: Any = None):
        self.state, self.busy = state, busy
        self.moves = {move.name: move for move in moves}
        self.conflict = conflict or _refusal
        self.model = state.class_

    async def enter(self, tx: AsyncSession, row: Any, name: str) -> Move:
        """Begin a move: sets the busy state (or, without one, the target). Raises what `conflict` says when not allowed now."""
        move = self.moves[name]
        values = {self.busy.key: move.busy} if self.busy is not None and move.busy else {self.state.key: move.busy or move.target}
        await self._update(tx, row, move, values)
        return move

    def require(self, row: Any, name: str) -> None:
        """Raise Conflict when a move is not allowed now, before anything else is looked at; whether it is, `enter` decides."""
        move = self.moves[name]
        busy = getattr(row, self.busy.key) if self.busy is not None else None
        if getattr(row, self.state.key) not in move.sources or busy not in move.from_busy:
            raise self.conflict(row, move)

    async def finish(self, tx: AsyncSession, row: Any, name: str, **values: Any) -> None:
        """End a move: the target state, no busy state, and `values` besides."""
        move = self.moves[name]
        self.force(row, state=move.target, **values)
        await tx.flush()

    def force(self, row: Any, *, state: str | None = None, busy: str | None = None, **values: Any) -> None:
        """Set what the hardware or an operator says is so; `busy` None clears it, `state` None keeps it."""
        if state is not None:
            setattr(row, self.state.key, state)
        if self.busy is not None:
            setattr(row, self.busy.key, busy)
        for key, value in values.items():
            setattr(row, key, value)

    async def _update(self, tx: AsyncSession, row: Any, move: Move, values: dict[str, Any]) -> None:
        await tx.flush()
        key = inspect(self.model).primary_key[0]
        statement = update(self.model).where(key == getattr(row, key.key), self.state.in_(move.sources))
        if self.busy is not None:
            named = [value for value in move.from_busy if value is not None]
            clause = self.busy.in_(named)
            statement = statement.where((clause | self.busy.is_(None)) if None in move.from_busy else clause)
        result = await tx.execute(statement.values(**values).execution_options(synchronize_session=False))
        if result.rowcount != 1:
            await tx.refresh(row)
            raise self.conflict(row, move)
        for key, value in values.items():
            setattr(row, key, value)
        await tx.flush()


def _refusal(row: Any, move: Move) -> Conflict:
    return Conflict(f"{move.name} is not possible now; it is from {', '.join(sorted(move.sources))}.")
