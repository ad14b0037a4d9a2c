"""Neutron's uniform resources: list, show, create (one or many), update and delete from a model, a shape and three rules.

Beyond plain records they have attribute rules (who may send or see `provider:network_type`), bodies with many resources,
filters by any attribute, by tags and by sharing, and `If-Match` on the revision number.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Collection as Collection_
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.database import Json
from cloudd.core.errors import BadRequest, CloudError, PreconditionFailed
from cloudd.core.http.api import Page
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.lists import FilterFunction, Listing
from cloudd.core.http.records import Records, caller
from cloudd.core.http.request import Request
from cloudd.core.http.types import Ip, Type
from cloudd.network import standard
from cloudd.network.api import API, of_row, own
from cloudd.network.api.conversions import CONVERTED, lenient
from cloudd.network.api.shapes import BOOL, NeutronShape
from cloudd.network.models import Standard, Tag

T = TypeVar("T")
Visible = Callable[[Context, Select[Any]], Select[Any]]
ByCaller = Callable[[Request], FilterFunction]
Parent = Callable[[Request, AsyncSession, dict[str, Any]], Awaitable[dict[str, Any]]]
ETAG = re.compile(r'(?:W/)?"([^"]*)"|([^\s,"]+)')
REVISION = "revision_number="


@dataclass(frozen=True)
class Logic:
    """The rules of a resource: `create(context, tx, values)`, `update(context, tx, row, values)`, `delete(context, tx, row)`."""

    create: Callable[[Context, AsyncSession, dict[str, Any]], Awaitable[Any]] | None = None
    update: Callable[[Context, AsyncSession, Any, dict[str, Any]], Awaitable[Any]] | None = None
    delete: Callable[[Context, AsyncSession, Any], Awaitable[None]] | None = None


@dataclass(frozen=True)
class NeutronListing(Listing):
    """`by_caller`: filters whose meaning depends on who asks; `kind`: what a row is called."""

    kind: str = ""
    by_caller: Mapping[str, ByCaller] = field(default_factory=dict)

    def names(self) -> set[str]:
        return {*self.filters, *self.by_caller}

    def no_marker(self, marker: str) -> CloudError:
        return API.dialect.missing(self.kind, marker)

    async def page(self, request: Request, tx: AsyncSession, query: Select[Any], asked: ListQuery | None = None,
                   seen: Select[Any] | None = None) -> Page:
        asked = asked or request.api.dialect.read_list(request)
        known = {**self.filters, **{name: make(request) for name, make in self.by_caller.items()}}
        require_known(asked, known)
        return await super(NeutronListing, replace(self, filters=known, by_caller={})).page(request, tx, query, asked, seen)


def require_known(asked: ListQuery, known: Collection_[str]) -> None:
    if unknown := [name for name, _ in asked.filters if name not in known]:
        raise BadRequest(f"{unknown} is invalid attribute for filtering; there are: {', '.join(sorted(known))}",
                         type="HTTPBadRequest")


def matching(request: Request, rows: Sequence[T], get: Callable[[T, str], Any] = dict.get) -> list[T]:
    """Rows of no table that the filters of the operation's list let through; one that there is not is refused, as with tables."""
    asked = request.api.dialect.read_list(request)
    require_known(asked, request.operation.listing.names())
    return [row for row in rows
            if all(str(get(row, name)).lower() in [value.lower() for value in values] for name, values in asked.filters)]


