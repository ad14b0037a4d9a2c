"""Quotas: those that go for the caller's project, and what administrators set for projects."""

from types import SimpleNamespace as Row
from typing import Any

from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Filters
from cloudd.keymanager import lists, quotas
from cloudd.keymanager.api import API

LIMIT = t.Int(-(2**31), 2**31 - 1)
EFFECTIVE = t.Record({"quotas": t.Record({name: t.Int() for name in quotas.RESOURCES})})
OWN = t.Record({name: t.Int(null=True) for name in quotas.RESOURCES})
SET = Shape("project_quotas", *(Field(name, LIMIT) for name in quotas.RESOURCES))
LISTED = Shape(None, Field("project_id", t.Text()), Field("project_quotas", OWN), plural="project_quotas")
PROJECTS = API.resource("/v1/project-quotas")


@API.resource("/v1/quotas").get(policy="quotas:get", answer=EFFECTIVE, many=False)
async def effective(request: Request, tx: Any) -> dict[str, Any]:
    """Show the quotas of the caller's project."""
    return {"quotas": await quotas.of(request.settings).limits(tx, request.context.project_id or "")}


@PROJECTS.get(policy="project_quotas:get", reply=LISTED, listing=Filters(("limit", "offset")))
async def index(request: Request, tx: Any) -> Page:
    """List the projects for which quotas were set."""
    part = lists.window(request.query)
    rows, total = await quotas.configured(tx, part.offset, part.limit)
    return Page([Row(project_id=project_id, project_quotas=own) for project_id, own in rows], extra={"total": total})


@PROJECTS.get("/{project}", policy="project_quotas:get", answer=t.Record({"project_quotas": OWN}))
async def show(tx: Any, project: str) -> dict[str, Any]:
    """Show what was set for a project; null where the default goes."""
    found = await quotas.own(tx, [project])
    if project not in found:
        raise NotFound(f"Project quotas not found: none were set for project {project}.", type="ProjectQuotasNotFound")
    return {"project_quotas": found[project]}


@PROJECTS.put("/{project}", policy="project_quotas:put", body=SET, status=204)
async def update(request: Request, tx: Any, project: str, body: dict[str, Any]) -> None:
    """Set a project's quotas; those left out go back to the default."""
    await quotas.change(request.settings, tx, request.context, project, body)


@PROJECTS.delete("/{project}", policy="project_quotas:delete")
async def delete(request: Request, tx: Any, project: str) -> None:
    """Take a project back to the defaults."""
    await quotas.reset(request.settings, tx, request.context, project)
