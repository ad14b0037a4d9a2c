"""Disks and NICs of defined and running domains, and the copies and sizes of disks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from cloudd.core import ids
from cloudd.drivers.hypervisor.base import DiskSpec, DomainState, HypervisorError, NicSpec, default_bus, target_name
from cloudd.drivers.hypervisor.libvirt import domain_xml, power
from cloudd.drivers.hypervisor.libvirt.errors import is_code

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
MISSING = (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_INVALID_ARG)


@dataclass(frozen=True)
class Found:
    """A disk of a domain as libvirt has it."""

    target: str
    path: str
    format: str
    block_device: bool
    encrypted: bool                  # its file is longer than what the guest sees
    is_volume: bool                  # its driver has grown it already


def described(domain: libvirt.virDomain) -> dict[int, ET.Element]:
    """The domain's devices: as next started, and while it runs as it is now."""
    views = {CONFIG: ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))}
    if domain.isActive():
        views[LIVE] = ET.fromstring(domain.XMLDesc(0))
    return views


def with_alias(view: ET.Element, alias: str) -> ET.Element | None:
    for device in view.find("devices") or ():
        name = device.find("alias")
        if name is not None and name.get("name") == alias:
            return device
    return None


def _attach(domain: libvirt.virDomain, views: dict[int, ET.Element], alias: str, xml: str) -> None:
    flags = sum(flag for flag, view in views.items() if with_alias(view, alias) is None)
    if flags:
        domain.attachDeviceFlags(xml, flags)


def attach_nic(conn: libvirt.virConnect, server_id: str, nic: NicSpec) -> None:
    domain = power.find(conn, server_id)
    _attach(domain, described(domain), domain_xml.nic_alias(nic.port_id), domain_xml.nic(nic))


def attach_disk(conn: libvirt.virConnect, server_id: str, disk: DiskSpec, facts: domain_xml.Facts) -> str:
    domain = power.find(conn, server_id)
    views = described(domain)
    alias = domain_xml.disk_alias(disk.id)
    for view in views.values():
        if (present := with_alias(view, alias)) is not None:
            disk = replace(disk, target=present.find("target").get("dev"), bus=present.find("target").get("bus"))
    bus = disk.bus or default_bus(disk.device, views[CONFIG].find("os/type").get("machine", ""))
    taken = {target.get("dev", "") for view in views.values() for target in view.iterfind("devices/disk/target")}
    disk = replace(disk, bus=bus, target=disk.target or target_name(bus, taken))
    if bus == "scsi":
        _ensure_scsi(domain, views)
    _attach(domain, views, alias, domain_xml.disk(disk, facts, server_id))
    return disk.target


def _ensure_scsi(domain: libvirt.virDomain, views: dict[int, ET.Element]) -> None:
    """libvirt would add a controller by itself, of a kind that few guests know."""
    flags = sum(flag for flag, view in views.items() if view.find("devices/controller[@type='scsi']") is None)
    if flags:
        domain.attachDeviceFlags("<controller type='scsi' index='0' model='virtio-scsi'/>", flags)


def begin_detach(conn: libvirt.virConnect, server_id: str, alias: str) -> bool:
    """Ask the running guest to let go; False when there is nothing to wait for. May be asked again."""
    domain = power.find(conn, server_id)
    live = described(domain).get(LIVE)
    if live is None or with_alias(live, alias) is None:
        return False
    try:
        domain.detachDeviceAlias(alias, LIVE)
    except libvirt.libvirtError as exc:
        if is_code(exc, *MISSING):
            return False
        if not (is_code(exc, libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_INTERNAL_ERROR) and "unplug" in str(exc)):
            raise                                        # else: it is already being unplugged
    return True


def still_attached(conn: libvirt.virConnect, server_id: str, alias: str) -> bool:
    domain = power.find(conn, server_id)
    live = described(domain).get(LIVE)
    return live is not None and with_alias(live, alias) is not None


def unless_attached(conn: libvirt.virConnect, server_id: str, alias: str, call: Callable[[libvirt.virConnect], None]) -> None:
    domain = power.find_or_none(conn, server_id)
    if domain is None or all(with_alias(view, alias) is None for view in described(domain).values()):
        call(conn)


def detach_config(conn: libvirt.virConnect, server_id: str, alias: str) -> None:
    domain = power.find(conn, server_id)
    if with_alias(described(domain)[CONFIG], alias) is not None:
        domain.detachDeviceAlias(alias, CONFIG)


def find_disk(conn: libvirt.virConnect, server_id: str, disk_id: str) -> tuple[DomainState, Found]:
    domain = power.find(conn, server_id)
    power.let_end(domain)
    views = described(domain)
    device = with_alias(views.get(LIVE, views[CONFIG]), domain_xml.disk_alias(disk_id))
    if device is None:
        raise HypervisorError(f"the guest has no disk {disk_id}")
    source, driver, target = device.find("source"), device.find("driver"), device.find("target")
    path = "" if source is None else source.get("dev") or source.get("file") or ""
    found = Found(target.get("dev"), path, driver.get("type", "raw"), device.get("type") == "block",
                  device.find(".//encryption") is not None, ids.is_uuid(disk_id))
    return power.state_of(domain), found


def block_resize(conn: libvirt.virConnect, server_id: str, target: str, size: int) -> None:
    power.find(conn, server_id).blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def begin_backup(conn: libvirt.virConnect, server_id: str, target: str, path: Path, format: str) -> None:
    """Start writing the disk, as it is now, to a file; the guest goes on."""
    root = ET.Element("domainbackup", mode="push")
    disk = ET.SubElement(ET.SubElement(root, "disks"), "disk", name=target, type="file", backup="yes")
    ET.SubElement(disk, "target", file=str(path))
    ET.SubElement(disk, "driver", type=format)
    power.find(conn, server_id).backupBegin(ET.tostring(root, encoding="unicode"), None, 0)


def backup_ended(conn: libvirt.virConnect, server_id: str) -> bool:
    """Raises HypervisorError when it ended badly."""
    domain = power.find(conn, server_id)
    if domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        return False
    told = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if not told.get("success", told.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED):
        raise HypervisorError(f"copying the disk failed: {told.get('errmsg', 'the copy was cancelled or the guest went off')}")
    return True


def abort_job(conn: libvirt.virConnect, server_id: str) -> None:
    _quietly(power.find(conn, server_id).abortJob)


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except libvirt.libvirtError:
        pass                     # it has ended meanwhile
