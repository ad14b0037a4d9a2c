"""Limits over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.quotas import limits
from cloudd.compute.versions import IMAGE_METADATA_PROXY_GONE, PERSONALITY_GONE, PROXIES_GONE, STRICT
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import List, Text

RULE = "os_compute_api:limits"
WHOSE = Shape(None, Field("tenant_id", List(Text(0, 255))), Field("reserved", List(Text(0, 255))), extra=STRICT)


@API.resource("/limits").get("", policy=RULE, query=WHOSE)
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """Show what a project may have and what it uses."""
    project_id = request.query.get("tenant_id") or request.context.project_id or ""
    if project_id != request.context.project_id:
        request.require(f"{RULE}:other_project", {"project_id": project_id})
    absolute = await limits.absolute(tx, project_id, with_network=not request.has(PROXIES_GONE),
                                     image_metadata=not request.has(IMAGE_METADATA_PROXY_GONE),
                                     files=not request.has(PERSONALITY_GONE))
    return {"limits": {"rate": [], "absolute": absolute}}
