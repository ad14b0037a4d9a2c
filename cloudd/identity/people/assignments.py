"""The list of role assignments: as they were given, or (effective) as they work out for each user on each target."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import BadRequest
from cloudd.identity.models import SYSTEM, Assignment, Group, Membership, Project, Role, User
from cloudd.identity.people import effective


@dataclass(frozen=True, slots=True)
class Given:
    """One assignment. `through`: the group of an effective one; `prior`: the role that implied this one; `source`: the
    target where an inherited one was given.
    """

    actor: str
    actor_id: str
    target: str
    target_id: str
    role_id: str
    inherited: bool
    through: str | None = None
    prior: str | None = None
    source: tuple[str, str] | None = None


@dataclass(frozen=True)
class Asked:
    """The filters of GET /role_assignments."""

    user: str | None = None
    group: str | None = None
    role: str | None = None
    project: str | None = None
    domain: str | None = None
    system: bool = False
    inherited: bool | None = None
    effective: bool = False
    subtree: bool = False

    def check(self) -> None:
        """Raise BadRequest for filters that contradict each other."""
        if self.user and self.group:
            raise BadRequest("Specify a user or group, not both.")
        if sum(map(bool, (self.project, self.domain, self.system))) > 1:
            raise BadRequest("Specify a domain, a project or the system, not several of them.")
        if self.effective and self.group:
            raise BadRequest("Combining effective and group filter will always result in an empty list.")
        if self.effective and self.inherited and (self.domain or self.system):
            raise BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
        if self.subtree and not self.project:
            raise BadRequest("scope.project.id must be specified if include_subtree is also specified.")


async def find(tx: AsyncSession, asked: Asked) -> list[Given]:
    """All assignments that the filters let through."""
    asked.check()
    projects = await _targets(tx, asked)
    rows = list((await tx.execute(await _query(tx, asked, projects))).scalars())
    given = [Given(row.actor, row.actor_id, row.target, row.target_id, row.role_id, row.inherited) for row in rows]
    if asked.effective:
        given = await _worked_out(tx, given)
    return sorted({item: None for item in given if _wanted(item, asked, projects)}, key=lambda item: (
        item.actor_id, item.target_id, item.role_id, item.inherited, item.through or "", item.prior or ""))


async def _targets(tx: AsyncSession, asked: Asked) -> set[str]:
    """The projects that are asked for."""
    if not asked.project:
        return set()
    return {asked.project, *([row.id for row in await effective.below(tx, [asked.project])] if asked.subtree else [])}


async def _query(tx: AsyncSession, asked: Asked, projects: set[str]) -> Select[Any]:
    """The rows that can matter: narrowed by actor and by target, the projects above included when they can be inherited."""
    query = select(Assignment)
    if asked.user:
        query = query.where(effective.of_user(asked.user) if asked.effective else
                            and_(Assignment.actor == "user", Assignment.actor_id == asked.user))
    if asked.group:
        query = query.where(Assignment.actor == "group", Assignment.actor_id == asked.group)
    if asked.role and not asked.effective:
        query = query.where(Assignment.role_id == asked.role)
    if asked.domain:
        query = query.where(Assignment.target == "domain", Assignment.target_id == asked.domain)
    if asked.system:
        query = query.where(Assignment.target == "system")
    if asked.project:
        here = and_(Assignment.target == "project", Assignment.target_id.in_(projects))
        above = [row.id for row in (await effective.lineage(tx, asked.project))[1:]] if asked.effective else []
        query = query.where(or_(here, and_(Assignment.target_id.in_(above), Assignment.inherited)))
    return query


async def _worked_out(tx: AsyncSession, given: list[Given]) -> list[Given]:
    """Groups to their users, inherited ones to the projects below, roles to what they imply."""
    members = await _members(tx, {item.actor_id for item in given if item.actor == "group"})
    children = await _children(tx) if any(item.inherited for item in given) else {}
    rules = await effective.implications(tx)
    personal = [person for item in given for person in _persons(item, members)]
    placed = [place for item in personal for place in _places(item, children)]
    found = [each for item in placed for each in _implied(item, rules)]
    own = set((await tx.execute(select(Role.id).where(Role.domain_id.is_not(None)))).scalars())
    return [item for item in found if item.role_id not in own]


async def _members(tx: AsyncSession, groups: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in (await tx.execute(select(Membership).where(Membership.group_id.in_(set(groups))))).scalars():
        found.setdefault(row.group_id, []).append(row.user_id)
    return found


async def _children(tx: AsyncSession) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, parent in await tx.execute(select(Project.id, Project.parent_id).where(Project.parent_id.is_not(None))):
        found.setdefault(parent, []).append(key)
    return found


def _persons(item: Given, members: dict[str, list[str]]) -> Iterator[Given]:
    if item.actor == "user":
        yield item
    for user_id in members.get(item.actor_id, []) if item.actor == "group" else []:
        yield replace(item, actor="user", actor_id=user_id, through=item.actor_id)


def _places(item: Given, children: dict[str, list[str]]) -> Iterator[Given]:
    if not item.inherited:
        yield item
        return
    todo = list(children.get(item.target_id, ()))
    while todo:
        project_id = todo.pop()
        todo.extend(children.get(project_id, ()))
        yield replace(item, target="project", target_id=project_id, source=(item.target, item.target_id))


def _implied(item: Given, rules: dict[str, set[str]]) -> Iterator[Given]:
    yield item
    for prior in effective.with_implied([item.role_id], rules):
        for role_id in rules.get(prior, ()):
            yield replace(item, role_id=role_id, prior=prior)


def _wanted(item: Given, asked: Asked, projects: set[str]) -> bool:
    """The filters once more, on what came out."""
    checks = ((asked.user, item.actor == "user" and item.actor_id == asked.user),
              (asked.group, item.actor == "group" and item.actor_id == asked.group),
              (asked.role, item.role_id == asked.role), (projects, item.target == "project" and item.target_id in projects),
              (asked.domain, item.target == "domain" and item.target_id == asked.domain),
              (asked.system, item.target == "system"))
    return all(fits for wanted, fits in checks if wanted) and asked.inherited in (None, item.inherited)


async def names(tx: AsyncSession, found: Iterable[Given]) -> dict[tuple[str, str], dict[str, Any]]:
    """What `include_names` adds: (kind, id) → id, name and domain; no name for what a directory does not have any more."""
    found = list(found)
    wanted = {"user": {item.actor_id for item in found if item.actor == "user"},
              "group": {item.actor_id for item in found if item.actor == "group"},
              "place": {item.target_id for item in found if item.target_id != SYSTEM}, "role": {item.role_id for item in found}}
    models = {"user": User, "group": Group, "place": Project, "role": Role}
    rows = {(kind, row.id): row for kind, ids in wanted.items() if ids
            for row in (await tx.execute(select(models[kind]).where(models[kind].id.in_(ids)))).scalars()}
    domains = {row.domain_id for row in rows.values() if row.domain_id}
    named = {row.id: row.name for row in (await tx.execute(select(Project).where(Project.id.in_(domains)))).scalars()}
    gone = {(kind, key): {"id": key, "name": "", "domain": {"id": "", "name": ""}} for kind, ids in wanted.items() for key in ids}
    return gone | {key: {"id": row.id, "name": row.name, **({"domain": {"id": row.domain_id, "name": named.get(row.domain_id)}}
                                                            if row.domain_id else {})} for key, row in rows.items()}


async def within(tx: AsyncSession, found: Iterable[Given], domain_id: str) -> list[Given]:
    """Those on a domain and on its projects: what a token of that domain may see."""
    projects = set((await tx.execute(select(Project.id).where(Project.domain_id == domain_id))).scalars()) | {domain_id}
    return [item for item in found if item.target_id in projects]
