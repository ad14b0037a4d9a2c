"""Diagnostics of a server over HTTP."""

from typing import Any

from cloudd.compute.api import API
from cloudd.compute.config import CONFIG
from cloudd.compute.models import Server
from cloudd.compute.servers import diagnostics as server_diagnostics
from cloudd.compute.versions import DIAGNOSTICS_SCHEMA
from cloudd.core.http import Request
from cloudd.core.http.types import Bool, Int, List, Map, Record, Text

RULE = "os_compute_api:os-server-diagnostics"
COUNT = Int(null=True)
NIC = Record({"mac_address": Text(), **{f"{way}_{what}": COUNT for way in ("rx", "tx")
                                        for what in ("octets", "packets", "drop", "errors", "rate")}})
DISK = Record({**dict.fromkeys(("read_bytes", "read_requests", "write_bytes", "write_requests"), Int()), "errors_count": COUNT})
DIAGNOSTICS = Record({
    **dict.fromkeys(("state", "driver", "hypervisor", "hypervisor_os"), Text()), "uptime": COUNT, "config_drive": Bool(),
    **dict.fromkeys(("num_cpus", "num_nics", "num_disks"), Int()), "nic_details": List(NIC), "disk_details": List(DISK),
    "cpu_details": List(Record({"id": Int(), "time": Int(), "utilisation": COUNT})),
    "memory_details": Record({"maximum": Int(), "used": Int()})})
resource = API.resource("/servers/{server}/diagnostics", live=True, policy=RULE)


@resource.get("", until="2.47", answer=Map(Int()))
async def show_plain(request: Request, server: Server) -> dict[str, Any]:
    """Show what a guest does right now, in the hypervisor's words."""
    return server_diagnostics.plain(await server_diagnostics.look(request.parts, server))


@resource.get("", since=DIAGNOSTICS_SCHEMA, answer=DIAGNOSTICS)
async def show(request: Request, server: Server) -> dict[str, Any]:
    """Show what a guest does right now."""
    virt_type = CONFIG.caps.virt_type if CONFIG.caps else "qemu"
    return server_diagnostics.ordered(await server_diagnostics.look(request.parts, server), request.context.now(), virt_type)
