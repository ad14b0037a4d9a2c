"""Diagnostics of a server over HTTP."""

from typing import Any

from cloudd.compute.api import API
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server
from cloudd.compute.servers import diagnostics as server_diagnostics
from cloudd.compute.versions import DIAGNOSTICS_SCHEMA
from cloudd.core.http import Request


@API.resource("/servers/{server}/diagnostics").get("", live=True, policy="os_compute_api:os-server-diagnostics")
async def show(request: Request, server: Server) -> dict[str, Any]:
    """Show what a guest does right now."""
    found = await server_diagnostics.look(request.parts, server)
    if not request.has(DIAGNOSTICS_SCHEMA):
        return server_diagnostics.plain(found)
    virt_type = CONFIG.caps.virt_type if CONFIG.caps else "qemu"
    return server_diagnostics.ordered(found, request.context.now(), virt_type)
