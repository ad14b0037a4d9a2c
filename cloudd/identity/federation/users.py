"""Users who come from outside: each has a row here like any other (a shadow), which grants, trusts and quotas can refer to."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.identity.audit import MemberAdded, MemberRemoved, RoleGiven, RoleTaken
from cloudd.identity.federation.mapping import MappedGroup, MappedProject, MappingFailed
from cloudd.identity.models import Assignment, Group, Project, Role, User, domain_named
from cloudd.identity.models.extensions import IdentityProvider, Protocol
from cloudd.identity.models.federation import ExpiringMembership, FederatedUser
from cloudd.identity.people import projects


@dataclass(frozen=True)
class FederatedUserCreated(events.Event):
    """Somebody came from an identity provider for the first time."""

    name: ClassVar[str] = "identity.user.created"
    idp_id: str
    protocol_id: str


@dataclass(frozen=True)
class MappedProjectCreated(events.Event):
    """A project was made because a mapping gives it to somebody."""

    name: ClassVar[str] = "identity.project.created"
    domain_id: str
    user_id: str


def public_id(domain_id: str, unique_id: str) -> str:
    """The id of a user from outside, as Keystone makes it: the same in every cloud with this domain."""
    return hashlib.sha256(f"{domain_id}user{unique_id}".encode()).hexdigest()


async def domain_of(tx: AsyncSession, given: Mapping[str, Any] | None, default: str) -> str:
    """The id of the domain that a mapping names. Raises MappingFailed when there is none."""
    given = given or {"id": default}
    row = await tx.get(Project, given["id"]) if "id" in given else await domain_named(tx, given.get("name", ""))
    if row is None or not row.is_domain:
        raise MappingFailed(f"Could not find the domain {given.get('id', given.get('name'))}, which the mapping names.")
    return row.id


async def shadow(tx: AsyncSession, context: Context, provider: IdentityProvider, protocol_id: str, given: Mapping[str, Any],
                 remote_user: str | None) -> User:
    """The row of somebody whom a mapping made an ephemeral user, made or brought up to date."""
    name = given.get("name") or given.get("id") or remote_user
    if not name:
        raise MappingFailed("Could not map user while setting ephemeral user identity. Either mapping rules must specify user "
                            "id/name or REMOTE_USER environment variable must be set.")
    unique_id = quote(given.get("id") or name)
    if len(unique_id) > 255 or len(name) > 255:
        raise MappingFailed("The mapped user's id or name is longer than 255 characters.")
    link = await tx.get(FederatedUser, (provider.id, protocol_id, unique_id))
    user = await tx.get(User, link.user_id) if link else None
    if user is None:
        domain_id = await domain_of(tx, given.get("domain"), provider.domain_id)
        user = await _arrived(tx, context, provider.id, protocol_id, unique_id, name, domain_id)
    elif user.name != name and not user.password_hash:          # a local user whom somebody linked keeps his name
        await _name_free(tx, name, user.domain_id)
        user.name = name
    if given.get("email") and user.extra.get("email") != given["email"]:
        user.extra = {**user.extra, "email": given["email"]}
    await tx.flush()
    return user


async def _arrived(tx: AsyncSession, context: Context, idp_id: str, protocol_id: str, unique_id: str, name: str,
                   domain_id: str) -> User:
    user = await tx.get(User, public_id(domain_id, unique_id))
    if user is None:
        await _name_free(tx, name, domain_id)
        user = User(id=public_id(domain_id, unique_id), name=name, domain_id=domain_id, enabled=True, options={}, extra={})
        tx.add(user)
        await tx.flush()
        await events.emit(tx, context, FederatedUserCreated(user.id, idp_id, protocol_id))
    elif user.password_hash or user.directory_id or (await links_of(tx, user.id)):
        raise Conflict(f"Conflict occurred attempting to store federated_user - the user {unique_id} of domain {domain_id} came "
                       "by another identity provider or protocol.")
    tx.add(FederatedUser(idp_id=idp_id, protocol_id=protocol_id, unique_id=unique_id, user_id=user.id))
    return user


async def _name_free(tx: AsyncSession, name: str, domain_id: str) -> None:
    """A user and his namesake from outside would be one to whoever reads their names."""
    if (await tx.execute(select(User.id).where(User.domain_id == domain_id, User.name == name))).first():
        raise Conflict(f"Conflict occurred attempting to store federated_user - another user of domain {domain_id} is called {name}: "
                       "give the identity provider a domain of its own.")


async def group_ids(tx: AsyncSession, given_ids: Iterable[str], named: Iterable[MappedGroup], mapping_id: str) -> list[str]:
    """The ids of mapped groups. An id must be there (raises MappingFailed), a name need not: no such group, no membership."""
    wanted = list(dict.fromkeys(given_ids))
    known = set((await tx.execute(select(Group.id).where(Group.id.in_(wanted)))).scalars()) if wanted else set()
    if missing := [key for key in wanted if key not in known]:
        raise MappingFailed(f"Group {missing[0]} returned by mapping {mapping_id} was not found in the backend.")
    by_domain: dict[str, set[str]] = {}
    for group in named:
        by_domain.setdefault(await domain_of(tx, group.domain, ""), set()).add(group.name)
    for domain_id, names in by_domain.items():
        query = select(Group.id).where(Group.domain_id == domain_id, Group.name.in_(names)).order_by(Group.name)
        wanted += (await tx.execute(query)).scalars()
    return list(dict.fromkeys(wanted))


async def put_in_groups(tx: AsyncSession, context: Context, user: User, provider: IdentityProvider, wanted: Sequence[str],
                        ttl: int) -> bool:
    """Make the memberships that the provider gives exactly these, good for `ttl` minutes from now; whether one was taken away."""
    query = select(ExpiringMembership).where(ExpiringMembership.user_id == user.id, ExpiringMembership.idp_id == provider.id)
    have = {row.group_id: row for row in (await tx.execute(query)).scalars()}
    moment = context.now()
    for group_id in wanted:
        row = have.pop(group_id, None)
        if row is None:
            row = ExpiringMembership(user_id=user.id, group_id=group_id, idp_id=provider.id)
            tx.add(row)
            await events.emit(tx, context, MemberAdded(group_id, user.id))
        row.verified_at, row.expires_at = moment, moment + timedelta(minutes=ttl)
    for row in have.values():
        await tx.delete(row)
        await events.emit(tx, context, MemberRemoved(row.group_id, user.id))
    await tx.flush()
    return bool(have)


async def memberships(tx: AsyncSession, user_id: str, now: datetime) -> dict[str, datetime]:
    """The groups that a user is in for a while, and until when."""
    query = select(ExpiringMembership).where(ExpiringMembership.user_id == user_id, ExpiringMembership.expires_at > now)
    found: dict[str, datetime] = {}
    for row in (await tx.execute(query)).scalars():
        found[row.group_id] = max(row.expires_at, found.get(row.group_id, row.expires_at))
    return found


async def change_ttl(tx: AsyncSession, idp_id: str, ttl: int) -> None:
    """Let the memberships that a provider gave last as long as its new `authorization_ttl` says."""
    query = select(ExpiringMembership).where(ExpiringMembership.idp_id == idp_id)
    for row in (await tx.execute(query)).scalars():
        row.expires_at = row.verified_at + timedelta(minutes=ttl)


async def give_projects(tx: AsyncSession, context: Context, user: User, default_domain: str, wanted: Sequence[MappedProject],
                        in_step: bool) -> bool:
    """Make the mapped projects that are not there, and give the user his roles on them. `in_step`: roles that are not mapped any
    more are taken away; returns whether one was."""
    roles = await _roles(tx, wanted, user.domain_id)
    grants = {(await _project(tx, context, user, given, default_domain), roles[name])
              for given in wanted for name in given.roles}
    query = select(Assignment).where(Assignment.actor == "user", Assignment.actor_id == user.id, Assignment.target == "project",
                                     Assignment.inherited.is_(False))
    have = {(row.target_id, row.role_id): row for row in (await tx.execute(query)).scalars()}
    for project_id, role_id in sorted(grants - have.keys()):
        tx.add(Assignment(actor="user", actor_id=user.id, target="project", target_id=project_id, role_id=role_id, inherited=False))
        await events.emit(tx, context, RoleGiven(role_id, "user", user.id, "project", project_id, False))
    gone = sorted(have.keys() - grants) if in_step else []
    for project_id, role_id in gone:
        await tx.delete(have[project_id, role_id])
        await events.emit(tx, context, RoleTaken(role_id, "user", user.id, "project", project_id, False))
    await tx.flush()
    return bool(gone)


async def _roles(tx: AsyncSession, wanted: Sequence[MappedProject], domain_id: str) -> dict[str, str]:
    """The ids of all mapped roles; looked up before anything is made. Raises NotFound."""
    names = {name for given in wanted for name in given.roles}
    query = select(Role).where(Role.name.in_(names)).order_by(Role.domain_id.is_(None))
    rows = list((await tx.execute(query)).scalars()) if names else []
    found = {row.name: row.id for row in rows if row.domain_id in (None, domain_id)}
    for name in sorted(names - found.keys()):
        if any(row.name == name for row in rows):
            raise MappingFailed(f"Role {name} is domain specific and not of the user's domain {domain_id}.")
        raise NotFound(f"Could not find role: {name}, which the mapping names.", type="roleNotFound")
    return found


async def _project(tx: AsyncSession, context: Context, user: User, given: MappedProject, default_domain: str) -> str:
    domain_id = await domain_of(tx, given.domain, default_domain)
    query = select(Project.id).where(Project.domain_id == domain_id, Project.name == given.name)
    found = (await tx.execute(query)).scalar()
    if found:
        return found
    values = {"name": given.name, "domain_id": domain_id, "is_domain": False}
    await projects.check_name(tx, values)
    row = Project(id=ids.new_hex(), **await projects.place(tx, values), description="", tag_rows=[])
    tx.add(row)
    await tx.flush()
    await events.emit(tx, context, MappedProjectCreated(row.id, domain_id, user.id), project_id=row.id)
    return row.id


async def links_of(tx: AsyncSession, user_id: str) -> list[FederatedUser]:
    query = select(FederatedUser).where(FederatedUser.user_id == user_id)
    return list((await tx.execute(query)).scalars())


def view(rows: Iterable[FederatedUser]) -> list[dict[str, Any]]:
    """A user's `federated`: identity providers, and by which protocols and names he comes."""
    by_provider: dict[str, list[dict[str, str]]] = {}
    for row in sorted(rows, key=lambda row: (row.idp_id, row.protocol_id, row.unique_id)):
        by_provider.setdefault(row.idp_id, []).append({"protocol_id": row.protocol_id, "unique_id": row.unique_id})
    return [{"idp_id": key, "protocols": protocols} for key, protocols in by_provider.items()]


