"""Nova v2.1 on the wire (docs.openstack.org/api-ref/compute)."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Server
from cloudd.compute.policies import POLICIES
from cloudd.compute.servers.change import find
from cloudd.compute.versions import HISTORY
from cloudd.core.errors import CloudError, NotFound
from cloudd.core.http import Api, Request, faults
from cloudd.core.http.accept import chosen, written
from cloudd.core.http.dialects import Dialect
from cloudd.core.http.microversions import Negotiation

PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
"""What descriptions may hold: no control characters, line breaks among them."""
VERBS = {"list": "index", "show": "show", "create": "create", "update": "update", "delete": "delete"}


class Nova(Dialect):
    """Nova's errors: one member named for the status; and its list parameters."""

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        return faults.told(error, self.status(error))

    def error_schema(self) -> dict[str, Any]:
        return faults.SCHEMA

    def refusal(self, accept: str, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        """JSON for everybody, but for what no operation of Nova has answered."""
        document, headers = self.error(error, request_id)
        if error.type != "NoSuchOperation":
            return document, headers
        return written(chosen(accept), f"{self.status(error)} {error.title}", error.message, document)

    def limit(self, request: Request) -> int | None:
        """The page size; 0 asks for an empty page."""
        return faults.page_size(request)

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
