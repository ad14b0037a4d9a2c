"""The rules of projects and domains: names, the tree, closing and deleting with all that hangs on them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, Forbidden
from cloudd.identity.models import (
    ApplicationCredential,
    Assignment,
    Credential,
    Group,
    Limit,
    Membership,
    Project,
    Role,
    Trust,
    User,
)
from cloudd.identity.people import effective
from cloudd.identity.revocations import Revocations

MAX_DEPTH = 5
"""Projects below each other, the top one included; Keystone's `max_project_tree_depth`."""


@dataclass(frozen=True)
class ProjectDeleted(events.Event):
    """A project is gone; other modules clean up what it owned."""

    name: ClassVar[str] = "identity.project.deleted"
    domain_id: str | None = None


@dataclass(frozen=True)
class DomainDeleted(events.Event):
    """A domain is gone, after all that was in it."""

    name: ClassVar[str] = "identity.domain.deleted"


@dataclass(frozen=True)
class UserDeleted(events.Event):
    """A user is gone with his domain."""

    name: ClassVar[str] = "identity.user.deleted"


def immutable(row: Any, verb: str, kind: str, changes: dict[str, Any] | None = None) -> None:
    """Raise Forbidden for a change of an immutable resource; only making it mutable again is allowed."""
    if not (row.options or {}).get("immutable"):
        return
    if changes is not None and set(changes) == {"options"} and not changes["options"].get("immutable", True):
        return
    raise Forbidden(f"Cannot {verb} immutable {kind}: {row.id}. Set its option 'immutable' to false first.")


def merged_options(row: Any, given: dict[str, Any]) -> dict[str, Any]:
    """A resource's options after an update: null takes one away."""
    return {name: value for name, value in {**((row.options if row else None) or {}), **given}.items() if value is not None}


async def check_name(tx: AsyncSession, project: dict[str, Any], besides: str = "") -> None:
    """Raise Conflict when the name is taken: domains among all, projects in their domain."""
    if project["is_domain"]:
        place, where = Project.is_domain, "domain"
    else:
        place, where = Project.domain_id == project["domain_id"], "project"
    if not project["is_domain"] and project["name"] == (await tx.get(Project, project["domain_id"])).name:
        raise Conflict(f"Conflict occurred attempting to store project - it is not permitted to have two projects with the same "
                       f"name in the same domain: the domain itself is called {project['name']}.")
    query = select(Project.id).where(place, Project.name == project["name"], Project.id != besides)
    if (await tx.execute(query)).first():
        at = "" if project["is_domain"] else f" at domain ID {project['domain_id']}"
        raise Conflict(f"Conflict occurred attempting to store {where} - Duplicate entry found with name "
                       f"{project['name']}{at}.")


async def place(tx: AsyncSession, project: dict[str, Any]) -> dict[str, Any]:
    """Complete a new project's place in the tree. Raises BadRequest for a parent that is not there or in another domain."""
    if project["is_domain"]:
        if project.get("parent_id"):
            raise BadRequest("Invalid input for field 'parent_id': a project that is a domain has no parent.")
        return {**project, "domain_id": None, "parent_id": None}
    parent_id = project.get("parent_id") or project["domain_id"]
    chain = await effective.lineage(tx, parent_id)
    if not chain:
        raise BadRequest(f"Could not find project: {parent_id}, which is to be the parent.")
    domain = chain[-1]
    if project.get("domain_given") and project["domain_id"] != domain.id:
        raise BadRequest(f"Cannot create project, the parent {parent_id} is in the domain {domain.id}, not in "
                         f"{project['domain_id']}.")
    if closed := [above.id for above in chain if not above.enabled]:
        raise Forbidden(f"Cannot create project, since one of its ancestors is disabled: {closed[0]}.")
    if len(chain) > MAX_DEPTH:
        raise Forbidden(f"Max hierarchy depth reached for {parent_id} branch: {MAX_DEPTH} projects below each other.")
    return {**project, "domain_id": domain.id, "parent_id": parent_id}


async def check_enabled(tx: AsyncSession, project: Project, enabled: bool) -> None:
    """Raise Forbidden when the tree does not let a project be closed or opened. Domains close over their projects."""
    if project.is_domain or enabled == project.enabled:
        return
    if not enabled:
        if any(child.enabled for child in await effective.below(tx, [project.id])):
            raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")
    elif closed := [above.id for above in (await effective.lineage(tx, project.id))[1:] if not above.enabled]:
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents: {', '.join(closed)}.")


