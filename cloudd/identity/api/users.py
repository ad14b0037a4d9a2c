"""/users and /groups, who is in which group, and the change of one's own password."""

import operator
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import selectinload

from cloudd.core import clock, events
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.records import records
from cloudd.core.http.shapes import UNSET
from cloudd.identity.api import (
    API,
    BY_DOMAIN,
    BY_ENABLED,
    BY_NAME,
    ID,
    asked,
    comparable,
    flag,
    in_own_domain,
    links,
    nullable,
    own_domain,
)
from cloudd.identity.api.projects import PROJECT
from cloudd.identity.audit import MemberAdded, MemberRemoved, PasswordChanged
from cloudd.identity.federation import users as federated_users
from cloudd.identity.models import Group, Membership, Project, User
from cloudd.identity.passwords import Hasher
from cloudd.identity.people import compliance, effective, projects
from cloudd.identity.people.directories import Directories
from cloudd.identity.tokens.methods import Login, account
from cloudd.identity.tokens.tokens import Tokens

FLAG = t.Bool(null=True)
OPTIONS = t.Obj({
    "ignore_change_password_upon_first_use": FLAG, "ignore_password_expiry": FLAG, "ignore_lockout_failure_attempts": FLAG,
    "ignore_user_inactivity": FLAG, "lock_password": FLAG, "multi_factor_auth_enabled": FLAG,
    "multi_factor_auth_rules": t.List(t.List(t.Text(1)), null=True)})
FEDERATED = t.List(t.Obj({"idp_id": t.Text(1), "protocols": t.List(t.Obj({"protocol_id": t.Text(1), "unique_id": t.Text(1)},
                                                                         ("protocol_id", "unique_id")), 1)}, ("idp_id", "protocols")))
USER = Shape(
    "user", ID, Field("name", t.Text(1, 255, pattern=r"\S"), required=True),
    Field("domain_id", t.Text(0, 64, null=True)), Field("enabled", t.Bool(), default=True),
    Field("default_project_id", t.Text(0, 64, null=True), of=lambda row, request: row.default_project_id or UNSET, sometimes=True),
    Field("password", t.Text(0, None, null=True), reply=False), Field("options", OPTIONS, default=dict),
    Field("password_expires_at", t.Text(null=True), readonly=True, of=lambda row, request: naive(row.password_expires_at)),
    Field("federated", FEDERATED, of=lambda row, request: federated_users.view(row.__dict__.get("federated_rows", ())) or UNSET,
          sometimes=True),
    links("/users"), extra=True)
GROUP = Shape("group", ID, Field("name", t.Text(1, 64, pattern=r"\S"), required=True),
              Field("domain_id", t.Text(0, 64, null=True)), Field("description", t.Text(0, None, null=True), default=""),
              links("/groups"), extra=True)
PASSWORD = Shape("user", Field("original_password", t.Text(0, None), required=True),
                 Field("password", t.Text(0, None), required=True), extra=True)
USER_FILTERS = {**comparable(name=User.name, domain_id=User.domain_id), "enabled": flag(User.enabled), "id": User.id,
                "default_project_id": nullable(User.default_project_id),
                "password_expires_at": lambda values: expiring(values[-1]),
                **{name: federated_users.known_by(name) for name in ("idp_id", "protocol_id", "unique_id")}}

COMPARE = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge, "eq": operator.eq, "neq": operator.ne}


def expiring(asked: str) -> Any:
    """The clause for `password_expires_at=lt:2026-01-31T12:00:00Z`; without an operator the moment itself."""
    word, colon, text = asked.partition(":")
    how, text = (word, text) if colon and word in COMPARE else ("eq", asked)
    try:
        moment = clock.parse(text)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for field 'password_expires_at': '{asked}' is not OPERATOR:MOMENT, as "
                         "lt:2026-01-31T12:00:00Z.") from exc
    return COMPARE[how](User.password_expires_at, moment)


def naive(moment: Any) -> str | None:
    """A moment without its zone, as Keystone tells of passwords."""
    text = clock.iso_micro(moment)
    return text.rstrip("Z") if text else None


