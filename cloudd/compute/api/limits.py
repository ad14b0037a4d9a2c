"""Limits over HTTP."""

from types import SimpleNamespace

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.quotas import limits
from cloudd.compute.versions import PROXIES_GONE, STRICT
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.shapes import nested
from cloudd.core.http.types import NONE, Int, List, Text

RULE = "os_compute_api:limits"
WHOSE = Shape(None, Field("tenant_id", List(Text(0, 255))), Field("reserved", List(Text(0, 255))), extra=STRICT)


ABSOLUTE = Shape(None,
    *(Field(name, Int()) for name in (*limits.LIMITS, *limits.USED)),
    Field("maxImageMeta", Int(), until="2.38"), *(Field(name, Int(), until="2.56") for name in limits.OF_FILES),
    *(Field(name, Int(), until="2.35") for name in (*limits.NETWORK_LIMITS, *limits.NETWORK_USED)))
LIMITS = Shape("limits", Field("rate", NONE, of=lambda row, request: []), *nested("absolute", ABSOLUTE, of=ABSOLUTE.view))


@API.resource("/limits").get("", policy=RULE, query=WHOSE, reply=LIMITS, many=False)
async def index(request: Request, tx: AsyncSession) -> SimpleNamespace:
    """Show what a project may have and what it uses."""
    project_id = request.query.get("tenant_id") or request.context.project_id or ""
    if project_id != request.context.project_id:
        request.require(f"{RULE}:other_project", {"project_id": project_id})
    return SimpleNamespace(**await limits.absolute(tx, project_id, with_network=not request.has(PROXIES_GONE)))
