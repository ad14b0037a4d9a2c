"""What touches the guest at once, and what administrators do to servers: diagnostics, password, crash dump, forced states."""

from typing import Any

from cloudd import network
from cloudd.compute import servers_admin, servers_delete
from cloudd.compute import versions as v
from cloudd.compute.api import API
from cloudd.compute.api.servers_shapes import CHANGE_PASSWORD, RESET_STATE
from cloudd.compute.models import Server
from cloudd.core.http import Request
from cloudd.drivers.hypervisor.base import DomainState, DomainStats, Hypervisor

RULE = "os_compute_api:"
actions = API.resource("/servers/{server}/action", status=202)
STATES = {DomainState.RUNNING: "running", DomainState.PAUSED: "paused", DomainState.SHUTOFF: "shutdown",
          DomainState.CRASHED: "crashed", DomainState.SUSPENDED: "suspended"}


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


@API.resource("/servers/{server}/diagnostics").get(policy=RULE + "os-server-diagnostics", live=True)
async def diagnostics(request: Request, server: Server) -> dict[str, Any]:
    """Tell a guest's figures."""
    stats = await servers_admin.diagnostics(request.parts, server)
    if not request.has(v.DIAGNOSTICS_SCHEMA):
        return _plain(stats)
    async with request.parts.database.read() as tx:
        macs = [port.mac_address for port in (await network.ports_of(tx, [server.id]))[server.id]]
    return _standard(request, server, stats, macs)


def _plain(stats: DomainStats) -> dict[str, Any]:
    """As libvirt's driver in Nova tells them, by names made of the devices'."""
    figures: dict[str, Any] = {f"cpu{cpu.id}_time": cpu.time_ns for cpu in stats.vcpus}
    for disk in stats.disks:
        figures |= {f"{disk.target}_read": disk.read_bytes, f"{disk.target}_read_req": disk.read_requests,
                    f"{disk.target}_write": disk.write_bytes, f"{disk.target}_write_req": disk.write_requests,
                    f"{disk.target}_errors": disk.errors}
    return {**figures, "memory": stats.memory_max_mb * 1024, "memory-actual": stats.memory_max_mb * 1024,
            "memory-rss": stats.memory_used_mb * 1024}


def _uptime(request: Request, server: Server) -> int | None:
    """Seconds since the server was built: how long its guest is up, only the guest knows."""
    return int((request.context.now() - server.launched_at).total_seconds()) if server.launched_at else None


def _standard(request: Request, server: Server, stats: DomainStats, macs: list[str]) -> dict[str, Any]:
    driver = request.driver(Hypervisor)
    nothing = dict.fromkeys(("rx_octets", "rx_errors", "rx_drop", "rx_packets", "rx_rate", "tx_octets", "tx_errors", "tx_drop",
                             "tx_packets", "tx_rate"))
    disks = [{"read_bytes": disk.read_bytes, "read_requests": disk.read_requests, "write_bytes": disk.write_bytes,
              "write_requests": disk.write_requests, "errors_count": disk.errors} for disk in stats.disks]
    return {"config_drive": server.config_drive, "state": STATES[stats.state], "driver": "libvirt",
            "hypervisor": driver.caps().virt_type, "hypervisor_os": "linux", "uptime": _uptime(request, server),
            "num_cpus": len(stats.vcpus), "num_nics": len(macs), "num_disks": len(disks),
            "cpu_details": [{"id": cpu.id, "time": cpu.time_ns, "utilisation": None} for cpu in stats.vcpus],
            "nic_details": [{"mac_address": mac, **nothing} for mac in macs], "disk_details": disks,
            "memory_details": {"maximum": stats.memory_max_mb, "used": stats.memory_used_mb}}


