"""/projects and /domains, and the tags of projects."""

from typing import Any

from sqlalchemy import func, not_, select

from cloudd.core.errors import BadRequest, Forbidden, NotFound
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.core.http.shapes import part, queried
from cloudd.identity.api import (
    API,
    BY_DOMAIN,
    BY_ENABLED,
    FLAG,
    ID,
    PAGE,
    asked,
    comparable,
    flag,
    in_own_domain,
    links,
    nullable,
    own_domain,
)
from cloudd.identity.models import Project, ProjectTag
from cloudd.identity.people import effective, projects
from cloudd.identity.tokens.tokens import Tokens

NAME = t.Text(1, 64, pattern=r"\S")
TAG = t.Text(1, 255, pattern="^[^,/]*$")
OPTIONS = t.Obj({"immutable": t.Bool(null=True)})
COMMON = (
    ID, Field("name", NAME, required=True),
    Field("description", t.Text(0, None, null=True), default=""), Field("enabled", t.Bool(), default=True),
    Field("tags", t.List(TAG, 0, 80, unique=True), default=list), Field("options", OPTIONS, default=dict),
)
PROJECT = Shape("project", *COMMON, Field("domain_id", t.Text(0, 64, null=True)),
                Field("parent_id", t.Text(0, 64, null=True)), Field("is_domain", t.Bool(), default=False),
                links("/projects"), extra=True)
DOMAIN = Shape("domain", *COMMON, Field("explicit_domain_id", t.Text(32, 32, pattern="^[0-9a-f]+$"), update=False, reply=False),
               links("/domains"), extra=True)
RELATED = t.Either(t.List(t.Record({"project": part(PROJECT)})), t.Map(null=True))
WHOLE = Shape("project", *PROJECT.fields, Field("parents", RELATED, sometimes=True), Field("subtree", RELATED, sometimes=True), extra=True)
NEAR = queried("parents_as_list", "parents_as_ids", "subtree_as_list", "subtree_as_ids")
TAG_LIST = t.Record({"tags": t.List(TAG), "links": PAGE})
TAGS = Shape(None, Field("tags", t.List(TAG, 0, 80, unique=True), required=True), plural="tags")
BY_PROJECT = Field("name", NAME)
FIXED = ("domain_id", "parent_id", "is_domain")


def _with_tags(values: Any, every: bool) -> Any:
    names = [name for value in values for name in value.split(",") if name]
    found = select(ProjectTag.project_id).where(ProjectTag.name.in_(names)).group_by(ProjectTag.project_id)
    return Project.id.in_(found.having(func.count() == len(set(names))) if every else found)


TAG_FILTERS = {"tags": lambda values: _with_tags(values, True), "tags-any": lambda values: _with_tags(values, False),
               "not-tags": lambda values: not_(_with_tags(values, True)),
               "not-tags-any": lambda values: not_(_with_tags(values, False))}
FILTERS = {**comparable(name=Project.name, description=Project.description), "enabled": flag(Project.enabled),
           "id": Project.id, **TAG_FILTERS}


def visible_projects(request: Request, query: Any) -> Any:
    """A list has no domains in it, unless they are asked for."""
    if not request.operation.names and "is_domain" not in request.query:
        query = query.where(Project.is_domain.is_(False))
    return in_own_domain(Project.domain_id)(request, query)


async def before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    if request.operation.path == "/domains":
        values = {**values, "is_domain": True, "domain_id": None, "parent_id": None}
        explicit = values.pop("explicit_domain_id", None)
        if explicit is not None:
            values["id"] = explicit
    elif values["is_domain"]:
        request.require("identity:create_domain", {})
    given = values.get("domain_id")
    parent = values.get("parent_id")
    if not values["is_domain"] and not given:
        above = await effective.lineage(tx, parent) if parent and not request.context.domain_id else []
        values["domain_id"] = above[-1].id if above else own_domain(request)
    values = await projects.place(tx, {**values, "domain_given": bool(given)})
    del values["domain_given"]
    await projects.check_name(tx, values)
    tags = [ProjectTag(name=name) for name in values.pop("tags")]
    return {**values, "description": values["description"] or "", "options": projects.merged_options(None, values["options"]),
            "tag_rows": tags}


async def before_update(request: Request, tx: Any, row: Project, values: dict[str, Any]) -> dict[str, Any]:
    kind = "domain" if request.operation.path.startswith("/domains") else "project"
    projects.immutable(row, "update", kind, values)
    for name in FIXED if kind == "project" else ():
        if name in values and values.pop(name) != getattr(row, name):
            error = Forbidden if name == "parent_id" else BadRequest
            raise error(f"Update of `{name}` is not allowed.")
    if values.get("name", row.name) != row.name:
        await projects.check_name(tx, {"name": values["name"], "domain_id": row.domain_id, "is_domain": row.is_domain}, row.id)
    if "enabled" in values:
        await projects.check_enabled(tx, row, values["enabled"])
        if row.enabled and not values["enabled"]:
            await request.service(Tokens).revocations.add(tx, request.context, "domain" if row.is_domain else "project", row.id)
    if "options" in values:
        values["options"] = projects.merged_options(row, values["options"])
    if "tags" in values:
        row.retag(values.pop("tags"))
    return values


