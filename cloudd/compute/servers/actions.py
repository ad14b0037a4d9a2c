"""The record of what was done to servers: Nova's instance actions and the events in them."""

import traceback

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.config import CONFIG
from cloudd.compute.models import ActionEvent, Server, ServerAction
from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.errors import CloudError

SUCCESS, ERROR = "Success", "Error"
POWER = ("reboot", "start")
EVENTS = {
    "create": "compute__do_build_and_run_instance", "delete": "compute_terminate_instance", "start": "compute_start_instance",
    "stop": "compute_stop_instance", "reboot": "compute_reboot_instance", "pause": "compute_pause_instance",
    "unpause": "compute_unpause_instance", "suspend": "compute_suspend_instance", "resume": "compute_resume_instance",
    "rebuild": "compute_rebuild_instance", "rescue": "compute_rescue_instance", "unrescue": "compute_unrescue_instance",
    "createImage": "compute_snapshot_instance", "resize": "compute_finish_resize", "confirmResize": "compute_confirm_resize",
    "revertResize": "compute_finish_revert_resize", "changePassword": "compute_set_admin_password",
    "attach_interface": "compute_attach_interface", "detach_interface": "compute_detach_interface",
    "attach_volume": "compute_attach_volume", "detach_volume": "compute_detach_volume",
    "trigger_crash_dump": "compute_trigger_crash_dump", "lock": "api_lock", "unlock": "api_unlock",
}
"""The event under which clients look for the work of an action."""


async def begin(tx: AsyncSession, context: Context, server: Server, action: str, *, work: bool = True) -> ServerAction:
    """Record that somebody asked for an action; `work`: something is now done for it, `finish` tells how it ended."""
    now = context.now()
    row = ServerAction(server_id=server.id, action=action, request_id=context.request_id, project_id=context.project_id,
                       user_id=context.user_id, started_at=now, updated_at=now)
    tx.add(row)
    await tx.flush()
    if work:
        tx.add(ActionEvent(action_id=row.id, event=EVENTS[action], host=CONFIG.host, started_at=now))
    return row


async def only_power_failed(tx: AsyncSession, server_id: str) -> bool:
    """Whether what was done last touched a server's power only, and failed: one that runs is well, then."""
    query = select(ServerAction).where(ServerAction.server_id == server_id, ServerAction.action.not_in(("lock", "unlock")))
    last = (await tx.execute(query.order_by(ServerAction.id.desc()).limit(1))).scalar()
    return last is not None and last.message == "Error" and last.action in POWER


async def finish(tx: AsyncSession, server_id: str, request_id: str, error: BaseException | None = None) -> None:
    """Say how an action's work ended. An action that is not recorded, or ended already, is left alone."""
    query = select(ServerAction).where(ServerAction.server_id == server_id, ServerAction.request_id == request_id)
    action = (await tx.execute(query.order_by(ServerAction.id.desc()).limit(1))).scalar()
    if action is None:
        return
    now = clock.now()
    action.updated_at = now
    if error is not None:
        action.message = "Error"
    open_events = select(ActionEvent).where(ActionEvent.action_id == action.id, ActionEvent.finished_at.is_(None))
    for row in (await tx.execute(open_events)).scalars():
        row.finished_at, row.result = now, ERROR if error else SUCCESS
        if error is not None:
            row.details = error.message if isinstance(error, CloudError) else str(error)
            row.traceback = "".join(traceback.format_exception(error))[-8000:]
    await tx.flush()
