"""How a guest does right now: processors, memory, disks as the hypervisor counts them, NICs as the network driver does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudd import network
from cloudd.compute.models import Server
from cloudd.compute.servers import interfaces
from cloudd.core.errors import Conflict, Unavailable
from cloudd.core.parts import Parts
from cloudd.drivers.hypervisor.base import DomainNotFound, DomainState, DomainStats, Hypervisor, HypervisorError
from cloudd.network import PortView

STATES = {DomainState.RUNNING: "running", DomainState.PAUSED: "paused", DomainState.SHUTOFF: "shutdown",
          DomainState.SUSPENDED: "suspended", DomainState.CRASHED: "crashed"}


@dataclass(frozen=True)
class Diagnosis:
    server: Server
    stats: DomainStats
    ports: list[PortView]
    counters: dict[str, Any]


async def look(parts: Parts, server: Server) -> Diagnosis:
    """Ask the drivers. Raises Conflict for a guest that is off, Unavailable when a driver does not answer."""
    async with parts.database.read() as tx:
        ports = [view for _, view in await interfaces.listed(tx, server)]
    try:
        stats = await parts.driver(Hypervisor).stats(server.id)
        counters = await network.port_counters(parts, [view.id for view in ports])
    except DomainNotFound as exc:
        raise Conflict(f"Cannot 'get_diagnostics' instance {server.id} while it is in vm_state {server.vm_state}: it has "
                       "no guest now.", type="InstanceInvalidState") from exc
    except HypervisorError as exc:
        raise Unavailable(f"The diagnostics of server {server.id} cannot be had: {exc}") from exc
    if stats.state not in (DomainState.RUNNING, DomainState.PAUSED):
        raise Conflict(f"Cannot 'get_diagnostics' instance {server.id} while it is in power state {STATES[stats.state]}",
                       type="InstanceInvalidPowerState")
    return Diagnosis(server, stats, ports, counters)


def plain(found: Diagnosis) -> dict[str, Any]:
    """The form before 2.48: the names that libvirt's driver had for it. Memory in KiB."""
    shown: dict[str, Any] = {"memory": found.stats.memory_max_mb * 1024, "memory-actual": found.stats.memory_max_mb * 1024,
                             "memory-rss": found.stats.memory_used_mb * 1024}
    shown.update({f"cpu{cpu.id}_time": cpu.time_ns for cpu in found.stats.vcpus})
    for disk in found.stats.disks:
        shown.update({f"{disk.target}_read": disk.read_bytes, f"{disk.target}_read_req": disk.read_requests,
                      f"{disk.target}_write": disk.write_bytes, f"{disk.target}_write_req": disk.write_requests,
                      f"{disk.target}_errors": disk.errors})
    for view in found.ports:
        if (count := found.counters.get(view.id)) is not None:
            shown.update({f"{view.tap}_rx": count.rx_bytes, f"{view.tap}_rx_packets": count.rx_packets,
                          f"{view.tap}_rx_drop": count.rx_drops, f"{view.tap}_rx_errors": count.rx_errors,
                          f"{view.tap}_tx": count.tx_bytes, f"{view.tap}_tx_packets": count.tx_packets,
                          f"{view.tap}_tx_drop": count.tx_drops, f"{view.tap}_tx_errors": count.tx_errors})
    return shown


def ordered(found: Diagnosis, now: datetime, virt_type: str) -> dict[str, Any]:
    """The form since 2.48, alike for every hypervisor. What is not measured is null."""
    stats, server = found.stats, found.server
    nics, disks = [_nic(view, found.counters.get(view.id)) for view in found.ports], [_disk(disk) for disk in stats.disks]
    return {"state": STATES[stats.state], "driver": "libvirt", "hypervisor": virt_type, "hypervisor_os": "linux",
            "uptime": int((now - server.launched_at).total_seconds()) if server.launched_at else None,
            "config_drive": server.config_drive, "num_cpus": len(stats.vcpus), "num_nics": len(nics), "num_disks": len(disks),
            "cpu_details": [{"id": cpu.id, "time": cpu.time_ns, "utilisation": None} for cpu in stats.vcpus],
            "nic_details": nics, "disk_details": disks,
            "memory_details": {"maximum": stats.memory_max_mb, "used": stats.memory_used_mb}}


def _nic(view: PortView, count: Any) -> dict[str, Any]:
    names = (("rx_octets", "rx_bytes"), ("rx_packets", "rx_packets"), ("rx_drop", "rx_drops"), ("rx_errors", "rx_errors"),
             ("tx_octets", "tx_bytes"), ("tx_packets", "tx_packets"), ("tx_drop", "tx_drops"), ("tx_errors", "tx_errors"))
    counted = {public: getattr(count, name) if count else None for public, name in names}
    return {"mac_address": view.mac_address, **counted, "rx_rate": None, "tx_rate": None}


def _disk(disk: Any) -> dict[str, Any]:
    return {"read_bytes": disk.read_bytes, "read_requests": disk.read_requests, "write_bytes": disk.write_bytes,
            "write_requests": disk.write_requests, "errors_count": disk.errors if disk.errors >= 0 else None}