async def domain_for(request: Request, tx: Any, values: dict[str, Any], kind: str, model: Any) -> dict[str, Any]:
    """A new user's or group's domain and name: the domain is there, the name is free in it."""
    domain_id = values.get("domain_id") or own_domain(request)
    domain = await tx.get(Project, domain_id)
    if domain is None or not domain.is_domain:
        raise API.dialect.missing("domain", domain_id)
    await request.service(Directories).check_own(domain_id, kind)
    await check_name(tx, model, kind, values["name"], domain_id)
    return {**values, "domain_id": domain_id}


def read_only(row: Any, kind: str) -> None:
    """Raise Forbidden for a user or group that a directory has."""
    if row.directory_id is not None:
        raise Forbidden(f"You are not authorized to perform the requested action: {kind} {row.id} comes from the directory of domain "
                        f"{row.domain_id}, which is read-only here; change it there.")


async def check_name(tx: Any, model: Any, kind: str, name: str, domain_id: str) -> None:
    if (await tx.execute(select(model.id).where(model.domain_id == domain_id, model.name == name))).first():
        raise Conflict(f"Conflict occurred attempting to store {kind} - Duplicate entry found with name {name} at domain ID "
                       f"{domain_id}.")


async def user_before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    values = await domain_for(request, tx, values, "user", User)
    await _default_project(tx, values)
    options = projects.merged_options(None, values["options"])
    if "federated" in values:
        values["federated_rows"] = await federated_users.rows_of(tx, values.pop("federated"), None)
    return {**values, "options": options, **_with_password(request, options)}


def _with_password(request: Request, options: dict[str, Any]) -> dict[str, Any]:
    """The columns of a password that an administrator sets; nothing without one."""
    hashed, now = request.params["hash"], request.context.now()
    expires = compliance.expiry(request.settings.security_compliance, options, now, by_user=False) if hashed else None
    return {"password_hash": hashed, "password_changed_at": now, "password_expires_at": expires}


async def _default_project(tx: Any, values: dict[str, Any]) -> None:
    wanted = values.get("default_project_id")
    project = await tx.get(Project, wanted) if wanted else None
    if project is not None and project.is_domain:
        raise BadRequest(f"User's default project ID cannot be a domain ID: {wanted}.")


async def user_before_update(request: Request, tx: Any, row: User, values: dict[str, Any]) -> dict[str, Any]:
    read_only(row, "user")
    if values.pop("domain_id", row.domain_id) not in (row.domain_id, None):
        raise BadRequest("Cannot change Domain ID.")
    if values.get("name", row.name) != row.name:
        await check_name(tx, User, "user", values["name"], row.domain_id)
    await _default_project(tx, values)
    if "options" in values:
        values["options"] = projects.merged_options(row, values["options"])
    if values.get("federated"):                               # an empty list changes nothing, as in Keystone
        row.federated_rows = await federated_users.rows_of(tx, values["federated"], row.id)
    values.pop("federated", None)
    if "password" in values:
        if row.options.get("lock_password"):
            raise Forbidden(f"The password of user {row.id} is locked (option lock_password).")
        await compliance.remember(tx, request.settings.security_compliance, row, request.context.now())
        values = {**values, **_with_password(request, values.get("options", row.options))}
    if values.get("enabled"):
        await compliance.record_success(tx, row.id, request.context.now())      # opens a locked or inactive account
    if "password" in values or (row.enabled and values.get("enabled") is False):
        await request.service(Tokens).revocations.add(tx, request.context, "user", row.id)
    return values


async def user_before_delete(request: Request, tx: Any, row: User) -> None:
    read_only(row, "user")
    await request.service(Tokens).revocations.add(tx, request.context, "user", row.id)
    await projects.forget_actors(tx, request.context, "user", [row.id])


async def group_before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {**await domain_for(request, tx, values, "group", Group), "description": values["description"] or ""}


