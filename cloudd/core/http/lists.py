"""Lists in SQL: filters, sorting and marker paging as declared by a Listing, in a constant number of queries."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, Select, and_, or_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core import clock
from cloudd.core.database import Moment
from cloudd.core.errors import BadRequest, CloudError
from cloudd.core.http.api import Page
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.request import Request
from cloudd.core.rows import plain

Column = InstrumentedAttribute[Any]
FilterFunction = Callable[[Sequence[str]], ColumnElement[bool]]


@dataclass(frozen=True)
class Filters:
    """What a list may be asked that finds its rows itself: its filters, and the keys it is sorted by where it is sorted and paged."""

    known: Collection[str]
    sorts: Collection[str] = ()

    def names(self) -> set[str]:
        return set(self.known)

    def parameters(self, dialect: Any) -> dict[str, Any]:
        known = {name: {"type": "string"} for name in self.known}
        if not self.sorts:
            return known
        return known | dialect.list_parameters() | {"sort_key": {"type": "string", "enum": sorted(self.sorts)}}


@dataclass(frozen=True)
class Listing:
    """What may be asked of a list of `model`: `filters` (a column, or a function from the values sent to a clause),
    `sorts` (columns by public name), the `default` order (else that of creation, where rows say when), and the `key` column that
    markers name.

    `unknown`: an unknown filter is ignored (`ignore`) or refused (`refuse`); the dialect's services differ.
    `only`: the columns that are shown, or needed for what is, where rows have many others.
    """

    model: type
    filters: Mapping[str, Column | FilterFunction] = field(default_factory=dict)
    sorts: Mapping[str, Column] = field(default_factory=dict)
    default: tuple[tuple[str, str], ...] = ()
    key: str = "id"
    unknown: str = "ignore"
    only: frozenset[str] = plain.EVERYTHING

    def names(self) -> set[str]:
        """What it may be filtered by."""
        return set(self.filters)

    def parameters(self, dialect: Any) -> dict[str, Any]:
        """What it may be asked, as JSON schemas by name."""
        return Filters(self.names(), {*self.sorts, self.key}).parameters(dialect)

    async def page(self, request: Request, tx: AsyncSession, query: Select[Any], asked: ListQuery | None = None,
                   seen: Select[Any] | None = None) -> Page:
        """Run the list: `query` selects what the caller may see; the request says the rest.

        Among `seen` the marker is looked up: all that the caller may see, where `query` is less already.
        """
        asked = asked or request.api.dialect.read_list(request)
        return await self.paged(tx, self.filtered(query, asked), asked, query if seen is None else seen)

    def filtered(self, query: Select[Any], asked: ListQuery) -> Select[Any]:
        for name, values in asked.filters:
            how = self.filters.get(name)
            if how is not None:
                query = query.where(equals(how, values) if isinstance(how, InstrumentedAttribute) else how(values))
            elif self.unknown == "refuse":
                raise BadRequest(f"Invalid filter '{name}': use one of {', '.join(sorted(self.filters))}.")
        return query

    async def paged(self, tx: AsyncSession, query: Select[Any], asked: ListQuery, seen: Select[Any]) -> Page:
        order = self._order(asked)
        if asked.marker is not None:
            query = query.where(_after(order, await self._marker(tx, asked.marker, seen, order)))
        for column, direction in order:
            query = query.order_by(_ordered(column, direction))
        if asked.limit is not None:
            query = query.limit(asked.limit + 1)
        if asked.offset:
            query = query.offset(asked.offset)
        rows = await plain.read(tx, self.model, query, only=self.only)
        more = asked.limit is not None and len(rows) > asked.limit
        rows = rows[:asked.limit] if more else rows
        if asked.reverse:
            rows.reverse()
        keys = [str(getattr(row, self.key)) for row in rows]
        return Page(rows, asked.limit, more, keys[-1] if keys else None, keys[0] if keys else None, asked.reverse)

    def _order(self, asked: ListQuery) -> list[tuple[Column, str]]:
        order: dict[str, str] = {}
        for name, direction in asked.sorts or self._usual():
            if name not in self.sorts and name != self.key and asked.sorts:
                raise BadRequest(f"Invalid sort key '{name}': use one of {', '.join(sorted({*self.sorts, self.key}))}.")
            if direction not in ("asc", "desc"):
                raise BadRequest(f"Invalid sort direction '{direction}': use asc or desc.")
            order.setdefault(name, direction)
        order.setdefault(self.key, list(order.values())[-1] if order else "asc")
        turn = {"asc": "desc", "desc": "asc"} if asked.reverse else {"asc": "asc", "desc": "desc"}
        return [(self.sorts.get(name) or getattr(self.model, name), turn[direction]) for name, direction in order.items()]

    def _usual(self) -> tuple[tuple[str, str], ...]:
        if self.default or "created_at" not in self.model.__mapper__.columns:
            return self.default
        return (("created_at", "asc"),)

    async def _marker(self, tx: AsyncSession, marker: str, seen: Select[Any], order: list[tuple[Column, str]]) -> Sequence[Any]:
        """Where the row that a marker names stands in this order, as this caller sees it: one that he may not see is not there."""
        query = seen.where(getattr(self.model, self.key) == marker).with_only_columns(*(column for column, _ in order))
        place = (await tx.execute(query)).first()
        if place is None:
            raise self.no_marker(marker)
        return place

    def no_marker(self, marker: str) -> CloudError:
        return BadRequest(f"marker [{marker}] not found", type="MarkerNotFound")


def equals(column: Column, values: Sequence[str]) -> ColumnElement[bool]:
    """The column has one of the values, read as the column's type. Raises BadRequest for a value of another type."""
    return column.in_([_value(column, value) for value in values])


def _value(column: Column, text: str) -> Any:
    kind = column.type
    try:
        if isinstance(kind, Boolean):
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if isinstance(kind, Integer):
            return _integer(text)
        if isinstance(kind, Moment):
            return clock.parse(text)
    except (KeyError, ValueError) as exc:
        raise BadRequest(f"Invalid value '{text}' for filter '{column.key}'.") from exc
    return text


def _integer(text: str) -> int:
    """A number that any of the databases can hold. Raises ValueError."""
    number = int(text)
    if not -2**31 <= number < 2**31:
        raise ValueError(text)
    return number


def _ordered(column: Column, direction: str) -> ColumnElement[Any]:
    """NULL is the smallest value. Nothing is said of it where there is none: PostgreSQL would sort instead of using the index."""
    order = column.asc() if direction == "asc" else column.desc()
    if not column.expression.nullable:
        return order
    return order.nulls_first() if direction == "asc" else order.nulls_last()


def _after(order: list[tuple[Column, str]], place: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come after one whose values of these columns are `place`; NULL is the smallest value."""
    clauses, same = [], []
    for (column, direction), value in zip(order, place, strict=True):
        if value is None:
            beyond = column.is_not(None) if direction == "asc" else None
        elif direction == "asc" or not column.expression.nullable:
            beyond = column > value if direction == "asc" else column < value
        else:
            beyond = or_(column < value, column.is_(None))
        if beyond is not None:
            clauses.append(and_(*same, beyond))
        same.append(column.is_(None) if value is None else column == value)
    return or_(*clauses)
