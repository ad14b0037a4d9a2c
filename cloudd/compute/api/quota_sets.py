"""Quota sets and quota classes over HTTP."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.quotas import sets as quota_sets
from cloudd.compute.quotas.sets import ALWAYS, GROUPS, INJECTED, NETWORK_ITEMS
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.versions import PERSONALITY_GONE, PROXIES_GONE, QUOTA_CLASS_SERVER_GROUPS, STRICT
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Bool, Int, List, Text

LIMIT = Int(-1, 0x7FFFFFFF, text=True)
RULE = "os_compute_api:os-quota-sets:{}"
CLASS_RULE = "os_compute_api:os-quota-class-sets:{}"


def items(network_until: str) -> list[Field]:
    return [*(Field(name, LIMIT) for name in (*ALWAYS, *GROUPS)),
            *(Field(name, LIMIT, until="2.56") for name in INJECTED),
            *(Field(name, LIMIT, until=network_until) for name in NETWORK_ITEMS)]


QUOTA_SET = Shape("quota_set", *items("2.35"), Field("force", Bool(text=True)))
QUOTA_CLASS = Shape("quota_class_set", *items("2.49"))
USER = Shape(None, Field("user_id", List(Text(0, 255))), extra=STRICT)
quota_resource = API.resource("/os-quota-sets/{project}")
class_resource = API.resource("/os-quota-class-sets/{quota_class}")


def shown(request: Request, values: Mapping[str, Any]) -> dict[str, Any]:
    """The items that this version knows. `networks` was never among those shown."""
    names = [*ALWAYS, *GROUPS, *(() if request.has(PERSONALITY_GONE) else INJECTED),
             *(() if request.has(PROXIES_GONE) else [name for name in NETWORK_ITEMS if name != "networks"])]
    return {name: values[name] for name in names if name in values}


def target(request: Request) -> dict[str, Any]:
    return {"project_id": request.path["project"]}


def user_of(request: Request) -> str:
    return request.query.get("user_id", "")


@quota_resource.get("", policy=RULE.format("show"), target=target, query=USER)
async def show(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show the limits of a project, or of a user in it."""
    await quota_sets.require_project(tx, project)
    return {"quota_set": {"id": project, **shown(request, await quota_sets.limits(tx, project, user_of(request)))}}


@quota_resource.get("/detail", policy=RULE.format("detail"), target=target, query=USER)
async def detail(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show the limits of a project and what is in use of them."""
    await quota_sets.require_project(tx, project)
    used = await quota_sets.used(tx, project)
    limits = await quota_sets.limits(tx, project, user_of(request))
    values = {name: {"in_use": used.get(name, 0), "limit": limit, "reserved": 0} for name, limit in limits.items()}
    return {"quota_set": {"id": project, **shown(request, values)}}


@quota_resource.get("/defaults", policy=RULE.format("defaults"), target=target)
async def defaults(request: Request, tx: AsyncSession, project: str) -> dict[str, Any]:
    """Show the limits of a project that has none of its own."""
    return {"quota_set": {"id": project, **shown(request, await quota_sets.defaults(tx))}}


@quota_resource.put("", body=QUOTA_SET, policy=RULE.format("update"), target=target, query=USER)
async def update(request: Request, tx: AsyncSession, project: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set limits of a project, or of a user in it."""
    await quota_sets.require_project(tx, project)
    force = bool(body.pop("force", False))
    await quota_sets.change(tx, project, body, user_id=user_of(request), force=force)
    return {"quota_set": shown(request, await quota_sets.limits(tx, project, user_of(request)))}


@quota_resource.delete("", status=202, policy=RULE.format("delete"), target=target, query=USER)
async def delete(request: Request, tx: AsyncSession, project: str) -> Reply:
    """Take a project, or a user in it, back to the defaults."""
    await quota_sets.require_project(tx, project)
    await QUOTAS.reset(tx, project, user_of(request))
    return Reply()


def class_shown(request: Request, values: Mapping[str, int]) -> dict[str, int]:
    names = [*ALWAYS, *(GROUPS if request.has(QUOTA_CLASS_SERVER_GROUPS) else [n for n in NETWORK_ITEMS if n != "networks"]),
             *(() if request.has(PERSONALITY_GONE) else INJECTED)]
    return {name: values[name] for name in names}


@class_resource.get("", policy=CLASS_RULE.format("show"))
async def show_class(request: Request, tx: AsyncSession, quota_class: str) -> dict[str, Any]:
    """Show the limits of a class; those of `default` go for projects."""
    return {"quota_class_set": {"id": quota_class, **class_shown(request, await quota_sets.defaults(tx, quota_class))}}


@class_resource.put("", body=QUOTA_CLASS, policy=CLASS_RULE.format("update"))
async def update_class(request: Request, tx: AsyncSession, quota_class: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set the limits of a class: of `default`, those of projects that have none of their own."""
    await quota_sets.change_class(tx, quota_class, body)
    return {"quota_class_set": class_shown(request, await quota_sets.defaults(tx, quota_class))}
