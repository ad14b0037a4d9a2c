"""Which endpoints a project sees: those given to it singly and in groups; all, when it was given none."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.identity.models import Endpoint
from cloudd.identity.models.extensions import EndpointGroup, ProjectEndpoint, ProjectEndpointGroup


def members(group: EndpointGroup, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that have all that the group's filters say."""
    return [row for row in endpoints if all(getattr(row, name, None) == value for name, value in group.filters.items())]


async def by_project(tx: AsyncSession, endpoints: Iterable[Endpoint]) -> dict[str, set[str]]:
    """The ids of the endpoints of every project that sees a choice of them."""
    endpoints, found = list(endpoints), {}
    for row in (await tx.execute(select(ProjectEndpoint))).scalars():
        found.setdefault(row.project_id, set()).add(row.endpoint_id)
    query = select(ProjectEndpointGroup.project_id, EndpointGroup).join(
        EndpointGroup, EndpointGroup.id == ProjectEndpointGroup.endpoint_group_id)
    for project_id, group in await tx.execute(query):
        found.setdefault(project_id, set()).update(row.id for row in members(group, endpoints))
    return found
