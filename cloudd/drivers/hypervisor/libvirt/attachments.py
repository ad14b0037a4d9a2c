"""The volumes that domains have: found, limited, switched to other layers. Blocking calls, run in the connection's threads."""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

import libvirt

from cloudd.core import ids
from cloudd.drivers.hypervisor.base import AttachedVolume, HypervisorError
from cloudd.drivers.hypervisor.libvirt import block_jobs, power, volume_xml
from cloudd.drivers.hypervisor.libvirt.devices import CONFIG, LIVE, described, with_alias
from cloudd.drivers.hypervisor.libvirt.domain_xml import disk_alias, disk_of_alias
from cloudd.drivers.hypervisor.libvirt.errors import is_code
from cloudd.drivers.volume.base import Connection, Limits

SWITCH = (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
          | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC)


def of(conn: libvirt.virConnect, server_id: str) -> tuple[AttachedVolume, ...]:
    return tuple(_volumes(power.find(conn, server_id)))


def all_ours(conn: libvirt.virConnect, cloud_id: str) -> tuple[AttachedVolume, ...]:
    found: list[AttachedVolume] = []
    for domain in conn.listAllDomains():
        try:
            if power.cloud_of(domain) == cloud_id:
                found.extend(_volumes(domain))
        except libvirt.libvirtError as exc:
            if not is_code(exc, libvirt.VIR_ERR_NO_DOMAIN):          # it ended while we looked
                raise
    return tuple(found)


def _volumes(domain: libvirt.virDomain) -> Iterator[AttachedVolume]:
    """Disks that are called by a volume's id; a server's own have names."""
    views = described(domain)
    by_view = {flag: dict(_disks(view)) for flag, view in views.items()}
    live, config = by_view.get(LIVE, {}), by_view[CONFIG]
    for disk_id in dict.fromkeys((*live, *config)):
        device = live.get(disk_id, config.get(disk_id))
        target = device.find("target")
        job = block_jobs.kind_of_job(domain, target.get("dev")) if disk_id in live else ""
        yield AttachedVolume(domain.UUIDString(), disk_id, target.get("dev"), target.get("bus"), volume_xml.paths(device),
                             disk_id in live, disk_id in config, job)


def _disks(view: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    for device in view.iterfind("devices/disk"):
        alias = device.find("alias")
        disk_id = "" if alias is None else disk_of_alias(alias.get("name", ""))
        if ids.is_uuid(disk_id):
            yield disk_id, device


def target_of(conn: libvirt.virConnect, server_id: str, volume_id: str) -> str:
    """Of a running guest's disk; empty when there is none."""
    domain = power.find_or_none(conn, server_id)
    view = described(domain).get(LIVE) if domain is not None else None
    device = with_alias(view, disk_alias(volume_id)) if view is not None else None
    return "" if device is None else device.find("target").get("dev")


def limit(conn: libvirt.virConnect, server_id: str, volume_id: str, limits: Limits) -> None:
    domain = power.find(conn, server_id)
    flags, target = 0, ""
    for flag, view in described(domain).items():
        if (device := with_alias(view, disk_alias(volume_id))) is not None:
            flags, target = flags | flag, device.find("target").get("dev")
    if not flags:
        raise HypervisorError(f"the guest has no disk {volume_id}")
    domain.setBlockIoTune(target, volume_xml.parameters(limits), flags)


# -- other layers -------------------------------------------------------------------------------------------------------

def switch(conn: libvirt.virConnect, server_id: str, wanted: Sequence[Connection]) -> None:
    """All of a running guest's disks in one transaction of its QEMU; those that write there already stay as they are."""
    domain = power.find(conn, server_id)
    power.let_end(domain)
    live = described(domain).get(LIVE)
    if live is None:
        return
    disks = {}
    for to in wanted:
        device = with_alias(live, disk_alias(to.volume_id))
        if device is None:
            raise HypervisorError(f"the guest has no disk {to.volume_id}")
        if volume_xml.paths(device)[0] != to.path:
            disks[device.find("target").get("dev")] = to
    if disks:
        every = [target.get("dev", "") for target in live.iterfind("devices/disk/target")]
        domain.snapshotCreateXML(order(server_id, every, disks), SWITCH)


def order(server_id: str, every: Sequence[str], disks: dict[str, Connection]) -> str:
    root = ET.Element("domainsnapshot")
    listed = ET.SubElement(root, "disks")
    for target in every:
        disk = ET.SubElement(listed, "disk", name=target, snapshot="external" if target in disks else "no")
        if target in disks:
            disk.set("type", "file")
            ET.SubElement(disk, "driver", type=disks[target].format)
            disk.append(volume_xml.source(server_id, disks[target]))
    return ET.tostring(root, encoding="unicode")


def settle(conn: libvirt.virConnect, server_id: str, to: Connection) -> None:
    """The next start finds the disk where the guest has it now; that of a guest that is off, where it is wanted."""
    domain = power.find(conn, server_id)
    if domain.isActive():
        block_jobs.settle(conn, server_id, to.volume_id)
        return
    config = with_alias(described(domain)[CONFIG], disk_alias(to.volume_id))
    if config is None:
        raise HypervisorError(f"the guest has no disk {to.volume_id}")
    volume_xml.place(config, server_id, to)
    domain.updateDeviceFlags(ET.tostring(config, encoding="unicode"), CONFIG)
