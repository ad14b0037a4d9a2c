"""What was done to a server, for its owner to read; the records are written by actions.py."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import ActionEvent, Server, ServerAction
from cloudd.core.errors import NotFound


async def listed(tx: AsyncSession, server: Server, *, limit: int | None = None, marker: str | None = None,
                 since: datetime | None = None, before: datetime | None = None) -> list[ServerAction]:
    """The newest first; one more than `limit`, so that a next page can be told. Raises NotFound for a marker that is none."""
    query = select(ServerAction).where(ServerAction.server_id == server.id)
    if since is not None:
        query = query.where(ServerAction.updated_at >= since)
    if before is not None:
        query = query.where(ServerAction.updated_at <= before)
    if marker is not None:
        last = await find(tx, server, marker)
        query = query.where(tuple_(ServerAction.started_at, ServerAction.id) < (last.started_at, last.id))
    query = query.order_by(ServerAction.started_at.desc(), ServerAction.id.desc())
    return list((await tx.execute(query if limit is None else query.limit(limit + 1))).scalars())


async def find(tx: AsyncSession, server: Server, request_id: str) -> ServerAction:
    """Raises NotFound."""
    query = select(ServerAction).where(ServerAction.server_id == server.id, ServerAction.request_id == request_id)
    row = (await tx.execute(query.order_by(ServerAction.id).limit(1))).scalar()
    if row is None:
        raise NotFound(f"Action for request_id {request_id} on instance {server.id} not found",
                       type="InstanceActionNotFound")
    return row


async def events_of(tx: AsyncSession, actions: Iterable[ServerAction]) -> list[ActionEvent]:
    query = select(ActionEvent).where(ActionEvent.action_id.in_([row.id for row in actions]))
    return list((await tx.execute(query.order_by(ActionEvent.id))).scalars())
