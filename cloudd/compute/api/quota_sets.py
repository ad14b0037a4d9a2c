"""Quota sets and quota classes over HTTP."""

from types import SimpleNamespace as Row
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.quotas import sets as quota_sets
from cloudd.compute.quotas.sets import ALWAYS, GROUPS, INJECTED, NETWORK_ITEMS
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.versions import QUOTA_CLASS_SERVER_GROUPS, STRICT
from cloudd.core.http import Change, Field, Reply, Request, Shape
from cloudd.core.http.types import Bool, Int, List, Record, Text, Type

LIMIT = Int(-1, 0x7FFFFFFF, text=True)
RULE = "os_compute_api:os-quota-sets:{}"
CLASS_RULE = "os_compute_api:os-quota-class-sets:{}"


def items(network_until: str, of: Type = LIMIT, groups_since: Change | None = None) -> list[Field]:
    """What has limits, with their lifetimes. `networks` was never among what is shown."""
    return [*(Field(name, of) for name in ALWAYS), *(Field(name, of, since=groups_since) for name in GROUPS),
            *(Field(name, of, until="2.56") for name in INJECTED),
            *(Field(name, of, until=network_until, reply=name != "networks") for name in NETWORK_ITEMS)]


ID = Field("id", Text())
IN_USE = Record({"in_use": Int(), "limit": Int(), "reserved": Int()})
QUOTA_SET = Shape("quota_set", *items("2.35"), Field("force", Bool(text=True), reply=False))
SHOWN = Shape("quota_set", ID, *items("2.35"))
DETAIL = Shape("quota_set", ID, *items("2.35", IN_USE))
QUOTA_CLASS = Shape("quota_class_set", *items("2.49"))
CHANGED_CLASS = Shape("quota_class_set", *items("2.49", groups_since=QUOTA_CLASS_SERVER_GROUPS))
SHOWN_CLASS = Shape("quota_class_set", ID, *CHANGED_CLASS.fields)
USER = Shape(None, Field("user_id", List(Text(0, 255))), extra=STRICT)
quota_resource = API.resource("/os-quota-sets/{project}")
class_resource = API.resource("/os-quota-class-sets/{quota_class}")


def target(request: Request) -> dict[str, Any]:
    return {"project_id": request.path["project"]}


def user_of(request: Request) -> str:
    return request.query.get("user_id", "")


@quota_resource.get("", policy=RULE.format("show"), target=target, query=USER, reply=SHOWN)
async def show(request: Request, tx: AsyncSession, project: str) -> Row:
    """Show the limits of a project, or of a user in it."""
    await quota_sets.require_project(tx, project)
    return Row(id=project, **await quota_sets.limits(tx, project, user_of(request)))


@quota_resource.get("/detail", policy=RULE.format("detail"), target=target, query=USER, reply=DETAIL, many=False)
async def detail(request: Request, tx: AsyncSession, project: str) -> Row:
    """Show the limits of a project and what is in use of them."""
    await quota_sets.require_project(tx, project)
    used = await quota_sets.used(tx, project)
    limits = await quota_sets.limits(tx, project, user_of(request))
    return Row(id=project, **{name: {"in_use": used.get(name, 0), "limit": limit, "reserved": 0} for name, limit in limits.items()})


@quota_resource.get("/defaults", policy=RULE.format("defaults"), target=target, reply=SHOWN, many=False)
async def defaults(tx: AsyncSession, project: str) -> Row:
    """Show the limits of a project that has none of its own."""
    return Row(id=project, **await quota_sets.defaults(tx))


@quota_resource.put("", body=QUOTA_SET, policy=RULE.format("update"), target=target, query=USER, reply=QUOTA_SET)
async def update(request: Request, tx: AsyncSession, project: str, body: dict[str, Any]) -> Row:
    """Set limits of a project, or of a user in it."""
    await quota_sets.require_project(tx, project)
    force = bool(body.pop("force", False))
    await quota_sets.change(tx, project, body, user_id=user_of(request), force=force)
    return Row(**await quota_sets.limits(tx, project, user_of(request)))


@quota_resource.delete("", status=202, policy=RULE.format("delete"), target=target, query=USER)
async def delete(request: Request, tx: AsyncSession, project: str) -> Reply:
    """Take a project, or a user in it, back to the defaults."""
    await quota_sets.require_project(tx, project)
    await QUOTAS.reset(tx, project, user_of(request))
    return Reply()


@class_resource.get("", policy=CLASS_RULE.format("show"), reply=SHOWN_CLASS)
async def show_class(tx: AsyncSession, quota_class: str) -> Row:
    """Show the limits of a class; those of `default` go for projects."""
    return Row(id=quota_class, **await quota_sets.defaults(tx, quota_class))


@class_resource.put("", body=QUOTA_CLASS, policy=CLASS_RULE.format("update"), reply=CHANGED_CLASS)
async def update_class(tx: AsyncSession, quota_class: str, body: dict[str, Any]) -> Row:
    """Set the limits of a class: of `default`, those of projects that have none of their own."""
    await quota_sets.change_class(tx, quota_class, body)
    return Row(**await quota_sets.defaults(tx, quota_class))
