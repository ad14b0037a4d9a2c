"""Limits over HTTP."""

from types import SimpleNamespace

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.operators import limits
from cloudd.block.versions import LIMITS_OF_PROJECT
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.lists import Filters
from cloudd.core.http.shapes import UNSET, nested
from cloudd.core.http.types import NONE, Int

RULE = "limits_extension:used_limits"
SEE = "volume_extension:type_get_all"
"""Upstream asks no policy but of who sees what is used."""
ABSOLUTE = Shape(None, *(Field(name, Int()) for name in limits.LIMITS), *(Field(name, Int(), sometimes=True) for name in limits.USED))
LIMITS = Shape("limits", Field("rate", NONE, of=lambda row, request: []), *nested("absolute", ABSOLUTE, of=ABSOLUTE.view))


@API.resource("/limits").get("", policy=SEE, reply=LIMITS, many=False, listing=Filters(("project_id", "tenant_id")))
async def index(request: Request, tx: AsyncSession) -> SimpleNamespace:
    """Show what a project may have and what it uses."""
    named = request.query.get("project_id") or request.query.get("tenant_id")
    others = named and request.has(LIMITS_OF_PROJECT) and request.context.is_admin
    project_id = (named if others else request.context.project_id) or ""
    found = await limits.absolute(tx, project_id)
    if not request.allows(RULE, {"project_id": project_id}):
        found |= dict.fromkeys(limits.USED, UNSET)
    return SimpleNamespace(**found)
