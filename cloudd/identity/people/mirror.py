"""What a directory tells, kept in the tables of users and groups: grants, trusts and tokens know no difference.

Ids are made as Keystone makes them, from domain, kind and the directory's own id, so that they are the same for ever. A row goes
when its entry is gone; what was granted to its id stays, and holds again should the entry come back, as in Keystone.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import log
from cloudd.core.database import Database
from cloudd.drivers.directory.base import Party, Person
from cloudd.identity.models import Group, Membership, User

LOG = log.get("cloudd.identity")
MANY = 500
COLUMNS = {User: ("name", "enabled", "default_project_id", "directory_id", "extra"),
           Group: ("name", "description", "directory_id", "extra")}
FIRST: dict[Any, dict[str, Any]] = {User: {"options": {}}, Group: {}}
"""What a new row has besides."""

Values = dict[str, dict[str, Any]]
T = TypeVar("T")


@dataclass
class Picture:
    """Users and groups by id, and who is in which group (group id, user id)."""

    users: Values = field(default_factory=dict)
    groups: Values = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)


def public_id(domain_id: str, kind: str, key: str) -> str:
    """The id of a directory's `user` or `group`; Keystone's default generator."""
    return hashlib.sha256(f"{domain_id}{kind}{key}".encode()).hexdigest()


def picture(domain_id: str, people: Iterable[Person], parties: Iterable[Party]) -> Picture:
    """What a directory told, as rows."""
    made = Picture()
    for person in people:
        made.users[public_id(domain_id, "user", person.key)] = {
            "name": person.name, "enabled": person.enabled, "default_project_id": person.default_project_id,
            "directory_id": person.key, "extra": person.extra}
    for party in parties:
        group_id = public_id(domain_id, "group", party.key)
        made.groups[group_id] = {"name": party.name, "description": party.description, "directory_id": party.key,
                                 "extra": party.extra}
        made.members |= {(group_id, public_id(domain_id, "user", key)) for key in party.members}
    return made


def of_person(domain_id: str, person: Person | None, parties: Iterable[Party]) -> Picture:
    """One user with his groups."""
    made = picture(domain_id, [person] if person else [], parties)
    made.members = {(group_id, user_id) for group_id in made.groups for user_id in made.users}
    return made


async def store(database: Database, domain_id: str, told: Picture, user_id: str | None = None, group_id: str | None = None,
                alone: bool = False) -> bool:
    """Make the rows say what was told, of the whole domain, of one user (`alone`: not of his groups) or of one group; whether
    anything was different."""
    async with database.read() as tx:
        have = Picture(users=await _values(tx, User, domain_id, user_id)) if alone else \
            await _rows(tx, domain_id, user_id, group_id)
        taken = await _own_names(tx, domain_id)
    told = _without(told, taken)
    if await asyncio.to_thread(have.__eq__, told):
        return False
    if gone := [values["name"] for key, values in have.users.items() if key not in told.users]:
        LOG.info("users are gone from a directory", domain=domain_id, users=gone[:10], count=len(gone))
    async with database.write() as tx:
        if user_id is None:
            await _remove(tx, Group, have.groups.keys() - told.groups.keys())
        if group_id is None:
            await _remove(tx, User, have.users.keys() - told.users.keys())
        await _bring(tx, User, domain_id, have.users, told.users)
        await _bring(tx, Group, domain_id, have.groups, told.groups)
        for group, user in have.members - told.members:
            await tx.execute(delete(Membership).where(Membership.group_id == group, Membership.user_id == user))
        for chunk in _chunks(told.members - have.members):
            await tx.execute(insert(Membership), [{"group_id": group, "user_id": user} for group, user in chunk])
            await asyncio.sleep(0)
    return True


async def _rows(tx: AsyncSession, domain_id: str, user_id: str | None, group_id: str | None) -> Picture:
    """The rows that a picture of the domain, of a user (his groups included) or of a group is held against."""
    have, inside = Picture(), []
    if group_id is None:
        have.users = await _values(tx, User, domain_id, user_id)
        query = select(Membership.group_id, Membership.user_id).join(Group, Group.id == Membership.group_id)
        query = query.where(Group.domain_id == domain_id, Group.directory_id.is_not(None))
        inside = [Membership.user_id == user_id] if user_id else []
        have.members = {(group, user) for group, user in await tx.execute(query.where(*inside))}
    if user_id is None:
        have.groups = await _values(tx, Group, domain_id, group_id)
    else:
        everyone = await _values(tx, Group, domain_id, None)
        have.groups = {group: everyone[group] for group, _ in have.members}
    return have


async def _values(tx: AsyncSession, model: Any, domain_id: str, key: str | None) -> Values:
    names = COLUMNS[model]
    query = select(model.id, *(getattr(model, name) for name in names))
    query = query.where(model.domain_id == domain_id, model.directory_id.is_not(None))
    rows = await tx.execute(query.where(model.id == key) if key else query)
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


async def _own_names(tx: AsyncSession, domain_id: str) -> dict[Any, set[str]]:
    """Names of the domain that belong to users and groups of cloudd's own."""
    return {model: set((await tx.execute(select(model.name).where(
        model.domain_id == domain_id, model.directory_id.is_(None)))).scalars()) for model in (User, Group)}


