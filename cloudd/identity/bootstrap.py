"""What identity needs before anybody can log in. Run at every start: it makes what is missing and touches nothing else.

Accounts are made once, with the default domain: whoever deletes the demo user later does not find it again.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids
from cloudd.identity.models import SYSTEM, Assignment, Endpoint, ImpliedRole, Project, Region, Role, Service, User
from cloudd.identity.passwords import Hasher

DOMAIN = "default"
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
INTERFACES = ("public", "internal", "admin")


def password_of(state: Path, name: str, given: str | None = None) -> str:
    """The password of an account that cloudd makes: as given, else kept in (or newly written to) the state directory."""
    if given:
        return given
    path = state / "passwords" / name
    if path.exists():
        return path.read_text().strip()
    password = ids.new_secret(18)
    keep_password(state, name, password)
    return password


def keep_password(state: Path, name: str, password: str) -> None:
    """Write an account's password to the state directory, in one step."""
    path = state / "passwords" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{name}.new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(password + "\n")
    os.rename(partial, path)


async def bootstrap(database: Any, settings: Any, hasher: Hasher, catalog: Iterable[tuple[str, str, str]]) -> None:
    """Domain, roles, accounts, region and catalog."""
    state, options = Path(settings.server.state_dir), settings.identity
    people = [("admin", password_of(state, "admin", options.admin_password), "admin", True)]
    if options.demo:
        people.append(("demo", password_of(state, "demo"), "member", False))
    async with database.read() as tx:
        first = await tx.get(Project, DOMAIN) is None
    hashes = {name: await hasher.make(password) for name, password, _, _ in people} if first else {}
    async with database.write() as tx:
        if first:
            tx.add(Project(id=DOMAIN, name="Default", is_domain=True, description="The default domain"))
            await tx.flush()
        roles = await _roles(tx)
        for name, _, role, on_system in people if first else ():
            await _account(tx, name, hashes[name], roles[role], on_system)
        await _catalog(tx, settings.server.region, catalog)


async def _roles(tx: AsyncSession) -> dict[str, str]:
    """The ids of the default roles, by name; a role that was made here for the first time gets its implications."""
    rows = (await tx.execute(select(Role).where(Role.domain_id.is_(None), Role.name.in_(ROLES)))).scalars()
    found = {row.name: row.id for row in rows}
    missing = [name for name in ROLES if name not in found]
    for name in missing:
        found[name] = ids.new_hex()
        tx.add(Role(id=found[name], name=name, options={"immutable": True}))
    await tx.flush()
    for prior, implied in IMPLIED:
        if prior in missing or implied in missing:
            await tx.merge(ImpliedRole(prior_role_id=found[prior], implied_role_id=found[implied]))
    return found


async def _account(tx: AsyncSession, name: str, password_hash: str, role_id: str, on_system: bool) -> None:
    """A user with a project of the same name and a role on it; the administrator also on the domain and the system."""
    project, user_id = await account_project(tx, name), ids.new_hex()
    tx.add(User(id=user_id, name=name, domain_id=DOMAIN, password_hash=password_hash))
    await tx.flush()
    await give_roles(tx, user_id, project.id, role_id, on_system)


async def account_project(tx: AsyncSession, name: str) -> Project:
    """The project of an account, made when it is not there."""
    query = select(Project).where(Project.domain_id == DOMAIN, Project.name == name)
    project = (await tx.execute(query)).scalar()
    if project is None:
        project = Project(id=ids.new_hex(), name=name, domain_id=DOMAIN, parent_id=DOMAIN, description=f"The {name} project")
        tx.add(project)
        await tx.flush()
    return project


async def give_roles(tx: AsyncSession, user_id: str, project_id: str, role_id: str, on_system: bool) -> None:
    """A role on an account's project; the administrator's also on the domain and the system."""
    targets = [("project", project_id), *([("domain", DOMAIN), ("system", SYSTEM)] if on_system else [])]
    for target, target_id in targets:
        await tx.merge(Assignment(actor="user", actor_id=user_id, target=target, target_id=target_id, role_id=role_id,
                                  inherited=False))


async def _catalog(tx: AsyncSession, region: str, catalog: Iterable[tuple[str, str, str]]) -> None:
    """A service and three endpoints for every entry of a module; those that are ours follow when a path changes."""
    if await tx.get(Region, region) is None:
        tx.add(Region(id=region, description=""))
        await tx.flush()
    have: dict[str, Service] = {}
    for row in (await tx.execute(select(Service).order_by(Service.id))).scalars():
        have.setdefault(row.type, row)
    for kind, name, path in catalog:
        url = path.replace("{project_id}", "$(project_id)s")
        if kind not in have:
            service = Service(id=ids.new_hex(), type=kind, name=name)
            tx.add(service)
            await tx.flush()
            for interface in INTERFACES:
                tx.add(Endpoint(id=ids.new_hex(), service_id=service.id, region_id=region, interface=interface, url=url))
            continue
        query = select(Endpoint).where(Endpoint.service_id == have[kind].id, Endpoint.url.startswith("/"), Endpoint.url != url)
        for endpoint in (await tx.execute(query)).scalars():
            endpoint.url = url
