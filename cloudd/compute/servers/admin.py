"""Locks, forced states, and the guest's own affairs: its password, its crash dump."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.models import Server
from cloudd.compute.servers import actions
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, Forbidden
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import Hypervisor, HypervisorError


async def lock(context: Context, tx: AsyncSession, server: Server, reason: str | None) -> None:
    """Let nobody but administrators change the server; an administrator's lock goes over the owner's."""
    by_owner = server.project_id == context.project_id and not context.is_admin
    if server.locked and server.locked_by == "admin" and by_owner:
        return
    server.locked_by, server.locked_reason = "owner" if server.project_id == context.project_id else "admin", reason
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "lock", work=False)
    await tell(tx, context, server, "lock")


async def unlock(context: Context, tx: AsyncSession, server: Server, *, override: bool) -> None:
    """Undo a lock; an administrator's only by who may override."""
    if server.locked_by == "admin" and not override:
        raise Forbidden(f"Instance {server.id} is locked by an administrator: only an administrator can unlock it.")
    server.locked_by = server.locked_reason = None
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "unlock", work=False)
    await tell(tx, context, server, "unlock")


async def reset_state(context: Context, tx: AsyncSession, server: Server, state: str) -> None:
    """Say that a server is active or in error, whatever was being done to it. What was asked of its jobs is cancelled."""
    await jobs.cancel(tx, server.id)
    states.SERVER.force(server, state=states.ACTIVE if state == "active" else states.ERROR, busy=None)
    await touch(context, tx, server)
    await tell(tx, context, server, "update")


async def change_password(parts: Parts, context: Context, server: Server, password: str) -> None:
    """Set the administrator's password in the guest, through its agent. Raises Conflict when no agent answers."""
    async with parts.database.write() as tx:
        server = await tx.get_one(Server, server.id)
        require_unlocked(context, server)
        states.require_launched(server, "changePassword")
        await states.SERVER.enter(tx, server, "changePassword")
        await actions.begin(tx, context, server, "changePassword")
    error: BaseException | None = None
    try:
        user = server.image.get("properties", {}).get("os_admin_user") or (
            "Administrator" if server.image.get("properties", {}).get("os_type") == "windows" else "root")
        await parts.driver(Hypervisor).set_admin_password(server.id, user, password)
    except HypervisorError as exc:
        error = exc
    async with parts.database.write() as tx:
        server = await tx.get_one(Server, server.id)
        states.settle(server)
        await touch(context, tx, server)
        await actions.finish(tx, server.id, context.request_id, error)
    if error is not None:
        raise Conflict(f"Failed to set admin password on {server.id} because error setting admin password: {error}",
                       type="InstancePasswordSetFailed") from error


async def crash_dump(parts: Parts, context: Context, server: Server) -> None:
    """Send the guest a non-maskable interrupt, at which its kernel may dump."""
    require_unlocked(context, server)
    states.require_launched(server, "trigger_crash_dump")
    states.require(server, "trigger_crash_dump")
    try:
        await parts.driver(Hypervisor).inject_nmi(server.id)
    except HypervisorError as exc:
        raise Conflict(f"Cannot 'trigger_crash_dump' instance {server.id}: {exc}") from exc
    async with parts.database.write() as tx:
        server = await tx.get_one(Server, server.id)
        await actions.begin(tx, context, server, "trigger_crash_dump")
        await actions.finish(tx, server.id, context.request_id)
