"""Copies and merges of a running guest's disks. Blocking calls, run in the connection's threads; QEMU does the work meanwhile.

A job is QEMU's: it goes on while the daemon, or libvirt, is away. So whatever wants one looks first whether it is under way or done.
"""

from dataclasses import dataclass
from xml.etree import ElementTree as ET

import libvirt

from cloudd.drivers.hypervisor.base import HypervisorError
from cloudd.drivers.hypervisor.libvirt import power, volume_xml
from cloudd.drivers.hypervisor.libvirt.devices import CONFIG, LIVE, described, with_alias
from cloudd.drivers.hypervisor.libvirt.domain_xml import disk_alias
from cloudd.drivers.hypervisor.libvirt.errors import is_code
from cloudd.drivers.hypervisor.libvirt.secrets import forget
from cloudd.drivers.volume.base import Connection

JOBS = {libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY: "copy", libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT: "commit",
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT: "commit", libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_PULL: "pull",
        libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_BACKUP: "backup"}


@dataclass(frozen=True)
class Disk:
    """A running guest's disk as it is now."""

    target: str
    layers: tuple[str, ...]
    job: str                         # of JOBS; empty: none
    mirror: str                      # the path that it is copied to


@dataclass(frozen=True)
class Job:
    done: int
    total: int

    @property
    def ready(self) -> bool:
        """All is there, and what the guest writes goes to both places; libvirt never tells equal numbers before."""
        return self.total == self.done


def running_disk(domain: libvirt.virDomain, disk_id: str) -> tuple[ET.Element, str]:
    live = described(domain).get(LIVE)
    if live is None:
        raise HypervisorError("the guest is off")
    device = with_alias(live, disk_alias(disk_id))
    if device is None:
        raise HypervisorError(f"the guest has no disk {disk_id}")
    return device, device.find("target").get("dev")


def look(conn: libvirt.virConnect, server_id: str, disk_id: str) -> Disk:
    domain = power.find(conn, server_id)
    device, target = running_disk(domain, disk_id)
    mirror = device.find("mirror")
    copied_to = "" if mirror is None else mirror.get("file") or volume_xml.path(mirror.find("source"))
    return Disk(target, volume_xml.paths(device), kind_of_job(domain, target), copied_to)


def kind_of_job(domain: libvirt.virDomain, target: str) -> str:
    told = domain.blockJobInfo(target, 0)
    return JOBS.get(told["type"], "other") if told else ""


def job(conn: libvirt.virConnect, server_id: str, target: str) -> Job | None:
    told = power.find(conn, server_id).blockJobInfo(target, 0)
    return Job(told["cur"], told["end"]) if told else None


def begin_copy(conn: libvirt.virConnect, server_id: str, target: str, to: Connection) -> None:
    """The place is there and large enough; it is written from end to end, so that it need not read zeros."""
    element = ET.Element("disk", device="disk")
    volume_xml.place(element, server_id, to)
    for tag in ("shareable", "readonly"):
        for one in element.findall(tag):
            element.remove(one)
    flags = (libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
             | libvirt.VIR_DOMAIN_BLOCK_COPY_SYNCHRONOUS_WRITES)     # else a guest that writes fast is never caught up with
    power.find(conn, server_id).blockCopy(target, ET.tostring(element, encoding="unicode"), {}, flags)


def begin_commit(conn: libvirt.virConnect, server_id: str, target: str, top: str, base: str, active: bool) -> None:
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE if active else 0
    power.find(conn, server_id).blockCommit(target, base, top, 0, flags)


def pivot(conn: libvirt.virConnect, server_id: str, target: str) -> None:
    power.find(conn, server_id).blockJobAbort(target, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)


def abort(conn: libvirt.virConnect, server_id: str, target: str) -> None:
    """Nothing is under way, or the guest is off: that is what was wanted."""
    domain = power.find_or_none(conn, server_id)
    try:
        if domain is not None and domain.isActive():
            domain.blockJobAbort(target, 0)
    except libvirt.libvirtError as exc:
        if not is_code(exc, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def settle(conn: libvirt.virConnect, server_id: str, disk_id: str) -> None:
    """Have the next start find the disk where the running guest has it now, and forget what opened the place that it left."""
    domain = power.find(conn, server_id)
    device, _ = running_disk(domain, disk_id)
    config = with_alias(described(domain)[CONFIG], disk_alias(disk_id))
    if config is not None:
        wanted = volume_xml.moved(config, device)
        if ET.tostring(wanted) != ET.tostring(config):
            domain.updateDeviceFlags(ET.tostring(wanted, encoding="unicode"), CONFIG)
    in_use = [secret.get("uuid", "") for secret in device.iterfind(".//encryption/secret")]
    forget(conn, server_id, disk_id, keep=in_use)
