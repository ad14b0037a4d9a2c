"""Who may use a private volume type."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API
from cloudd.block.models import TypeAccess, VolumeType
from cloudd.block.types import rules
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Obj, Text, Uuid

RULE = "volume_extension:volume_type_access:{}"
PROJECT = Obj({"project": Text(1, 255)}, ["project"])
ADD = Shape(None, Field("addProjectAccess", PROJECT, required=True))
REMOVE = Shape(None, Field("removeProjectAccess", PROJECT, required=True))
ACCESS = Shape("volume_type_access", Field("volume_type_id", Uuid()), Field("project_id", Text()), plural="volume_type_access")
one = API.resource("/types/{volume_type}")


@one.get("/os-volume-type-access", policy=RULE.format("get_all_for_type"), reply=ACCESS)
async def index(tx: AsyncSession, volume_type: VolumeType) -> list[TypeAccess]:
    """List the projects that a private volume type was given to."""
    return await rules.access(tx, volume_type)


@one.post("/action", action="addProjectAccess", body=ADD, status=202, policy=RULE.format("addProjectAccess"))
async def add(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> Reply:
    """Let a project use a private volume type."""
    await rules.give(request.context, tx, volume_type, body["addProjectAccess"]["project"])
    return Reply()


@one.post("/action", action="removeProjectAccess", body=REMOVE, status=202, policy=RULE.format("removeProjectAccess"))
async def remove(request: Request, tx: AsyncSession, volume_type: VolumeType, body: dict[str, Any]) -> Reply:
    """Take a private volume type from a project."""
    await rules.take(request.context, tx, volume_type, body["removeProjectAccess"]["project"])
    return Reply()
