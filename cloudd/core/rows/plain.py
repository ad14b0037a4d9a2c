"""Rows as plain values: what lists show. A thousand of them cost a fraction of what as many entities of a session do, which are
made to be changed; they have the same attributes, relatives and methods, and are read in a number of queries that is
the same for one row and for ten thousand.
"""

import functools
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, RelationshipProperty, Session

from cloudd.core.database import Base
from cloudd.core.rows.among import among

LOADED = ("selectin", "joined")
EVERYTHING: frozenset[str] = frozenset()
PART = 1_000
Kin = dict[str, dict[Any, Any]]
"""The relatives of all rows that were read together: by their name, and by what they are found by."""


@dataclass(frozen=True)
class Relatives:
    """Rows of another model that belong to a row: those whose `remote` is its `local`."""

    name: str
    model: type[Base]
    local: str
    remote: str
    order: tuple[Any, ...]
    many: bool

    def of(self) -> property:
        local, name, many = attrgetter(self.local), self.name, self.many
        return property(lambda row: row.kin[name].get(local(row)) or ([] if many else None))


@dataclass(frozen=True)
class Plan:
    """How the rows of a model are read."""

    make: Callable[[Iterable[Any]], Any]
    columns: tuple[Any, ...]
    relatives: tuple[Relatives, ...]


async def read(tx: AsyncSession, model: type[Any], query: Select[Any], *, only: frozenset[str] = EVERYTHING,
               alone: bool = False) -> list[Any]:
    """The rows that `query`, a select of `model`, finds, with all relatives that its entities would be loaded with, or `alone`.

    `only`: the columns that somebody will look at; others are not even read."""
    return await tx.run_sync(_read, model, query, only, alone)


def _read(session: Session, model: type[Any], query: Select[Any], only: frozenset[str] = EVERYTHING, alone: bool = False) -> list[Any]:
    plan = _plan(model, only)
    if session.autoflush:
        session.flush()
    kin: Kin = {}
    found = session.connection().execute(query.with_only_columns(*plan.columns))      # the session itself would wrap each row
    rows = [plan.make((*row, kin)) for part in found.partitions(PART) for row in part]
    if not alone:
        kin.update({relatives.name: _related(session, relatives, rows) for relatives in plan.relatives})
    return rows


def _related(session: Session, relatives: Relatives, rows: Sequence[Any]) -> dict[Any, Any]:
    """The relatives of all these rows, by what they are found by."""
    keys = set(map(attrgetter(relatives.local), rows)) - {None}
    query = select(relatives.model).where(among(getattr(relatives.model, relatives.remote), keys)).order_by(*relatives.order)
    others = _read(session, relatives.model, query) if keys else []
    remote = attrgetter(relatives.remote)
    if not relatives.many:
        return {remote(other): other for other in others}
    found: dict[Any, list[Any]] = {}
    for other in others:
        found.setdefault(remote(other), []).append(other)
    return found


@functools.cache
def _plan(model: type[Any], only: frozenset[str]) -> Plan:
    mapper: Mapper[Any] = model.__mapper__
    names = tuple(each.key for each in mapper.column_attrs if each.key in only or not only)
    relatives = tuple(_relatives(each) for each in mapper.relationships if each.lazy in LOADED)
    return Plan(_class(model, names, relatives)._make, tuple(getattr(model, name) for name in names), relatives)


def _class(model: type[Any], columns: Sequence[str], relatives: Iterable[Relatives]) -> Any:
    """The values of a row under the names that its model gives them, never written back, and what entities have besides: relatives,
    properties, methods and constants."""
    mapped, own = set(model.__mapper__.attrs.keys()), {}
    for part in reversed(model.__mro__[:model.__mro__.index(Base)]):
        own |= {name: value for name, value in vars(part).items() if name not in mapped and not name.startswith(("__", "_sa_"))}
    own |= {each.name: each.of() for each in relatives}
    own["__repr__"] = object.__repr__                          # a tuple's would have a secret's row in the log
    values = namedtuple(model.__name__, (*columns, "kin"))  # noqa: PYI024
    return type(model.__name__, (values,), {"__module__": model.__module__, "__doc__": model.__doc__, **own})


def _relatives(relation: RelationshipProperty[Any]) -> Relatives:
    """Raises TypeError for relatives that are found by more than one column, or through a table between."""
    if relation.secondary is not None or len(relation.local_remote_pairs) != 1:
        raise TypeError(f"{relation}: only rows that are found by one column can be listed with others")
    (local, remote), target = relation.local_remote_pairs[0], relation.mapper
    order = relation.order_by or ()
    return Relatives(relation.key, target.class_, relation.parent.get_property_by_column(local).key,
                     target.get_property_by_column(remote).key, tuple(order), bool(relation.uselist))