async def group_before_update(request: Request, tx: Any, row: Group, values: dict[str, Any]) -> dict[str, Any]:
    read_only(row, "group")
    if values.pop("domain_id", row.domain_id) not in (row.domain_id, None):
        raise BadRequest("Cannot change Domain ID.")
    if values.get("name", row.name) != row.name:
        await check_name(tx, Group, "group", values["name"], row.domain_id)
    return values


async def group_before_delete(request: Request, tx: Any, row: Group) -> None:
    read_only(row, "group")
    await projects.forget_actors(tx, request.context, "group", [row.id])


def visible_users(request: Request, query: Any) -> Any:
    """One user is shown with where he comes from."""
    query = query.options(selectinload(User.federated_rows)) if request.operation.names else query
    return in_own_domain(User.domain_id)(request, query)


USERS = records(API, "/users", User, USER, policy="identity:{verb}", verbs=("list", "show", "delete"), filters=USER_FILTERS,
                visible=visible_users, notify="identity.user.{past}", options={"list": {"query": asked(BY_NAME, BY_DOMAIN, BY_ENABLED)}},
                before_create=user_before_create,
                before_update=user_before_update, before_delete=user_before_delete)
GROUPS = records(API, "/groups", Group, GROUP, policy="identity:{verb}", update_method="patch",
                 filters=comparable(name=Group.name, domain_id=Group.domain_id), visible=in_own_domain(Group.domain_id),
                 options={"list": {"query": asked(BY_NAME, BY_DOMAIN)}},
                 notify="identity.group.{past}", before_create=group_before_create, before_update=group_before_update,
                 before_delete=group_before_delete)
users, groups = API.resource("/users"), API.resource("/groups")


async def _hash(request: Request, body: dict[str, Any]) -> None:
    """Hash before the transaction begins: it takes a quarter of a second, and writers take turns."""
    password = body.get("password")
    compliance.check_form(request.settings.security_compliance, password)
    request.params["hash"] = await request.service(Hasher).make(password) if password is not None else None


@users.post("", status=201, body=USER, reply=USER, live=True, policy="identity:create_user")
async def create(request, body):
    """Make a user."""
    await _hash(request, body)
    async with request.parts.database.write() as tx:
        return await USERS.create(request, tx, body)


@users.patch("/{user}", body=USER, reply=USER, live=True, policy="identity:update_user")
async def update(request, body):
    """Change a user."""
    await _hash(request, body)
    async with request.parts.database.write() as tx:
        await request.load(tx, "user")
        return await USERS.update(request, tx, body)


@users.post("/{id}/password", status=204, body=PASSWORD, auth=False, live=True)
async def change_password(request, id, body):
    """Change one's own password; the old one is the proof, no token is needed."""
    hasher, rules = request.service(Hasher), request.settings.security_compliance
    user = await _proved(request, id, body["original_password"])
    if user.options.get("lock_password"):
        raise Forbidden(f"The password of user {id} is locked (option lock_password).")
    if body["password"] == body["original_password"]:
        raise BadRequest("The new password must differ from the current one.")
    compliance.check_form(rules, body["password"])
    compliance.check_age(rules, user, request.context.now())
    async with request.parts.database.read() as tx:
        used = await compliance.former(tx, rules, user)
    await compliance.check_history(rules, hasher, body["password"], used)
    changed = await hasher.make(body["password"])
    async with request.parts.database.write() as tx:
        row, now = await tx.get(User, id), request.context.now()
        if row is None or row.password_hash != user.password_hash:
            raise Conflict(f"The password of user {id} was changed in the meantime.")
        await compliance.remember(tx, rules, row, now)
        row.password_hash, row.password_changed_at = changed, now
        row.password_expires_at = compliance.expiry(rules, row.options, now, by_user=True)
        await request.service(Tokens).revocations.add(tx, request.context, "user", id)
        await events.emit(tx, replace(request.context, user_id=id), PasswordChanged(id))


async def _proved(request: Request, user_id: str, password: str) -> User:
    """The user whose password this is, an expired one included; the limits of logins hold here too."""
    login = Login(request.service(Tokens), {}, request.service(Hasher), request.context)
    user, shut = await account(login, {"id": user_id})
    who = await login.who(user, {"id": user_id})
    login.may_try(who)
    fits = await login.fits(user, {}, password)
    if not fits or user is None or shut:
        raise await login.failed("password", user, shut or ("wrong secret" if user else "no such user"), who)
    read_only(user, "user")
    return user