def _without(told: Picture, taken: dict[Any, set[str]]) -> Picture:
    """A name that one of our own has already is not given a second time."""
    users = {key: values for key, values in told.users.items() if values["name"] not in taken[User]}
    groups = {key: values for key, values in told.groups.items() if values["name"] not in taken[Group]}
    if len(users) < len(told.users) or len(groups) < len(told.groups):
        names = [values["name"] for key, values in (told.users | told.groups).items() if key not in users | groups]
        LOG.warning("entries of a directory are left out: their names belong to others of the domain", names=names[:10])
    return Picture(users, groups, {(group, user) for group, user in told.members if group in groups and user in users})


async def _bring(tx: AsyncSession, model: Any, domain_id: str, have: Values, told: Values) -> None:
    """Insert and change rows. Names may have moved from one entry to another: those are freed first."""
    changed = {key: values for key, values in told.items() if have.get(key) != values}
    for keys in _chunks(changed):
        await _free_names(tx, model, domain_id, told, changed, keys)
    for keys in _chunks(changed):
        there = set((await tx.execute(select(model.id).where(model.id.in_(keys)))).scalars())
        for key in there:
            await tx.execute(update(model).where(model.id == key).values(**changed[key]))
        if new := [{"id": key, "domain_id": domain_id, **FIRST[model], **changed[key]} for key in keys if key not in there]:
            await tx.execute(insert(model), new)
        await asyncio.sleep(0)                                # ten thousand users come in at once; requests go on between


async def _free_names(tx: AsyncSession, model: Any, domain_id: str, told: Values, changed: Values, keys: list[str]) -> None:
    names = [changed[key]["name"] for key in keys]
    holders = select(model.id).where(model.domain_id == domain_id, model.name.in_(names), model.directory_id.is_not(None))
    for holder in list((await tx.execute(holders)).scalars()):
        if holder not in told:
            await _remove(tx, model, [holder])                # a row of before; its entry is asked for anew
        elif holder in changed:
            await tx.execute(update(model).where(model.id == holder).values(name=f"{holder}."))


async def _remove(tx: AsyncSession, model: Any, keys: Iterable[str]) -> None:
    for chunk in _chunks(keys):
        await tx.execute(delete(model).where(model.id.in_(chunk)))


def _chunks(keys: Iterable[T]) -> Iterator[list[T]]:
    listed = list(keys)
    for start in range(0, len(listed), MANY):
        yield listed[start:start + MANY]


async def forget(tx: AsyncSession, domain_id: str) -> None:
    """Drop the rows of a domain's directory: it is another one now, or none."""
    for model in (User, Group):
        await tx.execute(delete(model).where(model.domain_id == domain_id, model.directory_id.is_not(None)))
