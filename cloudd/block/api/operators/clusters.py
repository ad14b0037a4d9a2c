"""Clusters of back ends over HTTP. One host is none: there is nothing to list, and nothing to switch."""

from typing import Any

from cloudd.block.api import API, fields
from cloudd.block.api.types.values import NAME
from cloudd.block.versions import CLUSTERS, REPLICATION_CLUSTER
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.lists import Filters
from cloudd.core.http.types import NONE, NOTHING, Record, Text

RULE = "clusters:{}"
BINARY = Field("binary", Text(0, 255, null=True))
ENABLE = Shape(None, Field("name", NAME, required=True), BINARY)
DISABLE = Shape(None, *ENABLE.fields, Field("disabled_reason", Text(1, 255, null=True, pattern=r"\S")))
FILTERS = ("name", "binary", "is_up", "disabled", "num_hosts", "num_down_hosts")
REPLICATION = ("replication_status", "frozen", "active_backend_id")
LISTING = Filters((*FILTERS, *REPLICATION))
EMPTY = Record({"clusters": NONE})
resource = API.resource("/clusters", since=CLUSTERS)


def missing(name: str) -> NotFound:
    return NotFound(f"Cluster {name[:255]} could not be found.", type="ClusterNotFound")


@resource.get("/detail", policy=RULE.format("get_all"), answer=EMPTY, listing=LISTING)
@resource.get("", policy=RULE.format("get_all"), answer=EMPTY, listing=LISTING)
async def index(request: Request) -> dict[str, Any]:
    """List the clusters."""
    known = {*FILTERS, *(REPLICATION if request.has(REPLICATION_CLUSTER) else ())}
    if wrong := sorted(set(request.query) - known):
        raise BadRequest(f"Invalid input received: Invalid filter keys: {', '.join(wrong)}. There are: {', '.join(sorted(known))}.")
    for name in ("is_up", "disabled"):
        fields.flag(request, name)
    return {"clusters": []}


@resource.get("/{name}", policy=RULE.format("get"), answer=NOTHING)
async def show(name: str) -> None:
    """Show a cluster."""
    raise missing(name)


@resource.put("/enable", policy=RULE.format("update"), use="create", body=ENABLE, answer=NOTHING)
async def enable(body: dict[str, Any]) -> None:
    """Let a cluster take new volumes."""
    raise missing(body["name"])


@resource.put("/disable", policy=RULE.format("update"), use="create", body=DISABLE, answer=NOTHING)
async def disable(body: dict[str, Any]) -> None:
    """Let a cluster take no new volumes."""
    raise missing(body["name"])
