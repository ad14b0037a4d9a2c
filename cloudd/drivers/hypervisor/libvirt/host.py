"""What the machine is, what it can, and what a guest uses."""

import grp
import os
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from cloudd.drivers.hypervisor.base import (
    Capabilities,
    CpuInfo,
    DiskStats,
    DomainState,
    DomainStats,
    HostInfo,
    MachineCaps,
    VcpuStats,
)
from cloudd.drivers.hypervisor.libvirt import power

GIB = 1 << 30
TB_CACHE_SINCE = 8_000_000           # libvirt
STATS = (libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
         | libvirt.VIR_DOMAIN_STATS_BLOCK)
OUR_NIC_MODELS = ("virtio", "e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet")
ISA_SERIAL_PORTS = 4                 # libvirt's and QEMU's limit, told nowhere
VERSIONED = re.compile(r"pc-(i440fx|q35)-[\w.]+")
OUR_BUSES = ("virtio", "scsi", "ide", "sata", "usb")


@dataclass(frozen=True)
class Found:
    """Told once, when the connection is opened."""

    caps: Capabilities
    cpu: CpuInfo
    hostname: str
    hypervisor_version: int
    tb_cache: bool
    video: str
    cpu_models: tuple[str, ...]


def kvm_is_offered(conn: libvirt.virConnect) -> bool:
    caps = ET.fromstring(conn.getCapabilities())
    return any(kind.get("type") == "kvm" for kind in caps.iterfind("guest/arch/domain"))


def group_of_qemu(conn: libvirt.virConnect) -> int | None:
    """The group that libvirt runs guests in (`+64055:+64055` for user and group); None where it does not change it."""
    label = ET.fromstring(conn.getCapabilities()).findtext("host/secmodel[model='dac']/baselabel[@type='qemu']", "")
    group = label.rpartition(":")[2].removeprefix("+")
    if not group:
        return None
    return int(group) if group.isdigit() else grp.getgrnam(group).gr_gid


def look(conn: libvirt.virConnect, virt_type: str, machine: str) -> Found:
    host = ET.fromstring(conn.getCapabilities()).find("host")
    arch = host.findtext("cpu/arch", "x86_64")
    offers = {name: ET.fromstring(conn.getDomainCapabilities(None, arch, name, virt_type)) for name in ("pc", "q35")}
    machines = tuple(_machine(kind, told) for kind, told in offers.items())
    videos = tuple(dict.fromkeys(model for one in machines for model in one.video_models))
    caps = Capabilities(
        arch=arch, virt_type=virt_type, machine_types=_machine_types(conn, arch), default_machine=machine, video_models=videos,
        max_vcpus=min(one.max_vcpus for one in machines),
        disk_buses=tuple(bus for bus in OUR_BUSES if any(bus in one.disk_buses for one in machines)),
        nic_models=OUR_NIC_MODELS, uefi=any(one.uefi for one in machines), serial_ports=ISA_SERIAL_PORTS, machines=machines)
    return Found(caps, _cpu(host, arch), conn.getHostname(), conn.getVersion(), conn.getLibVersion() >= TB_CACHE_SINCE,
                 "virtio" if "virtio" in videos else "vga", tuple(sorted(conn.getCPUModelNames(arch))))


def _machine(kind: str, told: ET.Element) -> MachineCaps:
    buses = _values(told, "devices/disk/enum[@name='bus']")
    return MachineCaps(kind, tuple(bus for bus in OUR_BUSES if bus in buses),
                       _values(told, "devices/video/enum[@name='modelType']"),
                       "efi" in _values(told, "os/enum[@name='firmware']"), int(told.find("vcpu").get("max", "1")))


def _machine_types(conn: libvirt.virConnect, arch: str) -> tuple[str, ...]:
    """The names of the machines that we make: `pc`, `q35` and their versions."""
    names = ET.fromstring(conn.getCapabilities()).iterfind(f"guest/arch[@name='{arch}']/machine")
    return ("pc", "q35", *sorted({name.text or "" for name in names if VERSIONED.fullmatch(name.text or "")}))


