"""What users note of a secret: keys and values, keys in small letters."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound, OverQuota
from cloudd.keymanager.audit import MetadataChanged
from cloudd.keymanager.models import Secret, SecretMetadatum

LONGEST = 255
_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST}}}")


def key(text: str) -> str:
    """Raises BadRequest."""
    if not _KEY.fullmatch(text):
        raise BadRequest(f"Invalid Key. Key must be URL safe: {text[:100]!r} is not of 1 to {LONGEST} letters, digits, _ and -.")
    return text.lower()


def value(text: str) -> str:
    """Raises BadRequest."""
    if len(text) > LONGEST:
        raise BadRequest(f"Invalid Metadata. A value has at most {LONGEST} characters, not {len(text)}.")
    return text


async def of(tx: AsyncSession, secret: Secret) -> dict[str, str]:
    query = select(SecretMetadatum.key, SecretMetadatum.value).where(SecretMetadatum.secret_id == secret.id).order_by(SecretMetadatum.key)
    return {name: text for name, text in await tx.execute(query)}


async def replace(settings: Any, tx: AsyncSession, context: Context, secret: Secret, wanted: Mapping[str, str]) -> None:
    """All of it. Raises BadRequest, OverQuota."""
    pairs = {key(name): value(text) for name, text in wanted.items()}
    _require_few(settings, len(pairs))
    await tx.execute(delete(SecretMetadatum).where(SecretMetadatum.secret_id == secret.id))
    tx.add_all(SecretMetadatum(secret_id=secret.id, key=name, value=text) for name, text in pairs.items())
    await _tell(tx, context, secret)


async def add(settings: Any, tx: AsyncSession, context: Context, secret: Secret, name: str, text: str) -> tuple[str, str]:
    """Raises Conflict for a key that is there, BadRequest, OverQuota."""
    name, text, there = key(name), value(text), await of(tx, secret)
    if name in there:
        raise Conflict(f"Conflict. Key in request is already in the secret metadata: {name}.")
    _require_few(settings, len(there) + 1)
    tx.add(SecretMetadatum(secret_id=secret.id, key=name, value=text))
    await _tell(tx, context, secret)
    return name, text


async def change(tx: AsyncSession, context: Context, secret: Secret, name: str, sent: str, text: str) -> tuple[str, str]:
    """Raises NotFound; Conflict where the body names another key than the address."""
    row = await find(tx, secret, name)
    if key(sent) != row.key:
        raise Conflict(f"Key in request data does not match key in the request url: {sent} is not {row.key}.")
    row.value = value(text)
    await _tell(tx, context, secret)
    return row.key, row.value


async def find(tx: AsyncSession, secret: Secret, name: str) -> SecretMetadatum:
    row = await tx.get(SecretMetadatum, (secret.id, name))
    if row is None:
        raise NotFound(f"Secret metadata not found: the secret has no key {name}.", type="SecretMetadataNotFound")
    return row


async def drop(tx: AsyncSession, context: Context, secret: Secret, name: str) -> None:
    """Raises NotFound."""
    await tx.delete(await find(tx, secret, name))
    await _tell(tx, context, secret)


def _require_few(settings: Any, attempted: int) -> None:
    most = settings.key_manager.max_metadata_items
    if 0 <= most < attempted:
        raise OverQuota(f"The secret would have {attempted} items of metadata; {most} are possible (max_metadata_items).",
                        type="LimitExceeded")


async def _tell(tx: AsyncSession, context: Context, secret: Secret) -> None:
    secret.updated_at = context.now()
    await tx.flush()
    await events.emit(tx, context, MetadataChanged(secret.id, list(await of(tx, secret))), project_id=secret.project_id)
