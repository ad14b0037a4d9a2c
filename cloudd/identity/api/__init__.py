"""Identity's outside: Keystone v3 below /identity/v3 and /v3, its version documents beside it."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core import events
from cloudd.core.errors import CloudError, NotFound, Unavailable
from cloudd.core.http import Api, Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import Dialect, page_link
from cloudd.identity.audit import Changed
from cloudd.identity.people.directories import Directories
from cloudd.identity.policies import POLICIES
from cloudd.identity.tokens.receipts import MoreNeeded

DEFAULT_DOMAIN = "default"

LOOKED_FOR_FIRST = {"TrustNotFound", "roleNotFound", "ec2CredentialNotFound", ("DELETE", "/groups/{group}"),
                    ("PATCH", "/domains/{domain}")}
"""What Keystone looks for before it asks who wants it: 404 for everybody when it is not there. Elsewhere 403 comes first."""


class Keystone(Dialect):
    """Keystone's forms: `links` with every list, no page limit unless asked for, its words for what is missing."""

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        if isinstance(error, MoreNeeded):
            return error.body, {}
        message = error.message
        if error.type == "PolicyNotAuthorized":
            message = f"You are not authorized to perform the requested action: {error.facts.get('rule')}. {message}"
        return {"error": {"code": self.status(error), "title": error.title, "message": message}}, {}

    def limit(self, request: Request) -> int | None:
        return super().limit(request) if request.query.get("limit") else None

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        following = page_link(request, marker=page.last) if page.more else None
        return {plural: views, **page.extra,
                "links": {"next": following, "self": page_link(request), "previous": None}}

    def list_members(self, plural: str, item: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"]}
        return {plural: {"type": "array", "items": item}, "truncated": {"type": "boolean"}, "links": {
            "type": "object", "properties": {"next": link, "self": link, "previous": link}, "required": ["next", "self", "previous"]}}

    def always(self, plural: str) -> list[str]:
        return [plural, "links"]

    def missing(self, kind: str, value: str) -> NotFound:
        return NotFound(f"Could not find {kind.replace('_', ' ')}: {value}.", type=f"{kind}NotFound")

    def forbids_before(self, request: Request, missing: NotFound) -> bool:
        operation = request.operation
        return missing.type not in LOOKED_FOR_FIRST and (operation.method, operation.path) not in LOOKED_FOR_FIRST

    async def before(self, request: Request) -> None:
        """Let directories say what the request is about, before its transaction looks at the tables."""
        directories = request.service(Directories)
        if not await directories.sources():
            return
        try:
            await _ask_directories(request, directories)
        except Unavailable:
            if request.operation.method != "DELETE":          # what is here can be taken away without the directory
                raise

    async def written(self, request: Request, tx: AsyncSession) -> None:
        """Every change is told: one that has no event of its own by the name of its rule."""
        if "events" in tx.info.get("signals", ()):
            return
        name = request.operation.policy or f"identity:{request.operation.handler.__name__}"
        values = list(request.path.values())
        event = Changed(values[-1][:64] if values else "", dict(request.path))
        object.__setattr__(event, "name", name.replace(":", "."))
        await events.emit(tx, request.context, event)

    def target(self, request: Request) -> dict[str, Any]:
        """What Keystone's rules refer to: the rows of the path by name, on create the body, on lists the domain asked for."""
        asked = request.query.get("domain_id") or request.context.domain_id
        about: dict[str, Any] = {"domain_id": asked}
        if not request.operation.names:
            about.update({name: {"domain_id": asked} for name in ("user", "group", "project")}, domain={"id": asked})
        shape = request.operation.body
        if request.operation.use == "create" and shape is not None and shape.name:
            own = own_domain(request) if shape.name != "user" else None     # a manager names the domain of a user (Keystone)
            about[shape.name] = {"domain_id": own, "user_id": request.context.user_id} | {
                name: value for name, value in request.sent[shape.name].items() if value is not None}
        about.update(request.loaded)
        return {"target": about, **{f"{name}_id": value for name, value in request.path.items()}}


async def _ask_directories(request: Request, directories: Directories) -> None:
    path, query = request.operation.path, request.query
    asked = query.get("domain_id") or request.context.domain_id
    if path == "/role_assignments" and "effective" in query:
        await directories.keep_all()
    elif path in ("/users", "/groups") and request.operation.method == "GET":
        if asked is None:
            await directories.keep_all()
        elif "name" in query:
            await (directories.look_for if path == "/users" else directories.look_for_group)(asked, query["name"])
        else:
            await directories.keep_domain(asked)
    if "user" in request.path:
        await directories.keep_id(request.path["user"])
    if "group" in request.path:
        await directories.keep_group(request.path["group"], path == "/groups/{group}/users")


def own_domain(request: Request) -> str:
    """Where a user, group or project is made when the request names no domain."""
    return request.context.domain_id or DEFAULT_DOMAIN


KEYSTONE = Keystone()
API = Api("identity", prefixes=("/identity/v3", "/v3"), dialect=KEYSTONE, policies=POLICIES,
          title="Identity: users, projects, roles, tokens and the catalog")


NO = frozenset({"0", "f", "false", "off", "n", "no"})
FLAG = t.Raw({"enum": [*("True", "TRUE", "true", "False", "FALSE", "false", "", "1", "0"),
                       *("y", "Y", "n", "N", "on", "ON", "off", "OFF", "yes", "no")]})
BY_NAME = Field("name", t.Text(1, 255, pattern=r"\S"))
BY_DOMAIN = Field("domain_id", t.Text(1, 64, pattern="^[a-zA-Z0-9-]+$"))
BY_ENABLED = Field("enabled", FLAG)

ID = Field("id", t.Text(), readonly=True)
SELF = t.Record({"self": t.Text()})
PAGE = t.Record({"next": t.Text(null=True), "self": t.Text(), "previous": t.Text(null=True)})
"""The `links` of a record and of a list."""


def links(path: str) -> Field:
    """The member `links` of a record below `path`."""
    return Field("links", SELF, readonly=True, of=lambda row, request: {"self": request.link(f"{path}/{row.id}")})


def comparable(**columns: InstrumentedAttribute[Any]) -> dict[str, Any]:
    """Filters on text columns with Keystone's comparators: `name`, `name__contains`, `name__istartswith`... Others it ignores."""
    filters: dict[str, Any] = {}
    for name, column in columns.items():
        filters[name] = _every(column, _equals)
        for word, compare in COMPARATORS.items():
            filters[f"{name}__{word}"] = _every(column, compare)
            filters[f"{name}__i{word}"] = _every(func.lower(column), compare, str.lower)
    return filters


def _every(side: Any, compare: Any, fold: Callable[[str], str] = str) -> Callable[[Sequence[str]], ColumnElement[bool]]:
    """The clause for what was sent, all of it when it was sent several times."""
    return lambda values: and_(*(compare(side, fold(value)) for value in dict.fromkeys(values)))


def _equals(side: Any, value: str) -> ColumnElement[bool]:
    return side == value


def _contains(side: Any, value: str) -> ColumnElement[bool]:
    """By its letters as they are: LIKE does not tell upper case from lower in SQLite."""
    return func.replace(side, value, "") != side if value else side.is_not(None)


def _starts_with(side: Any, value: str) -> ColumnElement[bool]:
    return func.substr(side, 1, len(value)) == value


def _ends_with(side: Any, value: str) -> ColumnElement[bool]:
    return and_(func.length(side) >= len(value), func.substr(side, func.length(side) - len(value) + 1) == value)


COMPARATORS = {"contains": _contains, "startswith": _starts_with, "endswith": _ends_with, "equals": _equals}


def flag(column: InstrumentedAttribute[Any]) -> Any:
    """A filter on a flag as Keystone reads it: bare or anything but a word for no is true."""
    return lambda values: and_(*(column.is_(value.lower() not in NO) for value in values))


def asked(*fields: Field, extra: bool = True) -> Shape:
    """What Keystone checks of a list's query string; with `extra` it ignores what it does not know."""
    return Shape(None, *fields, extra=extra)


def nullable(column: InstrumentedAttribute[Any]) -> Any:
    """A filter in which an empty value or `None` finds rows without one."""
    return lambda values: column.is_(None) if values[-1] in ("", "None", "null") else column == values[-1]


def in_own_domain(column: InstrumentedAttribute[Any]) -> Any:
    """With a domain's token a list is of that domain, unless the request names one."""
    def visible(request: Request, query: Any) -> Any:
        listing = request.operation.method in ("GET", "HEAD") and not request.operation.names
        if listing and request.context.domain_id and "domain_id" not in request.query:
            return query.where(column == request.context.domain_id)
        return query
    return visible
