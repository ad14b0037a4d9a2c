"""Who uses a secret: parts of this cloud, which hold it, and what users say."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound, OverQuota
from cloudd.keymanager import quotas
from cloudd.keymanager.audit import ConsumerAdded, ConsumerRemoved
from cloudd.keymanager.models import Secret, SecretConsumer


def _same(secret: Secret, service: str, resource_type: str, resource_id: str) -> SecretConsumer | None:
    return next((one for one in secret.consumers
                 if (one.service, one.resource_type, one.resource_id) == (service, resource_type, resource_id)), None)


async def register(settings: Any, tx: AsyncSession, context: Context, secret: Secret, service: str, resource_type: str,
                   resource_id: str) -> None:
    """A user says that something uses a secret; said twice, it is said once. Raises OverQuota."""
    if _same(secret, service, resource_type, resource_id) is None:
        most = settings.key_manager.max_consumers
        if 0 <= most <= len(secret.consumers) - len(secret.held):
            raise OverQuota(f"The secret has {most} consumers that users registered; no more are possible (max_consumers).",
                            type="LimitExceeded")
        await quotas.of(settings).require(tx, str(context.project_id), consumers=1)
        await _add(tx, context, secret, service, resource_type, resource_id, held=False)


async def hold(tx: AsyncSession, context: Context, secret: Secret, service: str, resource_type: str, resource_id: str) -> None:
    """A part of this cloud uses a secret; only it lets go again."""
    there = _same(secret, service, resource_type, resource_id)
    if there is not None:
        there.held = True
        await tx.flush()
    else:
        await _add(tx, context, secret, service, resource_type, resource_id, held=True)


async def _add(tx: AsyncSession, context: Context, secret: Secret, service: str, resource_type: str, resource_id: str, *,
               held: bool) -> None:
    moment = context.now()
    secret.consumers.append(SecretConsumer(
        id=ids.new_uuid(), project_id=context.project_id or secret.project_id, service=service, resource_type=resource_type,
        resource_id=resource_id, held=held, created_at=moment, updated_at=moment))
    secret.updated_at = moment
    await tx.flush()
    await events.emit(tx, context, ConsumerAdded(secret.id, service, resource_type, resource_id), project_id=secret.project_id)


async def remove(tx: AsyncSession, context: Context, secret: Secret, service: str, resource_type: str, resource_id: str) -> None:
    """A user takes back what he said. Raises NotFound; Conflict for what a part of this cloud holds."""
    found = _same(secret, service, resource_type, resource_id)
    if found is None:
        raise NotFound(f"Consumer not found: no {resource_type} {resource_id} of {service} uses this secret.", type="ConsumerNotFound")
    if found.held:
        raise Conflict(f"{resource_type} {resource_id} of {service} cannot be read without this secret: delete it, and it lets go.",
                       type="SecretInUse")
    await _drop(tx, context, secret, found)


async def let_go(tx: AsyncSession, context: Context, service: str, resource_type: str, resource_id: str) -> list[Secret]:
    """A part of this cloud does not use its secrets any more; those that it used. Nothing to let go is fine."""
    query = select(Secret).join(SecretConsumer).where(
        SecretConsumer.service == service, SecretConsumer.resource_type == resource_type, SecretConsumer.resource_id == resource_id,
        SecretConsumer.held.is_(True))
    secrets = list((await tx.execute(query)).unique().scalars())
    for secret in secrets:
        found = _same(secret, service, resource_type, resource_id)
        if found is not None:
            await _drop(tx, context, secret, found)
    return secrets


async def _drop(tx: AsyncSession, context: Context, secret: Secret, consumer: SecretConsumer) -> None:
    secret.consumers.remove(consumer)
    secret.updated_at = context.now()
    await tx.flush()
    await events.emit(tx, context, ConsumerRemoved(secret.id, consumer.service, consumer.resource_type, consumer.resource_id),
                      project_id=secret.project_id)
