"""The way back in, from the host: the administrator's account as it was on the first day, with a new password.

It writes to the database itself, the daemon running or not, and then moves a mark in the state directory: a running daemon forgets
what it has looked up, and takes up that the administrator's tokens of before are void.
"""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.database import Database
from cloudd.identity.audit import AdministratorRestored
from cloudd.identity.bootstrap import DOMAIN, account_project, bootstrap, give_roles
from cloudd.identity.models import Project, Role, User
from cloudd.identity.models.extensions import LoginRecord
from cloudd.identity.passwords import Hasher
from cloudd.identity.revocations import Revocations

ADMIN = "admin"
IN_THE_WAY = ("lock_password", "multi_factor_auth_enabled", "multi_factor_auth_rules", "ignore_change_password_upon_first_use")
"""Options that would keep somebody out who has the new password and nothing else."""


async def restore(database: Database, settings: Any, hasher: Hasher, revocations: Revocations, password: str) -> str:
    """Make the administrator's account whole again; his id. May be repeated."""
    await bootstrap(database, settings, hasher, ())
    password_hash, context = await hasher.make(password), Context(remote_address="host")
    async with database.write() as tx:
        domain = await tx.get_one(Project, DOMAIN)
        domain.enabled = True
        project = await account_project(tx, ADMIN)
        project.enabled = True
        user = await _user(tx)
        user.enabled, user.password_hash = True, password_hash
        user.password_changed_at, user.password_expires_at = context.now(), None
        user.options = {name: value for name, value in user.options.items() if name not in IN_THE_WAY}
        await tx.flush()
        await tx.execute(delete(LoginRecord).where(LoginRecord.user_id == user.id))
        role = (await tx.execute(select(Role.id).where(Role.name == ADMIN, Role.domain_id.is_(None)))).scalar_one()
        await give_roles(tx, user.id, project.id, role, on_system=True)
        await revocations.add(tx, context, "user", user.id)
        await events.emit(tx, context, AdministratorRestored(user.id))
    return user.id


async def _user(tx: AsyncSession) -> User:
    """The administrator of the default domain, made anew when he is gone; one of a directory gives way."""
    query = select(User).where(User.domain_id == DOMAIN, User.name == ADMIN)
    found = (await tx.execute(query)).scalar_one_or_none()
    if found is not None and found.directory_id is None:
        return found
    if found is not None:
        await tx.delete(found)
        await tx.flush()
    made = User(id=ids.new_hex(), name=ADMIN, domain_id=DOMAIN, options={}, extra={})
    tx.add(made)
    await tx.flush()
    return made
