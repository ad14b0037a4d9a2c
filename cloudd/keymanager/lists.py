"""Lists of secrets: Barbican's filters (similar texts, moments with operators), its `sort` and its pages by offset."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core import clock, ids
from cloudd.core.errors import BadRequest
from cloudd.keymanager.models import Secret, living

DEFAULT, MOST = 10, 100
LONGEST = 255
OPERATORS = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
SORTS: dict[str, InstrumentedAttribute[Any] | None] = {
    "algorithm": Secret.algorithm, "bit_length": Secret.bit_length, "created": Secret.created_at, "expiration": Secret.expiration,
    "mode": Secret.mode, "name": Secret.name, "secret_type": Secret.secret_type, "updated": Secret.updated_at,
    "status": None}                                           # all that are there are ACTIVE


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for."""

    offset: int = 0
    limit: int = DEFAULT


def window(query: Mapping[str, str]) -> Window:
    """At least one row, at most 100. Raises BadRequest for what is no number."""
    return Window(_number(query, "offset", 0), max(1, min(_number(query, "limit", DEFAULT), MOST)))


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if not text:
        return default
    number = ids.whole(text)
    if number is None:
        raise BadRequest(f"Invalid {name} '{text[:100]}': it must be a number from 0 on.")
    return number


def _similar(column: InstrumentedAttribute[Any]) -> Callable[[str], ColumnElement[bool]]:
    """SQL's LIKE, small and large letters alike; a backslash is one."""
    def clause(text: str) -> ColumnElement[bool]:
        if len(text) > LONGEST:
            raise BadRequest(f"The filter {text[:40]!r}... is longer than {LONGEST} characters: no secret has such a {column.key}.")
        return column.ilike(text.replace("\\", "\\\\"), escape="\\")
    return clause


def _moment(name: str, column: InstrumentedAttribute[Any]) -> Callable[[str], ColumnElement[bool]]:
    """`gte:2030-01-01T00:00:00,lt:2030-02-01T00:00:00`; without an operator it is that very moment."""
    def clause(text: str) -> ColumnElement[bool]:
        found: dict[str, datetime] = {}
        for part in text.split(","):
            word, colon, rest = part.partition(":")
            operator = word if colon and word in OPERATORS else ""
            if operator[:2] in {one[:2] for one in found} or (found and ("" in found or not operator)):
                raise BadRequest(f"Invalid filter {name}={text[:100]}: it has at most one lower and one upper bound.")
            found[operator] = _parsed(name, rest if operator else part)
        clauses = [getattr(column, OPERATORS.get(operator, "__eq__"))(moment) for operator, moment in found.items()]
        return clauses[0] if len(clauses) == 1 else clauses[0] & clauses[1]
    return clause


def _parsed(name: str, text: str) -> datetime:
    try:
        return clock.parse(text)
    except (ValueError, OverflowError) as exc:
        raise BadRequest(f"Invalid filter {name}: {text[:100]!r} is not as 2030-12-31T23:59:59, with gt:, gte:, lt: or lte: before "
                         "it where it is a bound.") from exc


def _bits(text: str) -> ColumnElement[bool]:
    number = ids.whole(text, 2**31 - 1)
    if number is None:
        raise BadRequest(f"Invalid filter bits='{text[:100]}': it must be a number.")
    return Secret.bit_length == number


FILTERS: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "name": _similar(Secret.name), "alg": _similar(Secret.algorithm), "mode": _similar(Secret.mode), "bits": _bits,
    "secret_type": lambda text: Secret.secret_type == text,
    **{name: _moment(name, column) for name, column in (("created", Secret.created_at), ("updated", Secret.updated_at),
                                                        ("expiration", Secret.expiration))},
}
PARAMETERS = (*FILTERS, "acl_only", "sort", "limit", "offset")


def _sorted(text: str) -> Iterator[ColumnElement[Any]]:
    """Nothing is the smallest value."""
    seen: set[str] = set()
    for part in text.split(",") if text else ():
        name, _, direction = part.partition(":")
        if name not in SORTS or name in seen or direction not in ("", "asc", "desc"):
            raise BadRequest(f"Invalid sort '{text[:100]}': use each of {', '.join(SORTS)} once at most, with :asc or :desc behind it.")
        seen.add(name)
        column = SORTS[name]
        if column is not None:
            yield column.desc().nulls_last() if direction == "desc" else column.asc().nulls_first()
    yield from (Secret.created_at, Secret.id)


async def page(tx: AsyncSession, project_id: str, query: Mapping[str, str], now: datetime) -> tuple[list[Secret], int]:
    """The secrets of a project that are asked for, and how many fit in all. Raises BadRequest.

    `acl_only` asks for those that others share with the caller: nothing is shared here.
    """
    wanted = living(now).where(Secret.project_id == project_id, *(how(query[name]) for name, how in FILTERS.items() if query.get(name)))
    if query.get("acl_only", "").lower() == "true":
        wanted = wanted.where(false())
    order, part = list(_sorted(query.get("sort", ""))), window(query)
    total = (await tx.execute(select(func.count()).select_from(wanted.subquery()))).scalar_one()
    rows = await tx.execute(wanted.order_by(*order).offset(part.offset).limit(part.limit))
    return list(rows.scalars()), total