async def _delete(request: Request, tx: Any, row: Project) -> None:
    await projects.remove(tx, request.context, request.service(Tokens).revocations, row)


PROJECTS = records(
    API, "/projects", Project, PROJECT, policy="identity:{verb}", update_method="patch", verbs=("list", "create", "update"),
    filters={**FILTERS, **comparable(domain_id=Project.domain_id, parent_id=Project.parent_id),
             "domain_id": nullable(Project.domain_id), "parent_id": nullable(Project.parent_id), "is_domain": flag(Project.is_domain)},
    options={"list": {"query": asked(BY_PROJECT, BY_DOMAIN, BY_ENABLED, Field("is_domain", FLAG))}},
    visible=visible_projects, notify="identity.project.{past}", before_create=before_create, before_update=before_update)
DOMAINS = records(
    API, "/domains", Project, DOMAIN, loader="domain", policy="identity:{verb}", update_method="patch",
    verbs=("list", "show", "create", "update"), filters=FILTERS, options={"list": {"query": asked(BY_PROJECT, BY_ENABLED)}},
    visible=lambda request, query: in_own_domain(Project.id)(request, query.where(Project.is_domain)),
    notify="identity.domain.{past}", before_create=before_create, before_update=before_update)

resource = API.resource("/projects")


@resource.delete("/{project}", policy="identity:delete_project")
async def delete(request, tx, project):
    """Delete a project that has no project below it."""
    await _delete(request, tx, project)


@API.resource("/domains").delete("/{domain}", policy="identity:delete_domain")
async def delete_domain(request, tx, domain):
    """Delete a disabled domain with all that is in it."""
    await _delete(request, tx, domain)


@resource.get("/{project}", policy="identity:get_project", answer=WHOLE, query=NEAR)
async def show(request, tx, project):
    """A project; with `parents_as_list|ids` or `subtree_as_list|ids`, what is above or below it."""
    view, asked = PROJECT.view(project, request), request.query
    for side in ("parents", "subtree"):
        if f"{side}_as_list" in asked and f"{side}_as_ids" in asked:
            raise BadRequest(f"Cannot use {side}_as_list and {side}_as_ids query params at the same time.")
    if "parents_as_ids" in asked or "parents_as_list" in asked:
        rows = (await effective.lineage(tx, project.id))[1:]
        view["parents"] = projects.chain_of(rows) if "parents_as_ids" in asked else await _own(request, tx, rows)
    if "subtree_as_ids" in asked or "subtree_as_list" in asked:
        rows = await effective.below(tx, [project.id])
        view["subtree"] = projects.tree(project.id, rows) if "subtree_as_ids" in asked else await _own(request, tx, rows)
    return {"project": view}


async def _own(request: Request, tx: Any, rows: list[Project]) -> list[dict[str, Any]]:
    """As Keystone: only those of the projects on which the caller has a role."""
    held, _, _ = await effective.reachable(tx, request.context.user_id)
    return [{"project": PROJECT.view(row, request)} for row in rows if row.id in {other.id for other in held}]


def _tag_list(request: Request, project: Project) -> dict[str, Any]:
    return {"tags": project.tags, "links": {"self": request.link(f"/projects/{project.id}/tags"), "next": None, "previous": None}}


@resource.get("/{project}/tags", policy="identity:list_project_tags", answer=TAG_LIST)
async def list_tags(request, project):
    """The tags of a project."""
    return _tag_list(request, project)


@resource.put("/{project}/tags", body=TAGS, use="create", policy="identity:update_project_tags", answer=TAG_LIST)
async def set_tags(request, project, body):
    """Make the tags of a project exactly these."""
    project.retag(body["tags"])
    return _tag_list(request, project)


@resource.delete("/{project}/tags", policy="identity:delete_project_tags")
async def clear_tags(project):
    """Take all tags off a project."""
    project.retag([])


@resource.get("/{project}/tags/{tag}", status=204, policy="identity:get_project_tag")
async def has_tag(project, tag):
    """Whether a project has a tag."""
    if tag not in project.tags:
        raise NotFound(f"Could not find project tag: {tag}.")


@resource.put("/{project}/tags/{tag}", status=201, policy="identity:create_project_tag", answer=t.NOTHING)
async def add_tag(request, project, tag):
    """Tag a project."""
    TAGS.read({"tags": [*project.tags, tag]}, request.version)          # one that it has is refused, as in Keystone
    project.retag([*project.tags, tag])
    return Reply(None, headers={"Location": request.link("/projects/{}/tags/{}", project.id, tag)})


@resource.delete("/{project}/tags/{tag}", policy="identity:delete_project_tag")
async def remove_tag(project, tag):
    """Take a tag off a project."""
    if tag not in project.tags:
        raise NotFound(f"Could not find project tag: {tag}.")
    project.retag([name for name in project.tags if name != tag])
