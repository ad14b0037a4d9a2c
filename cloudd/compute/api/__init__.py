"""Nova v2.1 on the wire (docs.openstack.org/api-ref/compute)."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server
from cloudd.compute.policies import POLICIES
from cloudd.compute.servers.change import find
from cloudd.compute.versions import HISTORY
from cloudd.core.errors import BadRequest, CloudError, NotFound
from cloudd.core.http import Api, Request
from cloudd.core.http.dialects import Dialect
from cloudd.core.http.microversions import Negotiation
from cloudd.core.ids import ANY, whole

FAULTS = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
          409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
          503: "serviceUnavailable"}
PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
"""What descriptions may hold: no control characters, line breaks among them."""
VERBS = {"list": "index", "show": "show", "create": "create", "update": "update", "delete": "delete"}


class Nova(Dialect):
    """Nova's errors: one member named for the status; and its list parameters."""

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        status = self.status(error)
        fault = {"code": status, "message": error.message}
        headers = {"Retry-After": "0"} if status in (413, 429) else {}
        if headers:
            fault["retryAfter"] = "0"
        return {FAULTS.get(status, "computeFault"): fault}, headers

    def error_schema(self) -> dict[str, Any]:
        fault = {"type": "object", "required": ["code", "message"], "properties": {
            "code": {"type": "integer"}, "message": {"type": "string"}, "retryAfter": {"type": "string"}}}
        return {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": fault}

    def limit(self, request: Request) -> int | None:
        """The page size; 0 asks for an empty page."""
        text, most = request.query.get("limit"), request.settings.api.max_limit
        if text is None:
            return most
        if (wanted := whole(text, ANY)) is None:
            raise BadRequest(f"Invalid input for query parameters limit. Value: {text}. It must be a number from 0 on.")
        return min(wanted, most)

    def verb(self, verb: str, shape: Any) -> str:
        return VERBS[verb]

    def missing(self, kind: str, value: str) -> NotFound:
        return NotFound(f"{kind.replace('_', ' ').capitalize()} {value} could not be found.")


API = Api("compute", prefixes=("/compute/v2.1", "/compute/v2"), dialect=Nova(), policies=POLICIES, project_in_path=True,
          negotiation=Negotiation(HISTORY, "compute", "X-OpenStack-Nova-API-Version"), title="Compute (Nova v2.1)")


@API.loader("server")
async def load_server(request: Request, tx: AsyncSession, server_id: str) -> Server:
    return await find(tx, request.context, server_id)


def bookmark(request: Request, kind: str, key: Any) -> dict[str, str]:
    """The address of a resource that goes for every version."""
    return {"rel": "bookmark", "href": request.host_link(f"/compute/{kind}/{key}")}


def links(request: Request, kind: str, key: Any) -> list[dict[str, str]]:
    """The two links that most of Nova's resources carry; `kind` is the collection's path (servers, flavors)."""
    return [{"rel": "self", "href": request.link(f"/{kind}/{key}")}, bookmark(request, kind, key)]