def _values(told: ET.Element, path: str) -> tuple[str, ...]:
    return tuple(value.text or "" for value in told.iterfind(f"{path}/value"))


def _cpu(host: ET.Element, arch: str) -> CpuInfo:
    cpu = host.find("cpu")
    topology = cpu.find("topology")
    count = {name: int(topology.get(name, "1")) if topology is not None else 1 for name in ("sockets", "cores", "threads")}
    features = tuple(sorted(feature.get("name", "") for feature in cpu.iterfind("feature")))
    cells = host.find("topology/cells")
    return CpuInfo(arch, cpu.findtext("model", ""), cpu.findtext("vendor", ""), features,
                   int(cells.get("num", "1")) if cells is not None else 1, **count)


def info(conn: libvirt.virConnect, found: Found, folder: Path) -> HostInfo:
    vcpus = conn.getInfo()[2]                            # its memory is wrong on machines with odd NUMA tables
    memory = conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    memory_mb = memory["total"] // 1024
    idle_kb = memory.get("free", 0) + memory.get("buffers", 0) + memory.get("cached", 0)
    disk = os.statvfs(folder)
    total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    return HostInfo(
        hostname=found.hostname, arch=found.caps.arch, vcpus=vcpus, cpu=found.cpu,
        memory_mb=memory_mb, memory_used_mb=max(0, memory_mb - idle_kb // 1024),
        disk_gb=total // GIB, disk_used_gb=(total - free) // GIB,
        hypervisor_type="QEMU", hypervisor_version=found.hypervisor_version, virt_type=found.caps.virt_type,
        uptime=uptime(), host_ip=_address(found.hostname))


def uptime() -> str:
    """As uptime(1) tells it, which is what clients of Nova take apart."""
    seconds = int(float(Path("/proc/uptime").read_text().split()[0]))
    days, rest = divmod(seconds, 86400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    day_words = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return f" {time.strftime('%H:%M:%S')} up {day_words}{hours:2d}:{minutes:02d},  0 users,  load average: {load}"


def _address(hostname: str) -> str:
    try:
        return socket.gethostbyname(hostname)
    except OSError:
        return "127.0.0.1"


def stats(conn: libvirt.virConnect, server_id: str) -> DomainStats:
    domain = power.find(conn, server_id)
    state = power.state_of(domain)
    told = conn.domainListGetStats([domain], STATS)[0][1]
    vcpus = tuple(VcpuStats(number, told[f"vcpu.{number}.time"]) for number in range(told.get("vcpu.maximum", 0))
                  if f"vcpu.{number}.time" in told)
    running = state in (DomainState.RUNNING, DomainState.PAUSED)
    disks = tuple(_disk_stats(told, number) for number in range(told.get("block.count", 0))) if running else ()
    return DomainStats(state, vcpus, disks, told.get("balloon.maximum", 0) // 1024, _memory_used(told) if running else 0)


def _disk_stats(told: dict, number: int) -> DiskStats:
    def value(name: str) -> int:
        return told.get(f"block.{number}.{name}", 0)
    return DiskStats(told[f"block.{number}.name"], value("rd.bytes"), value("rd.reqs"), value("wr.bytes"), value("wr.reqs"))


def _memory_used(told: dict) -> int:
    """What the guest says it uses, or what it may use when its balloon driver says nothing."""
    current = told.get("balloon.current", 0)
    return (current - told.get("balloon.unused", 0)) // 1024


def screenshot(conn: libvirt.virConnect, server_id: str) -> bytes:
    stream = conn.newStream(0)
    parts: list[bytes] = []
    power.find(conn, server_id).screenshot(stream, 0, 0)
    stream.recvAll(lambda _, data, __: parts.append(data), None)
    stream.finish()
    return b"".join(parts)
