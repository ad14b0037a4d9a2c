"""Which roles somebody has where: direct and through groups, inherited from above, implied by other roles."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.clock import now
from cloudd.identity.models import SYSTEM, Assignment, ImpliedRole, Membership, Project, Role
from cloudd.identity.models.federation import ExpiringMembership


async def lineage(tx: AsyncSession, project_id: str) -> list[Project]:
    """The project, its parent, ... up to its domain; empty when there is no such project."""
    above = select(Project.id, Project.parent_id).where(Project.id == project_id).cte("above", recursive=True)
    above = above.union(select(Project.id, Project.parent_id).join(above, Project.id == above.c.parent_id))
    rows = (await tx.execute(select(Project).where(Project.id.in_(select(above.c.id))))).scalars().all()
    by_id, chain = {row.id: row for row in rows}, []
    next_id: str | None = project_id
    while next_id in by_id:
        chain.append(by_id.pop(next_id))
        next_id = chain[-1].parent_id
    return chain


async def below(tx: AsyncSession, roots: Iterable[str]) -> list[Project]:
    """All projects under `roots` (projects or domains), at any depth, without the roots."""
    roots = list(roots)
    if not roots:
        return []
    under = select(Project.id).where(Project.parent_id.in_(roots)).cte("under", recursive=True)
    under = under.union(select(Project.id).join(under, Project.parent_id == under.c.id))
    return list((await tx.execute(select(Project).where(Project.id.in_(select(under.c.id))))).scalars())


def _held_by(user_id: Any, groups: Any, moment: Any) -> ColumnElement[bool]:
    member = select(Membership.group_id).where(Membership.user_id == user_id).union(
        select(ExpiringMembership.group_id).where(ExpiringMembership.user_id == user_id, ExpiringMembership.expires_at > moment))
    inside = or_(Assignment.actor_id.in_(member), Assignment.actor_id.in_(groups))
    return or_(and_(Assignment.actor == "user", Assignment.actor_id == user_id), and_(Assignment.actor == "group", inside))


def of_user(user_id: str, groups: Sequence[str] = ()) -> ColumnElement[bool]:
    """The clause for grants of a user and of the groups that he is in: his own, those that an identity provider put him in for a
    while, and `groups`, which his token names."""
    return _held_by(user_id, list(groups), now())


def _roles(where: ColumnElement[bool]) -> Select[Any]:
    """The roles of somebody's grants, and all that they imply, as `expanded` has them; made once, since that takes longer than the
    database does."""
    actor = _held_by(bindparam("user_id"), bindparam("groups", expanding=True), bindparam("moment"))
    held = select(Assignment.role_id).where(actor, where).cte("held", recursive=True)
    held = held.union(select(ImpliedRole.implied_role_id).join(held, ImpliedRole.prior_role_id == held.c.role_id))
    return select(Role).where(Role.id.in_(select(held.c.role_id)), Role.domain_id.is_(None)).order_by(Role.name)


ON_PROJECT = _roles(or_(
    and_(Assignment.target == "project", Assignment.target_id == bindparam("here"), Assignment.inherited.is_(False)),
    and_(Assignment.target.in_(("project", "domain")), Assignment.target_id.in_(bindparam("above", expanding=True)),
         Assignment.inherited)))
ON_DOMAIN = _roles(and_(Assignment.target == "domain", Assignment.target_id == bindparam("here"), Assignment.inherited.is_(False)))
ON_SYSTEM = _roles(and_(Assignment.target == "system", Assignment.target_id == SYSTEM))
ENDS = select(func.min(ExpiringMembership.expires_at)).where(ExpiringMembership.user_id == bindparam("user_id"),
                                                             ExpiringMembership.expires_at > bindparam("moment"))


async def ends(tx: AsyncSession, user_id: str) -> datetime | None:
    """When the first of a user's memberships for a while is over."""
    return (await tx.execute(ENDS, {"user_id": user_id, "moment": now()})).scalar()


async def roles_on_project(tx: AsyncSession, user_id: str, chain: Sequence[Any], groups: Sequence[str] = ()) -> list[Role]:
    """The user's roles on the first project of a `lineage`."""
    return await _find(tx, ON_PROJECT, user_id, groups, here=chain[0].id, above=[project.id for project in chain[1:]])


async def roles_on_domain(tx: AsyncSession, user_id: str, domain_id: str, groups: Sequence[str] = ()) -> list[Role]:
    return await _find(tx, ON_DOMAIN, user_id, groups, here=domain_id)


async def roles_on_system(tx: AsyncSession, user_id: str, groups: Sequence[str] = ()) -> list[Role]:
    return await _find(tx, ON_SYSTEM, user_id, groups)


async def _find(tx: AsyncSession, query: Select[Any], user_id: str, groups: Sequence[str], **places: Any) -> list[Role]:
    values = {"user_id": user_id, "groups": list(groups), "moment": now(), **places}
    return list((await tx.execute(query, values)).scalars())


async def expanded(tx: AsyncSession, role_ids: Iterable[str]) -> list[Role]:
    """These roles and all that they imply, without those that belong to a domain: they only stand for others."""
    wanted = with_implied(role_ids, await implications(tx))
    if not wanted:
        return []
    query = select(Role).where(Role.id.in_(wanted), Role.domain_id.is_(None)).order_by(Role.name)
    return list((await tx.execute(query)).scalars())


async def implications(tx: AsyncSession) -> dict[str, set[str]]:
    """Every role's directly implied roles."""
    rules: dict[str, set[str]] = {}
    for row in (await tx.execute(select(ImpliedRole))).scalars():
        rules.setdefault(row.prior_role_id, set()).add(row.implied_role_id)
    return rules


def with_implied(role_ids: Iterable[str], rules: dict[str, set[str]]) -> set[str]:
    found, todo = set(), list(role_ids)
    while todo:
        role_id = todo.pop()
        if role_id not in found:
            found.add(role_id)
            todo.extend(rules.get(role_id, ()))
    return found


async def reachable(tx: AsyncSession, user_id: str, groups: Sequence[str] = ()) -> tuple[list[Project], list[Project], bool]:
    """The enabled projects and domains on which a user has a role, and whether he has one on the system."""
    grants = list((await tx.execute(select(Assignment).where(of_user(user_id, groups)))).scalars())
    direct = {grant.target_id for grant in grants if grant.target != "system" and not grant.inherited}
    rows = list((await tx.execute(select(Project).where(Project.id.in_(direct)))).scalars()) if direct else []
    rows += await below(tx, {grant.target_id for grant in grants if grant.inherited})
    on_project = {grant.target_id for grant in grants if grant.target == "project"}
    off = await _disabled_domains(tx)
    usable = {row.id: row for row in rows if row.enabled and row.domain_id not in off}.values()
    projects = [row for row in usable if not row.is_domain or row.id in on_project]
    domains = [row for row in usable if row.is_domain]
    return (sorted(projects, key=lambda row: row.id), sorted(domains, key=lambda row: row.id),
            any(grant.target == "system" for grant in grants))


async def _disabled_domains(tx: AsyncSession) -> set[str]:
    query = select(Project.id).where(Project.is_domain, Project.enabled.is_(False))
    return set((await tx.execute(query)).scalars())