PROJECTS_BY_NAME = Listing(Project, {**comparable(name=Project.name, domain_id=Project.domain_id), "enabled": flag(Project.enabled)})
GROUPS_BY_NAME = Listing(Group, comparable(name=Group.name))
USERS_BY_NAME = Listing(User, USER_FILTERS)


@users.get("/{user}/projects", policy="identity:list_user_projects", reply=PROJECT, listing=PROJECTS_BY_NAME)
async def list_projects(request, tx, user) -> Page:
    """The projects on which a user has a role."""
    found, _, _ = await effective.reachable(tx, user.id)
    return await PROJECTS_BY_NAME.page(request, tx, select(Project).where(Project.id.in_([row.id for row in found])))


GROUP_OF_USER = Shape("group", *GROUP.fields, Field("membership_expires_at", t.Text(null=True), readonly=True, of=lambda row, request:
                      clock.iso_micro(request.params["ends"].get(row.id))), extra=True)


def _seen(request: Request, query: Any, model: Any) -> Any:
    """With a domain's token one sees the users and groups of that domain."""
    own = request.context.domain_id
    return query.where(model.domain_id == own) if own else query


@users.get("/{user}/groups", policy="identity:list_groups_for_user", reply=GROUP_OF_USER, listing=GROUPS_BY_NAME)
async def list_groups(request, tx, user) -> Page:
    """The groups that a user is in."""
    request.params["ends"] = await federated_users.memberships(tx, user.id, request.context.now())
    lasting = select(Membership.group_id).where(Membership.user_id == user.id)
    query = select(Group).where(or_(Group.id.in_(lasting), Group.id.in_(list(request.params["ends"]))))
    return await GROUPS_BY_NAME.page(request, tx, _seen(request, query, Group))


@groups.get("/{group}/users", policy="identity:list_users_in_group", reply=USER, listing=USERS_BY_NAME)
async def list_users(request, tx, group) -> Page:
    """The users in a group."""
    query = select(User).join(Membership, Membership.user_id == User.id).where(Membership.group_id == group.id)
    return await USERS_BY_NAME.page(request, tx, _seen(request, query, User))


@groups.put("/{group}/users/{user}", status=204, policy="identity:add_user_to_group")
async def add_user(request, tx, group, user):
    """Put a user in a group."""
    read_only(group, "group")
    if user.directory_id is not None:
        raise Forbidden(f"Group membership across backend boundaries is not allowed: user {user.id} comes from a directory, group "
                        f"{group.id} does not.")
    await tx.merge(Membership(group_id=group.id, user_id=user.id))
    await events.emit(tx, request.context, MemberAdded(group.id, user.id))


async def _require_member(request: Request, tx: Any, group: Group, user: User) -> None:
    for_a_while = await federated_users.memberships(tx, user.id, request.context.now())
    if group.id not in for_a_while and await tx.get(Membership, (group.id, user.id)) is None:
        raise NotFound(f"User {user.id} not found in group {group.id}.")


async def check_user(request, tx, group, user):
    """Whether a user is in a group."""
    await _require_member(request, tx, group, user)


groups.head("/{group}/users/{user}", status=204, policy="identity:check_user_in_group")(check_user)
groups.get("/{group}/users/{user}", status=204, policy="identity:check_user_in_group")(check_user)


@groups.delete("/{group}/users/{user}", policy="identity:remove_user_from_group")
async def remove_user(request, tx, group, user):
    """Take a user out of a group."""
    read_only(group, "group")
    if await tx.get(Membership, (group.id, user.id)) is None:
        raise NotFound(f"User {user.id} not found in group {group.id}.")
    await tx.execute(delete(Membership).where(Membership.group_id == group.id, Membership.user_id == user.id))
    await events.emit(tx, request.context, MemberRemoved(group.id, user.id))
