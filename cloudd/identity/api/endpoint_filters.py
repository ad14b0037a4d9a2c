"""/OS-EP-FILTER: endpoint groups, and which endpoints and groups a project sees in its catalog."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Page, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.identity import endpoint_filters
from cloudd.identity.api import API, BY_NAME, ID, asked, links
from cloudd.identity.api.projects import PROJECT
from cloudd.identity.api.services import ENDPOINT
from cloudd.identity.models import Endpoint, Project
from cloudd.identity.models.extensions import EndpointGroup, ProjectEndpoint, ProjectEndpointGroup

FILTERS = t.Obj({"service_id": t.Text(1, 64), "region_id": t.Text(1, 255), "enabled": t.Bool(),
                 "interface": t.Enum("admin", "internal", "public")})
GROUP = Shape("endpoint_group", ID, Field("name", t.Text(1, 255), required=True),
              Field("description", t.Text(0, None, null=True)), Field("filters", FILTERS, required=True),
              links("/OS-EP-FILTER/endpoint_groups"))
GROUP_OF_PROJECT = Shape("project_endpoint_group", Field("endpoint_group_id", t.Text()), Field("project_id", t.Text()))
records(API, "/OS-EP-FILTER/endpoint_groups", EndpointGroup, GROUP, policy="identity:{verb}", update_method="patch",
        filters={"name": EndpointGroup.name}, options={"list": {"query": asked(BY_NAME, extra=False)}},
        notify="identity.endpoint_group.{past}")
filters = API.resource("/OS-EP-FILTER")
ONE = "/projects/{project}/endpoints/{endpoint}"
GROUPED = "/endpoint_groups/{endpoint_group}/projects/{project}"


async def _all(tx: AsyncSession, query: Any) -> Page:
    return Page(list((await tx.execute(query)).scalars()))


async def _require(tx: AsyncSession, model: type, key: tuple[str, str], words: str) -> Any:
    row = await tx.get(model, key)
    if row is None:
        raise NotFound(f"Could not find {words}.")
    return row


@filters.put(ONE, status=204, policy="identity:add_endpoint_to_project")
async def add_endpoint(tx, project, endpoint):
    """Let a project see an endpoint, and then no others that it was not given."""
    await tx.merge(ProjectEndpoint(project_id=project.id, endpoint_id=endpoint.id))


async def _given(tx: AsyncSession, project: Project, endpoint: Endpoint) -> ProjectEndpoint:
    return await _require(tx, ProjectEndpoint, (project.id, endpoint.id),
                          f"endpoint {endpoint.id} in project {project.id}: it was not added to it")


@filters.get(ONE, status=204, policy="identity:check_endpoint_in_project")
async def check_endpoint(tx, project, endpoint):
    """Whether an endpoint was given to a project."""
    await _given(tx, project, endpoint)


filters.head(ONE, status=204, policy="identity:check_endpoint_in_project")(check_endpoint)


@filters.delete(ONE, policy="identity:remove_endpoint_from_project")
async def remove_endpoint(tx, project, endpoint):
    """Take an endpoint from a project."""
    await tx.delete(await _given(tx, project, endpoint))


@filters.get("/projects/{project}/endpoints", policy="identity:list_endpoints_for_project", reply=ENDPOINT)
async def project_endpoints(tx, project) -> Page:
    """The endpoints that were given to a project, singly or in groups."""
    endpoints = list((await tx.execute(select(Endpoint).order_by(Endpoint.id))).scalars())
    chosen = (await endpoint_filters.by_project(tx, endpoints)).get(project.id, set())
    return Page([row for row in endpoints if row.id in chosen])


@filters.get("/endpoints/{endpoint}/projects", policy="identity:list_projects_for_endpoint", reply=PROJECT)
async def endpoint_projects(tx, endpoint) -> Page:
    """The projects that an endpoint was given to."""
    query = select(Project).join(ProjectEndpoint, ProjectEndpoint.project_id == Project.id)
    return await _all(tx, query.where(ProjectEndpoint.endpoint_id == endpoint.id).order_by(Project.id))


@filters.put(GROUPED, status=204, policy="identity:add_endpoint_group_to_project")
async def add_group(tx, endpoint_group, project):
    """Let a project see the endpoints of a group."""
    await tx.merge(ProjectEndpointGroup(project_id=project.id, endpoint_group_id=endpoint_group.id))


async def _grouped(tx: AsyncSession, group: EndpointGroup, project: Project) -> ProjectEndpointGroup:
    return await _require(tx, ProjectEndpointGroup, (project.id, group.id),
                          f"endpoint group {group.id} in project {project.id}: it was not added to it")


@filters.get(GROUPED, policy="identity:get_endpoint_group_in_project", reply=GROUP_OF_PROJECT)
async def show_group_in_project(tx, endpoint_group, project):
    """That an endpoint group was given to a project."""
    return await _grouped(tx, endpoint_group, project)


@filters.delete(GROUPED, policy="identity:remove_endpoint_group_from_project")
async def remove_group(tx, endpoint_group, project):
    """Take an endpoint group from a project."""
    await tx.delete(await _grouped(tx, endpoint_group, project))


@filters.get("/endpoint_groups/{endpoint_group}/projects", reply=PROJECT,
             policy="identity:list_projects_associated_with_endpoint_group")
async def group_projects(tx, endpoint_group) -> Page:
    """The projects that an endpoint group was given to."""
    query = select(Project).join(ProjectEndpointGroup, ProjectEndpointGroup.project_id == Project.id)
    return await _all(tx, query.where(ProjectEndpointGroup.endpoint_group_id == endpoint_group.id).order_by(Project.id))


@filters.get("/endpoint_groups/{endpoint_group}/endpoints", reply=ENDPOINT,
             policy="identity:list_endpoints_associated_with_endpoint_group")
async def group_endpoints(tx, endpoint_group) -> Page:
    """The endpoints that a group's filters find."""
    endpoints = (await tx.execute(select(Endpoint).order_by(Endpoint.id))).scalars()
    return Page(endpoint_filters.members(endpoint_group, endpoints))


@filters.get("/projects/{project}/endpoint_groups", policy="identity:list_endpoint_groups_for_project", reply=GROUP)
async def project_groups(tx, project) -> Page:
    """The endpoint groups that were given to a project."""
    query = select(EndpointGroup).join(ProjectEndpointGroup, ProjectEndpointGroup.endpoint_group_id == EndpointGroup.id)
    return await _all(tx, query.where(ProjectEndpointGroup.project_id == project.id).order_by(EndpointGroup.id))
