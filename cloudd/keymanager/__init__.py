"""Keys: secrets that lie sealed in the database. This is the face for the other modules.

It makes, copies, opens and deletes them, and keeps those that something uses. What it hands out never goes into a log, an event, a
job's memory or the arguments of a process.
"""

import os
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.database import savepoint
from cloudd.core.parts import Parts
from cloudd.keymanager import consumers, payloads, quotas, secrets
from cloudd.keymanager.models import Secret
from cloudd.keymanager.sealing import Vault

__all__ = ["Secret", "copy", "delete", "find", "hold", "let_go", "make", "open_payload", "ready", "store"]


async def ready(parts: Parts, tx: AsyncSession) -> None:
    """Raise Unavailable while no key can be made or opened: asked before something is promised that needs one."""
    await parts.service(Vault).check(tx)


async def find(context: Context, tx: AsyncSession, secret_id: str, project_id: str | None = None) -> Secret:
    """A secret of the caller's project, or of the one that is named. Raises NotFound, also for one whose time has come unless
    something holds it."""
    query = select(Secret).where(Secret.id == secret_id, Secret.project_id == (project_id or context.project_id))
    row = (await tx.execute(query)).scalar()
    if row is None or (row.expiration is not None and row.expiration <= context.now() and not row.held):
        raise secrets.missing(secret_id)
    return row


async def make(parts: Parts, context: Context, tx: AsyncSession, name: str, *, algorithm: str, bit_length: int,
               mode: str | None = None) -> Secret:
    """A new random symmetric key in the caller's project. Raises OverQuota, Unavailable."""
    values = {"name": name, "secret_type": secrets.SYMMETRIC, "algorithm": algorithm, "bit_length": bit_length, "mode": mode}
    return await store(parts, context, tx, os.urandom(bit_length // 8), values)


async def store(parts: Parts, context: Context, tx: AsyncSession, payload: bytes, values: Mapping[str, Any], *,
                copy_of: str | None = None) -> Secret:
    """A secret with this payload; `values` has its name, secret_type, algorithm, bit_length, mode. Raises OverQuota, Unavailable."""
    await quotas.of(parts.settings).require(tx, str(context.project_id), secrets=1)
    async with savepoint(tx):
        row = await secrets.create(tx, context, values, copy_of=copy_of)
        await secrets.put_payload(parts.service(Vault), tx, row, payload, payloads.OCTETS)
    return row


async def copy(parts: Parts, context: Context, tx: AsyncSession, secret_id: str, *, project_id: str | None = None,
               name: str | None = None) -> Secret:
    """The same secret once more, in the caller's project and his; `project_id`: whose it is, where it is another's. The copy has no
    end, since what it opens has none. Raises NotFound, OverQuota, Unavailable."""
    row = await find(context, tx, secret_id, project_id)
    payload = await secrets.peek(parts.service(Vault), tx, row)
    values = {"name": name or row.name, "secret_type": row.secret_type, "algorithm": row.algorithm, "bit_length": row.bit_length,
              "mode": row.mode}
    return await store(parts, context, tx, payload, values, copy_of=row.id)


async def open_payload(parts: Parts, context: Context, tx: AsyncSession, secret_id: str, *, purpose: str,
                       project_id: str | None = None) -> bytes:
    """What is secret; `purpose` says in the audit log for what ("volume ID"). `tx` is a write transaction. Raises NotFound,
    Unavailable."""
    row = await find(context, tx, secret_id, project_id)
    return await secrets.payload(parts.service(Vault), tx, context, row, purpose)


async def hold(context: Context, tx: AsyncSession, secret_id: str, service: str, resource_type: str, resource_id: str, *,
               project_id: str | None = None) -> None:
    """From now on nobody deletes the secret: the answer names this resource. Repeated, it is done once. Raises NotFound."""
    row = await find(context, tx, secret_id, project_id)
    await consumers.hold(tx, context, row, service, resource_type, resource_id)


async def let_go(context: Context, tx: AsyncSession, service: str, resource_type: str, resource_id: str, *,
                 drop: bool = False) -> None:
    """A resource uses its secrets no more; with `drop` those that nobody else uses are deleted as well. Repeated, it does nothing."""
    for row in await consumers.let_go(tx, context, service, resource_type, resource_id):
        if drop and not row.consumers:
            await secrets.delete(tx, context, row)


async def delete(context: Context, tx: AsyncSession, secret_id: str, project_id: str | None = None) -> None:
    """Gone for ever. Raises NotFound; Conflict, naming who uses it."""
    await secrets.delete(tx, context, await find(context, tx, secret_id, project_id))
