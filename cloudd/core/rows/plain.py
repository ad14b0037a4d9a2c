"""Rows as plain values: what lists show. A thousand of them cost a tenth of what as many entities of a session do, which are
made to be changed; they have the same attributes, relatives and methods, and are read in a number of queries that is
the same for one row and for ten thousand.
"""

import functools
from collections import defaultdict, namedtuple
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


@dataclass(frozen=True)
class Relatives:
    """Rows of another model that belong to a row: those whose `remote` is its `local`."""

    name: str
    model: type[Base]
    local: str
    remote: str
    order: tuple[Any, ...]
    many: bool


@dataclass(frozen=True)
class Plan:
    """How the rows of a model are read."""

    make: Callable[[Iterable[Any]], Any]
    columns: tuple[Any, ...]
    relatives: tuple[Relatives, ...]


async def read(tx: AsyncSession, model: type[Any], query: Select[Any], *, alone: bool = False) -> list[Any]:
    """The rows that `query`, a select of `model`, finds, with all relatives that its entities would be loaded with, or `alone`."""
    return await tx.run_sync(_read, model, query, alone)


def _read(session: Session, model: type[Any], query: Select[Any], alone: bool = False) -> list[Any]:
    plan = _plan(model)
    if session.autoflush:
        session.flush()
    found = session.connection().execute(query.with_only_columns(*plan.columns)).all()      # the session itself would wrap each row
    rows = [plan.make(row) for row in found]
    for relatives in plan.relatives if rows and not alone else ():
        _add(session, relatives, rows)
    return rows


def _add(session: Session, relatives: Relatives, rows: Sequence[Any]) -> None:
    name, local, remote = relatives.name, attrgetter(relatives.local), attrgetter(relatives.remote)
    keys = {local(row) for row in rows} - {None}
    query = select(relatives.model).where(among(getattr(relatives.model, relatives.remote), keys)).order_by(*relatives.order)
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in _read(session, relatives.model, query) if keys else ():
        found[remote(row)].append(row)
    for row in rows:
        own = found.get(local(row), [])
        setattr(row, name, own if relatives.many else own[0] if own else None)


@functools.cache
def _plan(model: type[Any]) -> Plan:
    mapper: Mapper[Any] = model.__mapper__
    names = tuple(mapper.column_attrs.keys())
    return Plan(_class(model, names)._make, tuple(getattr(model, name) for name in names),
                tuple(_relatives(each) for each in mapper.relationships if each.lazy in LOADED))


def _class(model: type[Any], columns: tuple[str, ...]) -> Any:
    """The values of a row under the names that its model gives them, never written back, and what entities have besides: properties,
    methods and constants."""
    mapped, own = set(model.__mapper__.attrs.keys()), {}
    for part in reversed(model.__mro__[:model.__mro__.index(Base)]):
        own |= {name: value for name, value in vars(part).items() if name not in mapped and not name.startswith(("__", "_sa_"))}
    own["__repr__"] = object.__repr__                          # a tuple's would have a secret's row in the log
    return type(model.__name__, (namedtuple(model.__name__, columns),), {"__module__": model.__module__, "__doc__": model.__doc__, **own})


def _relatives(relation: RelationshipProperty[Any]) -> Relatives:
    """Raises TypeError for relatives that are found by more than one column, or through a table between."""
    if relation.secondary is not None or len(relation.local_remote_pairs) != 1:
        raise TypeError(f"{relation}: only rows that are found by one column can be listed with others")
    (local, remote), target = relation.local_remote_pairs[0], relation.mapper
    order = relation.order_by or ()
    return Relatives(relation.key, target.class_, relation.parent.get_property_by_column(local).key,
                     target.get_property_by_column(remote).key, tuple(order), bool(relation.uselist))
