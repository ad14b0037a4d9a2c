"""Keystone's rules for passwords and accounts ([security_compliance]): age, history, form, lock-out, inactivity."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import BadRequest
from cloudd.identity.models import User
from cloudd.identity.models.extensions import FormerPassword, LoginRecord
from cloudd.identity.passwords import Hasher


def check_form(options: Any, password: str | None) -> None:
    """Raise BadRequest for a password that does not have the form that the settings ask for."""
    if password is not None and options.password_regex and not re.match(options.password_regex, password):
        raise BadRequest("The password does not match the requirements: "
                         f"{options.password_regex_description or options.password_regex}.")


def expiry(options: Any, user_options: Mapping[str, Any], now: datetime, by_user: bool) -> datetime | None:
    """When a password that is set now expires; at once when its user has to change it first."""
    first_use = options.change_password_upon_first_use and not user_options.get("ignore_change_password_upon_first_use")
    if first_use and not by_user:
        return now
    if not options.password_expires_days or user_options.get("ignore_password_expiry"):
        return None
    return now + timedelta(days=options.password_expires_days)


def expired(user: User, now: datetime) -> bool:
    return user.password_expires_at is not None and user.password_expires_at <= now


def check_age(options: Any, user: User, now: datetime) -> None:
    """Raise BadRequest when the password is too young to be changed by its user."""
    if not options.minimum_password_age or user.password_changed_at is None or expired(user, now):
        return
    first = user.password_changed_at + timedelta(days=options.minimum_password_age)
    if now < first:
        raise BadRequest(f"Cannot change password before minimum age {options.minimum_password_age} days is passed: "
                         f"on {first:%Y-%m-%d %H:%M} UTC it can be.")


async def former(tx: AsyncSession, options: Any, user: User) -> list[str]:
    """The hashes that a new password must not fit."""
    if options.unique_last_password_count < 2:
        return [user.password_hash] if options.unique_last_password_count and user.password_hash else []
    query = select(FormerPassword.password_hash).where(FormerPassword.user_id == user.id)
    query = query.order_by(FormerPassword.replaced_at.desc()).limit(options.unique_last_password_count - 1)
    return [*filter(None, [user.password_hash]), *(await tx.execute(query)).scalars()]


async def check_history(options: Any, hasher: Hasher, password: str, hashes: list[str]) -> None:
    """Raise BadRequest when the password was used lately."""
    for stored in hashes:
        if await hasher.fits(password, stored):
            raise BadRequest(f"The new password cannot be identical to a previous password. The total number which includes the "
                             f"new password must be unique is {options.unique_last_password_count}.")


async def remember(tx: AsyncSession, options: Any, user: User, now: datetime) -> None:
    """Keep the hash of the password that is being replaced, and no more of them than are looked at. The last is always the newest,
    also when the clock was set back."""
    keep = options.unique_last_password_count - 1
    if keep > 0 and user.password_hash:
        last = (await tx.execute(select(func.max(FormerPassword.replaced_at)).where(FormerPassword.user_id == user.id))).scalar()
        moment = max(now, last + timedelta(microseconds=1)) if last else now
        tx.add(FormerPassword(user_id=user.id, replaced_at=moment, password_hash=user.password_hash))
        await tx.flush()
    newest = select(FormerPassword.replaced_at).where(FormerPassword.user_id == user.id)
    newest = newest.order_by(FormerPassword.replaced_at.desc()).limit(max(keep, 0)).subquery()
    await tx.execute(delete(FormerPassword).where(FormerPassword.user_id == user.id,
                                                  FormerPassword.replaced_at.not_in(select(newest.c.replaced_at))))


def asks_for_records(options: Any) -> bool:
    """Whether how a user's logins went lately matters at all."""
    return bool(options.lockout_failure_attempts or options.disable_user_account_days_inactive)


def locked(options: Any, user: User, record: LoginRecord | None, now: datetime) -> bool:
    """Whether too many wrong passwords were given in a row, lately."""
    most = options.lockout_failure_attempts
    if not most or record is None or record.failures < most or user.options.get("ignore_lockout_failure_attempts"):
        return False
    return record.last_failed_at is not None and now < record.last_failed_at + timedelta(seconds=options.lockout_duration)


def inactive(options: Any, user: User, record: LoginRecord | None, now: datetime) -> bool:
    """Whether the user was away for so long that the account counts as disabled."""
    days = options.disable_user_account_days_inactive
    if not days or record is None or record.last_active_at is None or user.options.get("ignore_user_inactivity"):
        return False
    return (now.date() - record.last_active_at.date()).days >= days


async def record_failure(tx: AsyncSession, options: Any, user_id: str, now: datetime) -> None:
    """Count a wrong password; those before a lock that has ended count no longer."""
    record = await tx.get(LoginRecord, user_id) or LoginRecord(user_id=user_id, failures=0)
    ended = options.lockout_failure_attempts and record.failures >= options.lockout_failure_attempts
    record.failures, record.last_failed_at = (1 if ended else record.failures + 1), now
    await tx.merge(record)


async def record_success(tx: AsyncSession, user_id: str, now: datetime) -> None:
    values = {"failures": 0, "last_failed_at": None, "last_active_at": now}
    query = update(LoginRecord).where(LoginRecord.user_id == user_id).values(**values)
    if not (await tx.execute(query.execution_options(synchronize_session=False))).rowcount:
        tx.add(LoginRecord(user_id=user_id, **values))