@dataclass
class Collection(Records):
    """The operations of one resource. See `collection`."""

    shape: NeutronShape
    logic: Logic = field(default_factory=Logic)
    parent: Parent | None = None
    before_list: Callable[[Request, AsyncSession], Awaitable[None]] | None = None

    async def index(self, request: Request, tx: AsyncSession) -> Page:
        if not request.allows(f"get_{self.shape.name}", own(request)):
            return Page([])
        if self.before_list:
            await self.before_list(request, tx)
        return await super().index(request, tx)

    async def create(self, request: Request, tx: AsyncSession, body: Any) -> Any:
        made = [await self.logic.create(request.context, tx, self.shape.columns(one)) for one in _many(body)]
        return made if isinstance(body, list) else made[0]

    async def update(self, request: Request, tx: AsyncSession, body: dict[str, Any]) -> Any:
        row = self._row(request)
        check_revision(request, row)
        return await self.logic.update(request.context, tx, row, self.shape.columns(body))

    async def delete(self, request: Request, tx: AsyncSession) -> None:
        check_revision(request, self._row(request))
        await self.logic.delete(request.context, tx, self._row(request))

    async def may_create(self, request: Request, tx: AsyncSession, body: Any) -> None:
        """Ask policy for each resource of the body and for each attribute that it names."""
        sent = request.sent
        given = sent[self.shape.plural] if isinstance(body, list) else [sent[self.shape.name]]
        for values, raw in zip(_many(body), given, strict=True):
            _own_project(request, values)
            parent = await self.parent(request, tx, values) if self.parent else {}
            target = {**own(request), **values, "project_id": values.get("project_id", request.context.project_id),
                      "tenant_id": values.get("project_id", request.context.project_id), **parent}
            self._ask(request, "create", target, values, raw.get(self.shape.name, raw))

    async def may_update(self, request: Request, tx: AsyncSession, body: dict[str, Any]) -> None:
        target = {**of_row(self._row(request), request), **body}
        self._ask(request, "update", target, body, request.sent[self.shape.name])

    def _ask(self, request: Request, use: str, target: dict[str, Any], values: dict[str, Any], raw: dict[str, Any]) -> None:
        rule = f"{use}_{self.shape.name}"
        rules = request.parts.policies.rules
        request.require(rule, target)
        for name in self.shape.explicit({name: values.get(name, value) for name, value in raw.items()}, use):
            if ("network", f"{rule}:{name}") in rules:
                request.require(f"{rule}:{name}", target)
            for inner in sorted(_inner(values.get(name))):
                if ("network", f"{rule}:{name}:{inner}") in rules:
                    request.require(f"{rule}:{name}:{inner}", target)


async def filtered(request: Request, tx: AsyncSession, body: Any) -> None:
    """Policy of a list: nobody is refused, everybody sees what he may."""


def _many(body: Any) -> list[dict[str, Any]]:
    return body if isinstance(body, list) else [body]


def _inner(value: Any) -> set[str]:
    """The members that an attribute's value names."""
    if isinstance(value, dict):
        return {name for name, one in value.items() if one is not None}
    return {name for one in value for name in _inner(one)} if isinstance(value, list) else set()


def _own_project(request: Request, values: dict[str, Any]) -> None:
    """Only administrators make something for another project."""
    wanted = values.get("project_id")
    if wanted is not None and wanted != request.context.project_id and not request.allows("context_is_admin"):
        raise BadRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin "
                         "privileges", type="HTTPBadRequest")
    if wanted is None and not request.context.project_id:
        raise BadRequest("A project_id is required: the token is not scoped to a project.", type="HTTPBadRequest")


def check_revision(request: Request, row: Any) -> None:
    """`If-Match: revision_number=N`: refuse when somebody changed the row meanwhile."""
    wanted = request.raw.headers.get("If-Match")
    if not wanted:
        return
    tags = [quoted or bare for quoted, bare in ETAG.findall(wanted)]
    asked = [tag.removeprefix(REVISION) for tag in tags if tag.startswith(REVISION)]     # other tags are no constraint
    if len(asked) > 1:
        raise BadRequest("Multiple revision_number constraints are not supported.", type="HTTPBadRequest")
    if asked and re.fullmatch(r"[+-]?\d{1,18}", asked[0]) is None:
        raise BadRequest(f"Revision number constraint incorrect. Must be an integer, not '{asked[0][:60]}'.", type="HTTPBadRequest")
    if asked and int(asked[0]) != row.revision_number:
        raise PreconditionFailed(f"Constrained to {int(asked[0])}, but current revision is {row.revision_number}",
                                 type="RevisionNumberConstraintFailed")


