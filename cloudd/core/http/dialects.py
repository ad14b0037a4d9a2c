"""How one service talks: its errors, its list parameters, its page links. Each module subclasses Dialect in its api package."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import BadRequest, CloudError, NotFound
from cloudd.core.http.api import Page
from cloudd.core.http.request import Request
from cloudd.core.ids import ANY, whole


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list request asks: filters as (name, values as sent), sorts as (key, 'asc'|'desc'), one page (`offset` rows behind the
    marker)."""

    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sorts: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    marker: str | None = None
    reverse: bool = False
    fields: frozenset[str] = field(default_factory=frozenset)
    offset: int = 0


LINKS = {"type": "array", "items": {"type": "object", "required": ["rel", "href"], "additionalProperties": False, "properties": {
    "rel": {"type": "string"}, "href": {"type": "string", "format": "uri"}}}}


class Dialect:
    """The defaults: OpenStack's most usual forms (Nova's parameters, `{plural}_links`)."""

    paging = frozenset({"limit", "marker", "sort_key", "sort_dir", "page_reverse", "fields"})
    partial = False
    """Whether `fields` asks for some members only, and `page_reverse` for the page before (Neutron alone)."""

    def status(self, error: CloudError) -> int:
        return error.status

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        """The body (a JSON value) and headers of an error."""
        body = {"code": self.status(error), "title": error.title, "message": error.message}
        return {"error": body}, {}

    def refusal(self, accept: str, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        """The body (JSON value or bytes) and headers of an error for a caller who accepts this: JSON, unless upstream lets him choose."""
        return self.error(error, request_id)

    def read_list(self, request: Request) -> ListQuery:
        query = request.query
        keys, directions = query.getall("sort_key", []), query.getall("sort_dir", [])
        sorts = tuple((key, (directions[number] if number < len(directions) else "asc").lower())
                      for number, key in enumerate(keys))
        if bad := [direction for direction in directions if direction.lower() not in ("asc", "desc")]:
            raise BadRequest(f"Invalid sort_dir '{bad[0]}': use asc or desc.")
        filters = tuple((name, tuple(query.getall(name))) for name in dict.fromkeys(query) if name not in self.paging)
        asked = query.getall("fields", []) if self.partial else ()
        fields = frozenset(part for value in asked for part in value.split(",") if part)
        return ListQuery(filters, sorts, self.limit(request), query.get("marker") or None,
                         self.partial and query.get("page_reverse", "").lower() in ("true", "1"), fields)

    def limit(self, request: Request) -> int | None:
        """The page size: as asked, at most the settings' `max_limit`; 0 or nothing asks for the most."""
        most = request.settings.api.max_limit
        text = request.query.get("limit")
        if not text:
            return most
        if (wanted := whole(text, ANY)) is None:
            raise BadRequest(f"Invalid limit '{text}': it must be a number from 0 on.")
        return min(wanted, most) or most

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        body: dict[str, Any] = {plural: views, **page.extra}
        if page.more and page.last is not None:
            body[f"{plural}_links"] = [{"rel": "next", "href": page_link(request, marker=page.last)}]
        return body

    def list_members(self, plural: str, item: dict[str, Any]) -> dict[str, Any]:
        """What a page of a list has, as JSON schemas by name; which of them always stands in `always`."""
        return {plural: {"type": "array", "items": item}, f"{plural}_links": LINKS}

    def always(self, plural: str) -> list[str]:
        return [plural]

    def error_schema(self) -> dict[str, Any]:
        """The JSON schema of `error`'s bodies."""
        return {"type": "object", "properties": {"error": {"type": "object", "properties": {
            "code": {"type": "integer"}, "title": {"type": "string"}, "message": {"type": "string"}},
            "required": ["code", "title", "message"]}}, "required": ["error"]}

    def list_parameters(self) -> dict[str, dict[str, Any]]:
        """The parameters by which every list is sorted and paged."""
        names = self.paging if self.partial else self.paging - {"fields", "page_reverse"}
        return {name: {"type": "integer", "minimum": 0} if name == "limit" else {"type": "string"} for name in sorted(names)}

    def verb(self, verb: str, shape: Any) -> str:
        """What policy rules call an operation of a plain record: `list_regions`, `get_region`, `create_region`."""
        if verb == "list":
            return f"list_{shape.plural}"
        return f"{'get' if verb == 'show' else verb}_{shape.name}"

    def forbids_before(self, request: Request, missing: NotFound) -> bool:
        """Whether who may not do it at all is told 403 for an id that does not exist (Keystone), not 404."""
        return False

    def target(self, request: Request) -> Any:
        """What policy is asked about: the innermost loaded row that belongs to somebody, else the caller's own."""
        for row in reversed(request.loaded.values()):
            if hasattr(row, "project_id") or hasattr(row, "user_id"):
                return row
        return request.own()

    def missing(self, kind: str, value: str) -> NotFound:
        """The words for a record that is not there, or that is another's."""
        name = "".join(part.capitalize() for part in kind.replace("-", "_").split("_"))
        return NotFound(f"{kind.replace('_', ' ').capitalize()} {value} could not be found.", type=f"{name}NotFound")

    async def before(self, request: Request) -> None:
        """Before a request opens its transaction: for a service some of whose rows come from elsewhere (Keystone)."""

    async def written(self, request: Request, tx: AsyncSession) -> None:
        """After a change, in its transaction: for a service that tells of each one (Keystone)."""

    def one(self, request: Request, name: str, view: dict[str, Any]) -> dict[str, Any]:
        return {name: view}


def page_link(request: Request, **changes: str | None) -> str:
    """This list's own address with some parameters changed (None drops one)."""
    pairs = [(key, value) for key, value in request.query.items() if key not in changes]
    pairs += [(key, value) for key, value in changes.items() if value is not None]
    return request.host_link(request.raw.path) + (f"?{urlencode(pairs)}" if pairs else "")
