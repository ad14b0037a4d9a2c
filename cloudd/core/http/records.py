"""Plain records, declared rather than written: list, show, create, update and delete from a model, a shape and rule names.

    records(API, "/regions", Region, REGION, policy="identity:{verb}", before_create=check_parent)

`{verb}` becomes what the service calls the operation (`list_regions`, `get_region`; Nova's `index`, `show`). Whoever needs
more than the three hooks replaces one of the five by a handler of his own (leave its verb out of `verbs`).
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids
from cloudd.core.errors import TooLarge
from cloudd.core.http.api import Api, Page
from cloudd.core.http.lists import Listing
from cloudd.core.http.request import Request
from cloudd.core.http.shapes import UNSET, Shape

Visible = Callable[[Request, Select[Any]], Select[Any]]
MOST_EXTRA, EXTRA_BYTES = 128, 65_535
VERBS = ("list", "show", "create", "update", "delete")


@dataclass(frozen=True)
class RecordChanged(events.Event):
    """A plain record was created, updated or deleted; the name says which."""

    resource_id: str
    record: dict[str, Any] = field(default_factory=dict)
    name: ClassVar[str] = "record.changed"


@dataclass
class Records:
    """The five operations of one record. See `records`."""

    api: Api
    path: str
    model: type
    shape: Shape
    listing: Listing
    key: str
    visible: Visible
    notify: str | None
    before_create: Callable[[Request, AsyncSession, dict[str, Any]], Awaitable[dict[str, Any] | None]] | None = None
    before_update: Callable[[Request, AsyncSession, Any, dict[str, Any]], Awaitable[dict[str, Any] | None]] | None = None
    before_delete: Callable[[Request, AsyncSession, Any], Awaitable[None]] | None = None

    async def load(self, request: Request, tx: AsyncSession, value: str) -> Any:
        """The row that a path names, if the caller may see it. Raises NotFound."""
        query = self.visible(request, select(self.model).where(getattr(self.model, self.key) == value))
        row = (await tx.execute(query)).unique().scalar()
        if row is None:
            raise self.api.dialect.missing(self.shape.name or "resource", value)
        return row

    async def index(self, request: Request, tx: AsyncSession) -> Page:
        return await self.listing.page(request, tx, self.visible(request, select(self.model)))

    async def show(self, request: Request, tx: AsyncSession) -> Any:
        return self._row(request)

    def _row(self, request: Request) -> Any:
        return request.loaded[request.operation.names[-1]]

    async def create(self, request: Request, tx: AsyncSession, body: dict[str, Any]) -> Any:
        values = self._given(body)
        if self.before_create:
            values = _changed(values, await self.before_create(request, tx, dict(values)))
        columns = self._owned(request, self._columns(values))
        _bounded(columns.get("extra"))
        row = self.model(**columns)
        tx.add(row)
        await tx.flush()
        await self.tell(request, tx, row, "create", "created")
        return row

    async def update(self, request: Request, tx: AsyncSession, body: dict[str, Any]) -> Any:
        row, values = self._row(request), self._given(body)
        if self.before_update:
            values = _changed(values, await self.before_update(request, tx, row, dict(values)))
        changes = self._columns(values)
        if "extra" in changes:
            changes["extra"] = {**(row.extra or {}), **changes["extra"]}
            _bounded(changes["extra"])
        for name, value in changes.items():
            setattr(row, name, value)
        if hasattr(self.model, "updated_at"):
            row.updated_at = request.context.now()
        await tx.flush()
        await self.tell(request, tx, row, "update", "updated")
        return row

    async def delete(self, request: Request, tx: AsyncSession) -> None:
        row = self._row(request)
        if self.before_delete:
            await self.before_delete(request, tx, row)
        await tx.delete(row)
        await tx.flush()
        await self.tell(request, tx, row, "delete", "deleted")

    def _given(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body with what the shape does not name under `extra`, so that a sender can never name a column."""
        names = self.shape.names()
        unknown = {key: value for key, value in body.items() if key not in names}
        known = {key: value for key, value in body.items() if key in names}
        return {**known, "extra": unknown} if unknown and hasattr(self.model, "extra") else known

    def _columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Members that the shape names, under their columns, and what a hook added under a column's own name."""
        columns = self.model.__mapper__.attrs.keys()
        named = self.shape.columns({key: value for key, value in values.items() if key in self.shape.names()})
        own = {key: value for key, value in values.items() if key not in self.shape.names() and key in columns}
        return self._without_null({key: value for key, value in named.items() if hasattr(self.model, key)} | own)

    def _without_null(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Null for a column that holds none is the member's default, or, where it has none, as if it were not sent."""
        never = {name for name, value in columns.items() if value is None and (column := self.model.__table__.columns.get(name)) is not None
                 and not column.nullable}
        defaults = {item.column: item.default for item in self.shape.fields if item.default is not UNSET and not callable(item.default)}
        return {name: defaults[name] if name in never else value for name, value in columns.items()
                if name not in never or name in defaults}

    def _owned(self, request: Request, values: dict[str, Any]) -> dict[str, Any]:
        """Fill what every new row has: id, owner, time of birth."""
        columns = self.model.__mapper__.attrs.keys()
        make_id = ids.new_hex if self.api.service == "identity" else ids.new_uuid
        for name, value in (("id", make_id), ("project_id", lambda: request.context.project_id),
                            ("user_id", lambda: request.context.user_id), ("created_at", request.context.now)):
            if name in columns and values.get(name) is None:
                values[name] = value()
        return values

    async def tell(self, request: Request, tx: AsyncSession, row: Any, verb: str, past: str) -> None:
        if self.notify:
            event = RecordChanged(str(getattr(row, self.key)))
            object.__setattr__(event, "name", self.notify.format(verb=verb, past=past))
            await events.emit(tx, request.context, event, project_id=getattr(row, "project_id", None))


def records(api: Api, path: str, model: type, shape: Shape, *, policy: str | Callable[[str], str], key: str = "id",
            loader: str | None = None, verbs: tuple[str, ...] = VERBS, update_method: str = "put",
            filters: Mapping[str, Any] | None = None, sorts: Mapping[str, Any] | None = None,
            default: tuple[tuple[str, str], ...] = (), visible: Visible | None = None, notify: str | None = None,
            before_create: Any = None, before_update: Any = None, before_delete: Any = None,
            options: Mapping[str, Mapping[str, Any]] | None = None) -> Records:
    """Declare the operations of a plain record below `path` of `api`; returns them, for handlers that want the parts.

    `policy` is a rule name with `{verb}`, filled by the dialect's `verb(verb, shape)`, or a function of the verb.
    `notify` is the events' name with `{verb}` or `{past}` in it (`identity.region.{past}`, `network.{verb}.end`). `filters`
    and `sorts` default to the shape's members that are columns. `options` adds options to an operation, by verb.
    """
    columns = _columns(model, shape)
    listing = Listing(model, columns if filters is None else filters, columns if sorts is None else sorts, default, key)
    loader = loader or (shape.name or "record").replace("-", "_")
    made = Records(api, path, model, shape, listing, key, visible or (lambda request, query: query), notify,
                   before_create, before_update, before_delete)
    api.loaders.setdefault(loader, made.load)
    resource, item = api.resource(path), f"/{{{loader}}}"

    def rule(verb: str) -> str:
        return policy(verb) if callable(policy) else policy.format(verb=api.dialect.verb(verb, shape))

    declared = {"list": (resource.get, "", made.index, {"reply": shape, "listing": listing, "many": True}),
                "show": (resource.get, item, made.show, {"reply": shape}),
                "create": (resource.post, "", made.create, {"reply": shape, "body": shape, "status": 201}),
                "update": (getattr(resource, update_method), item, made.update, {"reply": shape, "body": shape}),
                "delete": (resource.delete, item, made.delete, {})}
    home = caller()
    for verb in verbs:
        method, where, handler, given = declared[verb]
        method(where, policy=rule(verb), home=home, **{**given, **(options or {}).get(verb, {})})(handler)
    return made


def _bounded(extra: Mapping[str, Any] | None) -> None:
    """Raise TooLarge for more members without a column than one record may collect; Keystone keeps 64 kB of them."""
    if extra and (len(extra) > MOST_EXTRA or len(orjson.dumps(extra)) > EXTRA_BYTES):
        raise TooLarge(f"The record would have {len(extra)} attributes of its own: {MOST_EXTRA} are possible, of {EXTRA_BYTES} bytes "
                       "together.")


def caller() -> str:
    """The module that calls the function that asks: what is declared rather than written has its home there."""
    return sys._getframe(2).f_globals["__name__"]


def _changed(values: dict[str, Any], by_hook: dict[str, Any] | None) -> dict[str, Any]:
    """What a hook made of the values; nothing returned means no change (an empty mapping is one: all was taken out)."""
    return values if by_hook is None else by_hook


def _columns(model: type, shape: Shape) -> dict[str, Any]:
    attributes = model.__mapper__.column_attrs.keys()
    return {item.name: getattr(model, item.column) for item in shape.fields if item.column in attributes}
