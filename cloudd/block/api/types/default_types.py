"""Default types of projects over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.block.api import API
from cloudd.block.api.types.values import NAME
from cloudd.block.models import ProjectDefaultType
from cloudd.block.types import defaults
from cloudd.block.versions import DEFAULT_TYPES
from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Text, Uuid

RULE = "volume_extension:default_{}"
DEFAULT_TYPE = Shape("default_type", Field("project_id", Text()), Field("volume_type_id", Uuid()))
SENT = Shape("default_type", Field("volume_type", NAME, required=True))
resource = API.resource("/default-types", since=DEFAULT_TYPES)


async def ask(request: Request, tx: AsyncSession, body: Any) -> None:
    """Ask policy of the project that is named. Raises NotFound for one that is not there; of that the default may still be dropped."""
    row = await identity.project(tx, request.path["project"])
    target = {"project_id": request.path["project"], "domain_id": row.domain_id if row else None}
    request.require(request.operation.policy or "", target)
    if row is None and request.operation.method != "DELETE":
        raise NotFound(f"Project with id {request.path['project']} not found.")


@resource.get("", policy=RULE.format("get_all"), reply=DEFAULT_TYPE)
async def index(tx: AsyncSession) -> list[ProjectDefaultType]:
    """List the projects that have a default type of their own."""
    return await defaults.listed(tx)


@resource.get("/{project}", policy=RULE.format("get"), guard=ask, reply=DEFAULT_TYPE)
async def show(tx: AsyncSession, project: str) -> ProjectDefaultType:
    """Show the default type of a project."""
    return await defaults.get(tx, project)


@resource.put("/{project}", policy=RULE.format("set_or_update"), guard=ask, use="create", body=SENT, reply=DEFAULT_TYPE)
async def update(request: Request, tx: AsyncSession, project: str, body: dict[str, Any]) -> ProjectDefaultType:
    """Set the default type of a project."""
    return await defaults.put(request.context, tx, project, body["volume_type"])


@resource.delete("/{project}", policy=RULE.format("unset"), guard=ask)
async def delete(request: Request, tx: AsyncSession, project: str) -> None:
    """Give a project the usual default type again."""
    await defaults.drop(request.context, tx, project)
