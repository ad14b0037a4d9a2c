"""Identity's outside: Keystone v3 below /identity/v3 and /v3, its version documents beside it."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core import events
from cloudd.core.errors import CloudError, NotFound, Unavailable
from cloudd.core.http import Api, Field, Page, Request
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


def links(path: str) -> Field:
    """The member `links` of a record below `path`."""
    return Field("links", readonly=True, of=lambda row, request: {"self": request.link(f"{path}/{row.id}")})


def comparable(**columns: InstrumentedAttribute[Any]) -> dict[str, Any]:
    """Filters on text columns with Keystone's comparators: `name`, `name__contains`, `name__istartswith`..."""
    filters: dict[str, Any] = {}
    for name, column in columns.items():
        filters[name] = column
        for word in ("contains", "startswith", "endswith", "equals"):
            filters[f"{name}__{word}"] = _comparator(column, word, None)
            filters[f"{name}__i{word}"] = _comparator(column, word, func.lower)
    return filters


def _comparator(column: InstrumentedAttribute[Any], word: str, fold: Any) -> Any:
    def clause(values: Any) -> ColumnElement[bool]:
        side: Any = fold(column) if fold else column
        value = values[-1].lower() if fold else values[-1]
        return side == value if word == "equals" else getattr(side, word)(value, autoescape=True)
    return clause


def flag(column: InstrumentedAttribute[Any]) -> Any:
    """A filter on a flag as Keystone reads it: bare or anything but 0 and false is true."""
    return lambda values: column.is_(values[-1].lower() not in ("0", "false"))


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
