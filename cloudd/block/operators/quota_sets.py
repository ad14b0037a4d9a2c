"""Quota sets: limits of all volumes and of those of each type, under the types' names; checked against what is in use."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.block import events
from cloudd.block.models import VolumeType
from cloudd.block.quotas import COUNTED, NAMES, QUOTAS, of_type
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest
from cloudd.core.quotas import DEFAULT_CLASS, class_key

MOST = 2**31 - 1
OTHER_KEYS = ("tenant_id", "id")
UNCOUNTED = "per_volume_gigabytes"


async def names(tx: AsyncSession) -> dict[str, str]:
    """Where each limit is kept, by its name in the API."""
    types = await tx.execute(select(VolumeType.id, VolumeType.name).order_by(VolumeType.name))
    return {name: name for name in NAMES} | {f"{resource}_{name}": of_type(resource, key)
                                             for key, name in types for resource in COUNTED}


def _public(known: Mapping[str, str], limits: Mapping[str, int]) -> dict[str, int]:
    """Of a type of which nobody has set a limit there is none."""
    return {name: limits.get(key, -1) for name, key in known.items()}


async def limits(tx: AsyncSession, project_id: str) -> dict[str, int]:
    return _public(await names(tx), await QUOTAS.limits(tx, project_id))


async def defaults(tx: AsyncSession, quota_class: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a class; those of `default` go for every project without its own, others are kept and shown."""
    return _public(await names(tx), await QUOTAS.class_limits(tx, quota_class))


async def usage(tx: AsyncSession, project_id: str) -> dict[str, dict[str, int]]:
    """Limits and what is in use of them. Nothing is reserved: rows are made in the transaction that checks."""
    known, have, used = await names(tx), await QUOTAS.limits(tx, project_id), await QUOTAS.count(tx, project_id)
    return {name: {"limit": have.get(key, -1), "in_use": used.get(key, 0), "reserved": 0} for name, key in known.items()}


def _read(known: Iterable[str], wanted: Mapping[str, Any], what: str) -> dict[str, int]:
    """Names and numbers as somebody sent them. Raises BadRequest."""
    if bad := [name for name in wanted if name not in known]:
        raise BadRequest(f"Invalid input received: Bad key(s) in {what}: {', '.join(bad)}. There are: {', '.join(known)}.")
    return {name: _limit(name, value) for name, value in wanted.items()}


def _limit(name: str, value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str) and len(value) < 12 else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number <= MOST:
        raise BadRequest(f"Invalid input received: {name}={str(value)[:60]}: a limit is a whole number from -1 (none) to {MOST}.")
    return number


async def change(context: Context, tx: AsyncSession, project_id: str, wanted: Mapping[str, Any]) -> None:
    """Set limits of a project. Raises BadRequest, also for one below what is in use."""
    known = await names(tx)
    asked = _read(known, {name: value for name, value in wanted.items() if name not in OTHER_KEYS}, "quota set")
    if await identity.project(tx, project_id) is None:
        raise BadRequest(f"Invalid input received: the project {project_id[:64]} could not be found.")
    used = await QUOTAS.count(tx, project_id)
    for name, value in asked.items():
        if name != UNCOUNTED and 0 <= value < (have := used.get(known[name], 0)):
            raise BadRequest(f"Quota {name} limit must be equal or greater than existing resources. Current usage is {have} and the "
                             f"requested limit is {value}.")
    await QUOTAS.set(tx, project_id, {known[name]: value for name, value in asked.items()})
    await events.record(tx, context, "quota.update", project_id, **asked)


async def change_class(context: Context, tx: AsyncSession, quota_class: str, wanted: Mapping[str, Any]) -> None:
    """Set limits of a class. Raises BadRequest."""
    known = await names(tx)
    asked = _read(known, wanted, "quota class set")
    await QUOTAS.set(tx, class_key(quota_class), {known[name]: value for name, value in asked.items()})
    await events.record(tx, context, "quota_class.update", quota_class[:64], **asked)