async def remove(tx: AsyncSession, context: Context, revocations: Revocations, project: Project) -> None:
    """Delete a project without children, or a closed domain with everything in it."""
    immutable(project, "delete", "domain" if project.is_domain else "project")
    if not project.is_domain:
        if (await tx.execute(select(Project.id).where(Project.parent_id == project.id))).first():
            raise Forbidden(f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy. Delete the "
                            "projects below it first.")
        await _remove_one(tx, context, revocations, project)
        return
    if project.id == "default":
        raise Forbidden("Cannot delete the default domain.")
    if project.enabled:
        raise Forbidden("Cannot delete a domain that is enabled, please disable it first.")
    for child in reversed(await effective.below(tx, [project.id])):
        await _remove_one(tx, context, revocations, child)
    await _remove_people(tx, context, revocations, project.id)
    await _remove_one(tx, context, revocations, project)


async def _remove_one(tx: AsyncSession, context: Context, revocations: Revocations, project: Project) -> None:
    places = ("project", "domain")
    await tx.execute(delete(Assignment).where(Assignment.target.in_(places), Assignment.target_id == project.id))
    await tx.execute(delete(Credential).where(Credential.project_id == project.id))
    await tx.execute(delete(ApplicationCredential).where(ApplicationCredential.project_id == project.id))
    await tx.execute(delete(Limit).where(or_(Limit.project_id == project.id, Limit.domain_id == project.id)))
    await tx.execute(update(Trust).where(Trust.project_id == project.id, Trust.deleted_at.is_(None))
                     .values(deleted_at=context.now()))
    await tx.execute(update(User).where(User.default_project_id == project.id).values(default_project_id=None))
    await revocations.add(tx, context, "domain" if project.is_domain else "project", project.id)
    await tx.delete(project)
    await tx.flush()
    if project.is_domain:
        await events.emit(tx, context, DomainDeleted(project.id))
    else:
        await events.emit(tx, context, ProjectDeleted(project.id, project.domain_id), project_id=project.id)


async def _remove_people(tx: AsyncSession, context: Context, revocations: Revocations, domain_id: str) -> None:
    users = list((await tx.execute(select(User.id).where(User.domain_id == domain_id))).scalars())
    groups = list((await tx.execute(select(Group.id).where(Group.domain_id == domain_id))).scalars())
    for user_id in users:
        await revocations.add(tx, context, "user", user_id)
        await events.emit(tx, context, UserDeleted(user_id))
    await forget_actors(tx, context, "user", users)
    await forget_actors(tx, context, "group", groups)
    for model in (User, Group, Role):
        await tx.execute(delete(model).where(model.domain_id == domain_id))


async def forget_actors(tx: AsyncSession, context: Context, kind: str, ids: Iterable[str]) -> None:
    """Delete what hangs on users or groups: grants, memberships, credentials, trusts."""
    ids = list(ids)
    await tx.execute(delete(Assignment).where(Assignment.actor == kind, Assignment.actor_id.in_(ids)))
    if kind == "group":
        await tx.execute(delete(Membership).where(Membership.group_id.in_(ids)))
        return
    await tx.execute(delete(Membership).where(Membership.user_id.in_(ids)))
    await tx.execute(delete(Credential).where(Credential.user_id.in_(ids)))
    await tx.execute(delete(ApplicationCredential).where(ApplicationCredential.user_id.in_(ids)))
    await tx.execute(update(Trust).where(or_(Trust.trustor_user_id.in_(ids), Trust.trustee_user_id.in_(ids)),
                                         Trust.deleted_at.is_(None)).values(deleted_at=context.now()))


def tree(root: str, rows: Iterable[Project]) -> dict[str, Any] | None:
    """`{child: {grandchild: None}}` below a project; None without children."""
    children: dict[str | None, list[str]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row.id)

    def under(parent: str) -> dict[str, Any] | None:
        return {child: under(child) for child in sorted(children[parent])} if parent in children else None
    return under(root)


def chain_of(rows: list[Project]) -> dict[str, Any] | None:
    """`{parent: {grandparent: None}}` of a lineage without the project itself."""
    nested: dict[str, Any] | None = None
    for row in reversed(rows):
        nested = {row.id: nested}
    return nested
