"""Roles given to users and groups on projects, domains and the system; with OS-INHERIT, on all projects below."""

from typing import Any

from sqlalchemy import select

from cloudd.core import events
from cloudd.core.errors import Forbidden, NotFound
from cloudd.core.http import Request
from cloudd.identity.api import API
from cloudd.identity.api.roles import ROLE
from cloudd.identity.audit import RoleGiven, RoleTaken
from cloudd.identity.models import SYSTEM, Assignment, Role

ACTORS = ("user", "group")


def _grant(request: Request, role: Role | None, inherited: bool) -> dict[str, Any]:
    """The columns that an address of a grant names."""
    loaded = request.loaded
    actor = "user" if "user" in loaded else "group"
    target = next((name for name in ("project", "domain") if name in loaded), "system")
    columns = {"actor": actor, "actor_id": loaded[actor].id, "target": target, "inherited": inherited,
               "target_id": loaded[target].id if target in loaded else SYSTEM}
    return columns if role is None else {**columns, "role_id": role.id}


async def _list(request: Request, tx: Any, inherited: bool) -> list[Role]:
    query = select(Role).join(Assignment, Assignment.role_id == Role.id).order_by(Role.id)
    for name, value in _grant(request, None, inherited).items():
        query = query.where(getattr(Assignment, name) == value)
    return list((await tx.execute(query)).scalars())


async def _find(request: Request, tx: Any, role: Role, inherited: bool) -> Assignment:
    columns = _grant(request, role, inherited)
    key = tuple(columns[column.name] for column in Assignment.__table__.primary_key.columns)
    row = await tx.get(Assignment, key)
    if row is None:
        raise NotFound(f"Could not find role assignment with role: {role.id}, user or group: {columns['actor_id']}, project, "
                       f"domain, or system: {columns['target_id']}.")
    return row


async def _tell(request: Request, tx: Any, role: Role, inherited: bool, event: type[RoleGiven]) -> None:
    columns = _grant(request, None, inherited)
    await events.emit(tx, request.context, event(role.id, **columns))


def _fits(request: Request, role: Role) -> None:
    """A domain's role can be given on its own projects only. Keystone does not look at domains: there it stands for nothing."""
    project = request.loaded.get("project")
    if role.domain_id is not None and project is not None and project.domain_id != role.domain_id:
        raise Forbidden(f"Domain specific role {role.id} of domain {role.domain_id} cannot be assigned in domain "
                        f"{project.domain_id}.")


def declare(path: str, rules: dict[str, str], inherited: bool = False) -> None:
    """The five operations on the grants of one actor on one target: list, give, look (GET and HEAD), take away."""
    resource, tail = API.resource(path), "/inherited_to_projects" if inherited else ""

    async def index(request, tx):
        """Roles that somebody has here."""
        return await _list(request, tx, inherited)

    async def give(request, tx, role):
        """Give a role."""
        _fits(request, role)
        await tx.merge(Assignment(**_grant(request, role, inherited)))
        await _tell(request, tx, role, inherited, RoleGiven)

    async def look(request, tx, role):
        """Whether somebody has a role here."""
        await _find(request, tx, role, inherited)

    async def take(request, tx, role):
        """Take a role away."""
        await tx.delete(await _find(request, tx, role, inherited))
        await _tell(request, tx, role, inherited, RoleTaken)

    resource.get(f"/roles{tail}", policy=rules["list"], reply=ROLE)(index)
    resource.put(f"/roles/{{role}}{tail}", status=204, policy=rules["create"])(give)
    resource.get(f"/roles/{{role}}{tail}", status=204, policy=rules["check"])(look)
    resource.head(f"/roles/{{role}}{tail}", status=204, policy=rules["check"])(look)
    resource.delete(f"/roles/{{role}}{tail}", policy=rules["revoke"])(take)


GRANT_RULES = {"list": "identity:list_grants", "create": "identity:create_grant", "check": "identity:check_grant",
               "revoke": "identity:revoke_grant"}
for actor in ACTORS:
    for target in ("project", "domain"):
        declare(f"/{target}s/{{{target}}}/{actor}s/{{{actor}}}", GRANT_RULES)
        declare(f"/OS-INHERIT/{target}s/{{{target}}}/{actor}s/{{{actor}}}", GRANT_RULES, inherited=True)
    declare(f"/system/{actor}s/{{{actor}}}", {
        "list": f"identity:list_system_grants_for_{actor}", "create": f"identity:create_system_grant_for_{actor}",
        "check": f"identity:check_system_grant_for_{actor}", "revoke": f"identity:revoke_system_grant_for_{actor}"})
