"""Glance v2 on the wire (docs.openstack.org/api-ref/image/v2)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cloudd.core import clock
from cloudd.core.errors import BadRequest, CloudError, OverQuota, TooLarge
from cloudd.core.http import Api, Field, Page, Request
from cloudd.core.http import types as t
from cloudd.core.http.accept import chosen, written
from cloudd.core.http.dialects import Dialect, ListQuery
from cloudd.image.images import find
from cloudd.image.metadefs_policies import POLICIES as METADEF_POLICIES
from cloudd.image.models import Image
from cloudd.image.policies import POLICIES

DEFAULT_LIMIT = 25


class Glance(Dialect):
    """Glance's errors, its `sort=name:asc`, and lists with `first`, `next` and `schema`."""

    paging = Dialect.paging | {"sort"}

    def status(self, error: CloudError) -> int:
        return 413 if isinstance(error, OverQuota) else error.status

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        title = _title(error)
        return {"message": error.message, "code": f"{self.status(error)} {title}", "title": title}, {}

    def refusal(self, accept: str, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        """HTML for those who take anything: clients that expect Nova's errors everywhere trip over Glance's in JSON."""
        document, headers = self.error(error, request_id)
        body, more = written(chosen(accept), f"{self.status(error)} {_title(error)}", error.message, document)
        return body, {**headers, **more}

    def read_list(self, request: Request) -> ListQuery:
        query = super().read_list(request)
        sort, directions = request.query.get("sort"), request.query.getall("sort_dir", [])
        if sort is None:
            return _with_sorts(query, _classic(tuple(key.strip() for key, _ in query.sorts),
                                               [direction.lower() for direction in directions]))
        if query.sorts or directions:
            raise BadRequest("The sort parameter cannot stand beside sort_key and sort_dir.")
        pairs = [tuple(word.strip() for word in part.partition(":")) for part in sort.split(",")]
        if bad := [direction for _, _, direction in pairs if direction not in ("", "asc", "desc")]:
            raise BadRequest(f"Unknown sort direction {bad[0]!r}: it must be asc or desc.")
        return _with_sorts(query, tuple((key, direction or "desc") for key, _, direction in pairs))

    def limit(self, request: Request) -> int | None:
        if "limit" not in request.query:
            return min(DEFAULT_LIMIT, request.settings.api.max_limit)
        if request.query["limit"] == "0":
            return 0
        return super().limit(request)

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        path = request.raw.path.removeprefix("/image")
        pairs = {key: value for key, value in request.query.items() if key != "marker"}
        body = {plural: views, "first": _link(path, pairs), "schema": f"/v2/schemas/{plural}"}
        if page.more and page.last is not None:
            body["next"] = _link(path, {**pairs, "marker": page.last})
        return body

    def list_members(self, plural: str, item: dict[str, Any]) -> dict[str, Any]:
        text = {"type": "string"}
        return {plural: {"type": "array", "items": item}, "first": text, "next": text, "schema": text}

    def always(self, plural: str) -> list[str]:
        return [plural, "first", "schema"]

    def error_schema(self) -> dict[str, Any]:
        words = {name: {"type": "string"} for name in ("message", "code", "title")}
        return {"type": "object", "properties": words, "required": list(words)}


def _classic(keys: tuple[str, ...], directions: list[str]) -> tuple[tuple[str, str], ...]:
    """Keys and directions as sent: one direction goes for all keys, none is `desc`. Raises BadRequest."""
    if not directions:
        return tuple((key, "desc") for key in keys)
    if len(directions) > 1 and len(directions) != len(keys):
        raise BadRequest("Number of sort dirs does not match the number of sort keys.")
    keys = keys or ("created_at",)
    return tuple(zip(keys, directions * len(keys) if len(directions) == 1 else directions, strict=True))


def _title(error: CloudError) -> str:
    return TooLarge.title if isinstance(error, OverQuota) else error.title


def _with_sorts(query: ListQuery, sorts: tuple[tuple[str, str], ...]) -> ListQuery:
    return ListQuery(query.filters, sorts, query.limit, query.marker, query.reverse, query.fields)


def _link(path: str, pairs: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path


API = Api("image", prefixes=("/image/v2",), dialect=Glance(), policies=POLICIES + METADEF_POLICIES, title="Images (Glance v2)",
          trailing_slash=False)

LOCATION = t.Record({"url": t.Text(), "metadata": t.Map()})
STAMPS = (Field("created_at", t.Text(), of=lambda row, request: clock.iso(row.created_at)),
          Field("updated_at", t.Text(), of=lambda row, request: clock.iso(row.updated_at)))


@API.loader("image")
async def load_image(request: Request, tx: Any, image_id: str) -> Image:
    return await find(tx, request.context, image_id)


def target(request: Request) -> dict[str, Any]:
    """What image policies look at: the owner, the visibility, and the caller as a member of what is shared with him."""
    image = request.loaded["image"]
    shared = image.visibility == "shared" and image.project_id != request.context.project_id
    return {"project_id": image.project_id, "owner": image.project_id, "visibility": image.visibility,
            "member_id": request.context.project_id if shared else None}
