"""Barbican v1 on the wire (docs.openstack.org/barbican/latest/api): errors, pages by offset, and what policies look at."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cloudd.core.errors import CloudError
from cloudd.core.http import Api, Page, Request
from cloudd.core.http.dialects import Dialect, ListQuery
from cloudd.core.http.microversions import Negotiation
from cloudd.keymanager import lists
from cloudd.keymanager.models import Secret
from cloudd.keymanager.policies import POLICIES
from cloudd.keymanager.secrets import find
from cloudd.keymanager.versions import HISTORY

PATH = "/key-manager"
TEXT = {"type": "string"}


class Barbican(Dialect):
    """`title` and `description` in errors; lists with `total`, `next` and `previous`."""

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        return {"code": self.status(error), "title": error.title, "description": error.message}, {}

    def error_schema(self) -> dict[str, Any]:
        words = {"code": {"type": "integer"}, "title": TEXT, "description": TEXT}
        return {"type": "object", "properties": words, "required": list(words)}

    def read_list(self, request: Request) -> ListQuery:
        return ListQuery()                                    # its lists read their parameters themselves (lists.py)

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        body: dict[str, Any] = {plural: views, **page.extra}
        window = lists.window(request.query)
        if views and window.offset > 0:
            body["previous"] = _turned(request, max(0, window.offset - window.limit), window.limit)
        if views and body["total"] > window.offset + window.limit:
            body["next"] = _turned(request, window.offset + window.limit, window.limit)
        return body

    def list_members(self, plural: str, item: dict[str, Any]) -> dict[str, Any]:
        return {plural: {"type": "array", "items": item}, "total": {"type": "integer"}, "next": TEXT, "previous": TEXT}

    def always(self, plural: str) -> list[str]:
        return [plural, "total"]

    def list_parameters(self) -> dict[str, dict[str, Any]]:
        return {name: {"type": "integer", "minimum": 0} for name in ("limit", "offset")}


def _turned(request: Request, offset: int, limit: int) -> str:
    """This list's address for another page; what else was asked stays."""
    rest = [(name, value) for name, value in request.query.items() if name not in ("limit", "offset")]
    return f"{request.host_link(request.raw.path.rstrip('/'))}?{urlencode([('limit', limit), ('offset', offset), *rest])}"


API = Api("key-manager", prefixes=(PATH,), dialect=Barbican(), policies=POLICIES, negotiation=Negotiation(HISTORY, "key-manager"),
          title="Keys (Barbican v1)")


@API.loader("secret")
async def load_secret(request: Request, tx: Any, secret_id: str) -> Secret:
    return await find(tx, secret_id, request.context.now())


def target(request: Request) -> Mapping[str, Any]:
    """What policies look at: of whom the secret is. Made of the row alone; what stands in the address behind a `?` is no part of it."""
    secret = request.loaded["secret"]
    return {"target.secret.project_id": secret.project_id, "target.secret.creator_id": secret.creator_id,
            "target.secret.read_project_access": True}


def address(request: Request, secret: Secret, *more: str) -> str:
    """A secret's own address, by which clients know it."""
    return request.link("/".join(("/v1/secrets/{}", *more)), secret.id)
