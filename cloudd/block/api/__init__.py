"""Cinder v3 on the wire (docs.openstack.org/api-ref/block-storage/v3)."""

from typing import Any

from cloudd.block.policies import POLICIES
from cloudd.block.versions import HISTORY
from cloudd.core.errors import BadRequest, CloudError, OverQuota
from cloudd.core.http import Api, Page, Request, faults
from cloudd.core.http.dialects import Dialect, ListQuery, page_link
from cloudd.core.http.microversions import Negotiation
from cloudd.core.ids import whole

ODD_LINKS = {"volume_types_links": "volume_type_links", "group_types_links": "group_type_links"}
"""What upstream calls the links of pages otherwise than anywhere else."""


class Cinder(Dialect):
    """Cinder's errors: one member named for the status. Its lists take `sort=key:dir`, `offset` and `with_count`."""

    paging = (Dialect.paging - {"page_reverse", "fields"}) | {"sort", "offset", "with_count", "all_tenants"}

    def status(self, error: CloudError) -> int:
        return 413 if isinstance(error, OverQuota) else error.status

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        return faults.told(error, self.status(error))

    def error_schema(self) -> dict[str, Any]:
        return faults.SCHEMA

    def limit(self, request: Request) -> int | None:
        """The page size; 0 asks for an empty page."""
        return faults.page_size(request)

    def read_list(self, request: Request) -> ListQuery:
        query = request.query
        keys, directions = query.getall("sort_key", []), query.getall("sort_dir", [])
        if "sort" in query and (keys or directions):
            raise BadRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter.")
        sorts = _sorts(query["sort"]) if "sort" in query else _old_sorts(keys, directions)
        filters = tuple((name, tuple(query.getall(name))) for name in dict.fromkeys(query) if name not in self.paging)
        offset = whole(query.get("offset") or "0")
        if offset is None:
            raise BadRequest(f"Invalid input for query parameters offset. Value: {query['offset']}. It must be a number from 0 on.")
        return ListQuery(filters, sorts, self.limit(request), query.get("marker") or None, offset=offset)

    def list_parameters(self) -> dict[str, dict[str, Any]]:
        return super().list_parameters() | {"offset": {"type": "integer", "minimum": 0}, "sort": {"type": "string"},
                                            "with_count": {"type": "boolean"}, "all_tenants": {"type": "boolean"}}

    def list_members(self, plural: str, item: dict[str, Any]) -> dict[str, Any]:
        members = super().list_members(plural, item) | {"count": {"type": "integer", "minimum": 0}}
        return {ODD_LINKS.get(name, name): schema for name, schema in members.items()}

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        """A full page has a link to the next, which may be empty. What is an offset counts from the marker on, which has moved."""
        body: dict[str, Any] = {plural: views, **page.extra}
        if page.last is not None and (page.more or len(views) == page.limit):
            links = ODD_LINKS.get(f"{plural}_links", f"{plural}_links")
            body[links] = [{"rel": "next", "href": page_link(request, marker=page.last, offset=None)}]
        return body

    def verb(self, verb: str, shape: Any) -> str:
        return {"list": "get_all", "show": "get"}.get(verb, verb)


def _sorts(text: str) -> tuple[tuple[str, str], ...]:
    """`sort=name:asc,size`: what has no direction goes down."""
    pairs = (part.strip().partition(":") for part in text.split(","))
    return tuple((key.strip(), (direction.strip() or "desc").lower()) for key, _, direction in pairs if key.strip())


def _old_sorts(keys: list[str], directions: list[str]) -> tuple[tuple[str, str], ...]:
    """`sort_key` and `sort_dir`, of which either may be missing."""
    if not keys and not directions:
        return ()
    direction = (directions[0] if directions else "desc").lower()
    return ((keys[0] if keys else "created_at", direction),)


API = Api("block-storage", prefixes=("/volume/v3",), dialect=Cinder(), policies=POLICIES, project_in_path=True, trailing_slash=False,
          negotiation=Negotiation(HISTORY, "volume"), title="Block storage (Cinder v3)")
