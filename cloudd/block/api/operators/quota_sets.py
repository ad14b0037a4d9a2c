"""Quota sets and quota classes over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.api import API, fields
from cloudd.block.operators import quota_sets
from cloudd.block.quotas import NAMES, QUOTAS
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.lists import Filters
from cloudd.core.http.types import NOTHING, Map, Raw, Record

RULE, CLASS_RULE = "volume_extension:quotas:{}", "volume_extension:quota_classes:{}"
LIMIT = {"type": "integer"}
USE = {"type": "object", "additionalProperties": False, "required": ["in_use", "limit", "reserved"],
       "properties": dict.fromkeys(("in_use", "limit", "reserved"), LIMIT)}


def shown(member: str, value: dict[str, Any], *, with_id: bool = True) -> Record:
    """Limits by name: those that are always there, and those of the volume types."""
    names = {**({"id": {"type": "string"}} if with_id else {}), **dict.fromkeys(NAMES, value)}
    return Record({member: Raw({"type": "object", "properties": names, "required": sorted(names), "additionalProperties": value})})


SENT = Shape(None, Field("quota_set", Map(low=1), required=True))
SENT_CLASS = Shape(None, Field("quota_class_set", Map(), required=True))
quota_resource = API.resource("/os-quota-sets/{project}")
class_resource = API.resource("/os-quota-class-sets/{quota_class}")


def target(request: Request) -> dict[str, Any]:
    return {"project_id": request.path["project"]}


@quota_resource.get("", policy=RULE.format("show"), target=target, answer=shown("quota_set", {"anyOf": [LIMIT, USE]}), many=False,
                    listing=Filters(("usage",)))
async def show(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show the limits of a project, with `usage` also what is in use of them."""
    find = quota_sets.usage if fields.flag(request, "usage") else quota_sets.limits
    return {"quota_set": {"id": project, **await find(tx, project)}}


@quota_resource.get("/defaults", policy=RULE.format("show"), target=target, answer=shown("quota_set", LIMIT), many=False)
async def defaults(tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show the limits of a project that has none of its own."""
    return {"quota_set": {"id": project, **await quota_sets.defaults(tx)}}


@quota_resource.put("", policy=RULE.format("update"), target=target, use="create", body=SENT,
                    answer=shown("quota_set", LIMIT, with_id=False))
async def update(request: Request, tx: AsyncSession, project: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set limits of a project."""
    await quota_sets.change(request.context, tx, project, body["quota_set"])
    return {"quota_set": await quota_sets.limits(tx, project)}


@quota_resource.delete("", policy=RULE.format("delete"), target=target, status=200, answer=NOTHING)
async def delete(request: Request, tx: AsyncSession, project: str) -> Reply:
    """Take a project back to the defaults."""
    await QUOTAS.reset(tx, project)
    await events.record(tx, request.context, "quota.delete", project[:64])
    return Reply()


@class_resource.get("", policy=CLASS_RULE.format("get"), answer=shown("quota_class_set", LIMIT), many=False)
async def show_class(tx: AsyncSession, quota_class: str) -> dict[str, Any]:
    """Show the limits of a class; those of `default` go for projects."""
    return {"quota_class_set": {"id": quota_class, **await quota_sets.defaults(tx, quota_class)}}


@class_resource.put("", policy=CLASS_RULE.format("update"), use="create", body=SENT_CLASS,
                    answer=shown("quota_class_set", LIMIT, with_id=False))
async def update_class(request: Request, tx: AsyncSession, quota_class: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set the limits of a class: of `default`, those of projects that have none of their own."""
    if len(quota_class) > 255:
        raise BadRequest("Invalid input received: quota_class_name has more than 255 characters.")
    await quota_sets.change_class(request.context, tx, quota_class, body["quota_class_set"])
    return {"quota_class_set": await quota_sets.defaults(tx, quota_class)}
