"""The rules of secrets: making, opening, deleting."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, events, ids
from cloudd.core.context import Context, internal
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.events import Happened
from cloudd.keymanager.audit import PayloadAdded, SecretCreated, SecretDeleted, SecretOpened
from cloudd.keymanager.models import ProjectKey, Secret, SecretConsumer, SecretPayload, living
from cloudd.keymanager.sealing import Vault

SYMMETRIC, OPAQUE = "symmetric", "opaque"
TYPES = (SYMMETRIC, "public", "private", "certificate", "passphrase", OPAQUE)
ACTIVE = "ACTIVE"
BATCH = 1000


async def find(tx: AsyncSession, secret_id: str, now: datetime) -> Secret:
    """A secret, whosesoever: policy says who may. Raises NotFound, also for one whose time has come."""
    row = (await tx.execute(living(now).where(Secret.id == secret_id))).scalar() if ids.is_uuid(secret_id) else None
    if row is None:
        raise missing(secret_id)
    return row


def missing(secret_id: str) -> NotFound:
    return NotFound(f"Secret not found: there is none with the id {secret_id}.", type="SecretNotFound")


def expiration(text: str | None, now: datetime) -> datetime | None:
    """When a secret ends, as its maker says. Raises BadRequest."""
    if not text or not text.strip():
        return None
    try:
        moment = clock.parse(text)
    except (ValueError, OverflowError) as exc:
        raise BadRequest(f"Invalid date for 'expiration': {text[:100]!r} is not as 2030-12-31T23:59:59.") from exc
    if moment <= now:
        raise BadRequest(f"'expiration' is before current time: {text[:100]!r}.")
    return moment


async def create(tx: AsyncSession, context: Context, values: Mapping[str, Any], *, copy_of: str | None = None) -> Secret:
    """The record of a secret, without a payload. `values` has columns by name."""
    moment = context.now()
    row = Secret(id=ids.new_uuid(), project_id=context.project_id, creator_id=context.user_id, created_at=moment, updated_at=moment,
                 consumers=[], **{"secret_type": OPAQUE, **values})
    tx.add(row)
    await tx.flush()
    await events.emit(tx, context, SecretCreated(row.id, row.name, row.secret_type, copy_of))
    return row


async def put_payload(vault: Vault, tx: AsyncSession, secret: Secret, data: bytes, content_type: str) -> None:
    """Raises Conflict for one that has a payload, Locked."""
    if secret.content_type is not None:
        raise Conflict("Secret already has data, cannot modify it.", type="SecretHasData")
    sealed = await vault.seal(tx, secret.project_id, secret.id, data)
    tx.add(SecretPayload(secret_id=secret.id, sealed=sealed))
    secret.content_type = content_type
    await tx.flush()


async def add_payload(vault: Vault, tx: AsyncSession, context: Context, secret: Secret, data: bytes, content_type: str) -> None:
    """The second of two steps."""
    await put_payload(vault, tx, secret, data, content_type)
    secret.updated_at = context.now()
    await events.emit(tx, context, PayloadAdded(secret.id, secret.name), project_id=secret.project_id)


async def payload(vault: Vault, tx: AsyncSession, context: Context, secret: Secret, purpose: str | None = None) -> bytes:
    """What is secret, told to the audit log. Raises NotFound for one that has none, Locked."""
    data = await peek(vault, tx, secret)
    await events.emit(tx, context, SecretOpened(secret.id, secret.name, purpose), project_id=secret.project_id)
    return data


async def peek(vault: Vault, tx: AsyncSession, secret: Secret) -> bytes:
    """The same for what is not handed on."""
    sealed = (await tx.execute(select(SecretPayload.sealed).where(SecretPayload.secret_id == secret.id))).scalar()
    if sealed is None:
        raise NotFound("Not Found. Sorry but your secret has no payload.", type="PayloadNotFound")
    return await vault.open(tx, secret.project_id, secret.id, sealed)


def require_free(secret: Secret, *, force: bool) -> None:
    """Raise Conflict while a part of this cloud uses it, BadRequest while a user says that somebody does, unless it is forced."""
    if secret.held:
        raise Conflict(f"Secret cannot be deleted as it has consumers. {_named(secret.held)} cannot be read without it: delete that first.",
                       type="SecretInUse")
    if secret.consumers and not force:
        raise BadRequest(f"Secret cannot be deleted as it has consumers. They are {_named(secret.consumers)}; force deletes it all the "
                         "same.", type="SecretHasConsumers")


def _named(consumers: list[SecretConsumer]) -> str:
    shown = [f"{one.resource_type} {one.resource_id} of {one.service}" for one in consumers[:3]]
    return ", ".join(shown) + (f" and {len(consumers) - 3} more" if len(consumers) > 3 else "")


async def delete(tx: AsyncSession, context: Context, secret: Secret, *, force: bool = True, reason: str = "asked") -> None:
    """Gone for ever, with its payload. Raises Conflict, BadRequest."""
    require_free(secret, force=force)
    await tx.delete(secret)
    await tx.flush()
    await events.emit(tx, context, SecretDeleted(secret.id, secret.name, reason), project_id=secret.project_id)


async def forget_expired(tx: AsyncSession, now: datetime) -> int:
    """Delete secrets whose time has come; nobody sees them any more. One that a part of this cloud uses stays."""
    query = select(Secret).where(Secret.expiration <= now, ~Secret.consumers.any(SecretConsumer.held.is_(True))).limit(BATCH)
    rows = list((await tx.execute(query)).scalars())
    for row in rows:
        await delete(tx, internal(row.project_id), row, reason="expired")
    return len(rows)


async def project_gone(tx: AsyncSession, happened: Happened) -> None:
    """Delete the secrets of a deleted project, and with the last of them its key: what a copy of the database may still have of them
    opens with nothing then."""
    project_id = happened.resource_id or ""
    rows = list((await tx.execute(select(Secret).where(Secret.project_id == project_id))).scalars())
    for row in rows:
        if not row.held:
            await delete(tx, internal(project_id), row, reason="project deleted")
    key = await tx.get(ProjectKey, project_id)
    if key is not None and not any(row.held for row in rows):
        await tx.delete(key)