def tag_filters(model: type[Standard]) -> dict[str, FilterFunction]:
    """`tags` (all of them), `tags-any`, and their opposites."""
    def having(values: Sequence[str]) -> tuple[list[str], Any]:
        wanted = list(dict.fromkeys(tag for value in values for tag in value.split(",")))
        return wanted, exists().where(Tag.resource_id == model.id, Tag.tag.in_(wanted))

    def every(values: Sequence[str]) -> ColumnElement[bool]:
        wanted, _ = having(values)
        count = select(func.count()).select_from(Tag).where(Tag.resource_id == model.id, Tag.tag.in_(wanted)).scalar_subquery()
        return count == len(wanted)

    return {"tags": every, "tags-any": lambda values: having(values)[1], "not-tags": lambda values: ~every(values),
            "not-tags-any": lambda values: ~having(values)[1]}


def since_filter(model: type[Standard]) -> FilterFunction:
    def since(values: Sequence[str]) -> ColumnElement[bool]:
        try:
            return or_(*(model.updated_at >= clock.parse(value) for value in values))
        except ValueError as exc:
            raise BadRequest(f"The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[Z]; it was "
                             f"{values[0]!r}.", type="HTTPBadRequest") from exc
    return since


def sharing(column: Any) -> ByCaller:
    """The filter `shared`: whether the object with this id is shared with the caller's project."""
    def make(request: Request) -> FilterFunction:
        def shared(values: Sequence[str]) -> ColumnElement[bool]:
            try:
                wanted = BOOL.lift(values[-1])
            except ValueError as exc:
                raise BadRequest(f"Invalid input for shared. Reason: {exc}.", type="HTTPBadRequest") from exc
            clause = standard.shared_to(request.context, column)
            return clause if wanted else ~clause
        return shared
    return make


def _converted(column: Any, type_: Type) -> FilterFunction:
    """A filter whose values may be spelt in all the ways that the attribute's may."""
    convert = lenient(type_)
    return lambda values: column.in_([convert(value) for value in values])


def collection(path: str, model: type, shape: NeutronShape, logic: Logic, *, visible: Visible,
               filters: Mapping[str, Any] | None = None, by_caller: Mapping[str, ByCaller] | None = None,
               parent: Parent | None = None, before_list: Any = None, loader: str | None = None) -> Collection:
    """Declare a resource below `path`.

    `visible(context, query)` narrows a query to what the caller may see, `filters` add to those by column, `by_caller` are
    filters that depend on who asks, `parent(request, tx, values)` finds the policy target's part that lies in another row.
    """
    columns = {item.name: getattr(model, item.column) for item in shape.fields if item.column in model.__mapper__.columns
               and not isinstance(model.__mapper__.columns[item.column].type, Json)}      # lists of a row are no filters, as in Neutron
    known = {**columns, **{item.name: _converted(columns[item.name], item.type) for item in shape.fields
                           if item.name in columns and (item.type in CONVERTED or isinstance(item.type, Ip))}, **(filters or {})}
    if issubclass(model, Standard):
        known |= {**tag_filters(model), "changed_since": since_filter(model)}
    listing = NeutronListing(model, known, columns, (), "id", by_caller=by_caller or {}, kind=shape.name or "")
    made = Collection(API, path, model, shape, listing, "id", lambda request, query: visible(request.context, query), None,
                      logic=logic, parent=parent, before_list=before_list)
    name = loader or shape.name or ""
    API.loaders[name] = made.load
    resource, item = API.resource(path, home=caller()), f"/{{{name}}}"
    resource.get("", policy=f"get_{shape.name}", reply=shape, listing=listing, many=True,
                 write=before_list is not None, guard=filtered)(made.index)
    resource.get(item, policy=f"get_{shape.name}", reply=shape)(made.show)
    if logic.create:
        resource.post("", policy=f"create_{shape.name}", reply=shape, body=shape, status=201, guard=made.may_create)(made.create)
    if logic.update:
        resource.put(item, policy=f"update_{shape.name}", reply=shape, body=shape, guard=made.may_update)(made.update)
    if logic.delete:
        resource.delete(item, policy=f"delete_{shape.name}")(made.delete)
    return made