def known_by(name: str) -> Callable[[Sequence[str]], ColumnElement[bool]]:
    """A filter on users by how an identity provider knows them."""
    return lambda values: User.id.in_(select(FederatedUser.user_id).where(getattr(FederatedUser, name).in_(values)))


async def rows_of(tx: AsyncSession, given: Sequence[Mapping[str, Any]], user_id: str | None) -> list[FederatedUser]:
    """The rows for a `federated` that an administrator gives a user. Raises BadRequest, Conflict."""
    rows = []
    for item in given:
        if await tx.get(IdentityProvider, item["idp_id"]) is None:
            raise BadRequest(f"Could not find Identity Provider: {item['idp_id']}")
        for protocol in item["protocols"]:
            key = (item["idp_id"], protocol["protocol_id"], protocol["unique_id"])
            if await tx.get(Protocol, key[:2]) is None:
                raise BadRequest(f"Could not find federated protocol {key[1]} for Identity Provider: {key[0]}.")
            taken = await tx.get(FederatedUser, key)
            if taken is not None and taken.user_id != user_id:
                raise Conflict(f"Conflict occurred attempting to store federated_user - {key[2]} of {key[0]} is another user.")
            rows.append(taken or FederatedUser(idp_id=key[0], protocol_id=key[1], unique_id=key[2]))
    return rows
