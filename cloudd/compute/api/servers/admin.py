"""What touches the guest at once, and what administrators do to servers: password, crash dump, forced states."""

from typing import Any

from cloudd.compute import versions as v
from cloudd.compute.api import API
from cloudd.compute.api.servers.shapes import CHANGE_PASSWORD, RESET_STATE
from cloudd.compute.models import Server
from cloudd.compute.servers import admin as servers_admin
from cloudd.compute.servers import delete as servers_delete
from cloudd.core.http import Request

RULE = "os_compute_api:"
actions = API.resource("/servers/{server}/action", status=202)


@actions.post(action="forceDelete", policy=RULE + "os-deferred-delete:force")
async def force_delete(request: Request, tx: Any, server: Server) -> None:
    """Delete a server at once."""
    await servers_delete.delete(request.context, tx, server)


@actions.post(action="os-resetState", body=RESET_STATE, policy=RULE + "os-admin-actions:reset_state")
async def reset_state(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> None:
    """Say that a server is active or in error."""
    await servers_admin.reset_state(request.context, tx, server, body["state"])


@actions.post(action="injectNetworkInfo", policy=RULE + "os-admin-actions:inject_network_info")
async def inject_network_info(request: Request, server: Server) -> None:
    """Do what an old hypervisor needed; guests here learn of their network by DHCP and metadata."""


@actions.post(action="changePassword", body=CHANGE_PASSWORD, live=True, policy=RULE + "os-admin-password")
async def change_password(request: Request, server: Server, body: dict[str, Any]) -> None:
    """Set the administrator's password inside the guest."""
    await servers_admin.change_password(request.parts, request.context, server, body["adminPass"])


@actions.post(action="trigger_crash_dump", since=v.CRASH_DUMP, live=True, policy=RULE + "servers:trigger_crash_dump")
async def trigger_crash_dump(request: Request, server: Server) -> None:
    """Make a guest's kernel dump."""
    await servers_admin.crash_dump(request.parts, request.context, server)
