"""Domains on and off. Blocking calls, run in the connection's threads; every one may be repeated."""

from xml.etree import ElementTree as ET

import libvirt

from cloudd.drivers.hypervisor.base import DomainState, DomainStatus, HypervisorError
from cloudd.drivers.hypervisor.libvirt.domain_xml import NAMESPACE
from cloudd.drivers.hypervisor.libvirt.errors import is_code

STATES = {
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING, libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED, libvirt.VIR_DOMAIN_CRASHED: DomainState.CRASHED}
FORGET = (libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
          | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA)


def find(conn: libvirt.virConnect, server_id: str) -> libvirt.virDomain:
    return conn.lookupByUUIDString(server_id)


def find_or_none(conn: libvirt.virConnect, server_id: str) -> libvirt.virDomain | None:
    try:
        return conn.lookupByUUIDString(server_id)
    except libvirt.libvirtError as exc:
        if is_code(exc, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise


def define(conn: libvirt.virConnect, server_id: str, xml: str) -> None:
    conn.defineXML(xml)                # not validated against the schema, 8 ms of a boot: tests/guest/hypervisor does that


def undefine(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find_or_none(conn, server_id)
    if domain is None:
        return
    _off(domain)
    try:
        domain.undefineFlags(FORGET)
    except libvirt.libvirtError as exc:
        if not is_code(exc, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def state(conn: libvirt.virConnect, server_id: str) -> DomainState:
    return state_of(find(conn, server_id))


def state_of(domain: libvirt.virDomain) -> DomainState:
    """A guest that has powered itself off is off; its QEMU takes a second more to end (`let_end`)."""
    number, reason = domain.state()
    if number != libvirt.VIR_DOMAIN_SHUTOFF:
        return STATES.get(number, DomainState.SHUTOFF)
    if reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED:
        return DomainState.CRASHED
    return DomainState.SUSPENDED if domain.hasManagedSaveImage(0) else DomainState.SHUTOFF


def list_ours(conn: libvirt.virConnect, cloud_id: str) -> tuple[DomainStatus, ...]:
    """Several clouds, and an operator's own guests, may live on one libvirt."""
    ours = []
    for domain in conn.listAllDomains():
        try:
            if cloud_of(domain) == cloud_id:
                ours.append(DomainStatus(domain.UUIDString(), state_of(domain)))
        except libvirt.libvirtError as exc:
            if not is_code(exc, libvirt.VIR_ERR_NO_DOMAIN):          # it ended while we looked
                raise
    return tuple(ours)


def cloud_of(domain: libvirt.virDomain) -> str | None:
    try:
        mark = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE)
    except libvirt.libvirtError as exc:
        if is_code(exc, libvirt.VIR_ERR_NO_DOMAIN_METADATA):
            return None
        raise
    return ET.fromstring(mark).get("cloud")


def start(conn: libvirt.virConnect, server_id: str, paused: bool) -> None:
    domain = find(conn, server_id)
    let_end(domain)
    if domain.isActive():
        return
    flags = libvirt.VIR_DOMAIN_START_FORCE_BOOT | (libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)
    _unless_already(domain.createWithFlags, flags)


def restore(conn: libvirt.virConnect, server_id: str, paused: bool) -> None:
    domain = find(conn, server_id)
    let_end(domain)
    if domain.isActive():
        return
    if not domain.hasManagedSaveImage(0):
        raise HypervisorError("the guest has no saved memory to go on from")
    _unless_already(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)


def save(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find(conn, server_id)
    if not domain.isActive():
        if domain.hasManagedSaveImage(0):
            return
        raise HypervisorError("the guest is off: it has no memory to save")
    domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def resume(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find(conn, server_id)
    number, _ = domain.state()
    if number == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
    elif number == libvirt.VIR_DOMAIN_PMSUSPENDED:
        domain.pMWakeup()
    elif not domain.isActive():
        raise HypervisorError("the guest is off: it cannot be resumed")


def pause(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find(conn, server_id)
    if domain.state()[0] != libvirt.VIR_DOMAIN_PAUSED:
        _needs_running(domain.suspend)


def shutdown(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find(conn, server_id)
    if domain.isActive():
        _unless_off(domain.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


def reset(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find(conn, server_id)
    _needs_running(domain.reset)


def destroy(conn: libvirt.virConnect, server_id: str) -> None:
    domain = find_or_none(conn, server_id)
    if domain is not None:
        _off(domain)


def inject_nmi(conn: libvirt.virConnect, server_id: str) -> None:
    _needs_running(find(conn, server_id).injectNMI)


def set_admin_password(conn: libvirt.virConnect, server_id: str, user: str, password: str) -> None:
    find(conn, server_id).setUserPassword(user, password)


def let_end(domain: libvirt.virDomain) -> None:
    """Wait for the QEMU of a guest that has powered itself off: until then it holds the disks."""
    if domain.state()[0] == libvirt.VIR_DOMAIN_SHUTDOWN:
        _off(domain)


def _off(domain: libvirt.virDomain) -> None:
    if domain.isActive():
        _unless_off(domain.destroy)


def _unless_off(call, *args) -> None:
    """It may end by itself between the look and the call."""
    try:
        call(*args)
    except libvirt.libvirtError as exc:
        if not is_code(exc, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def _unless_already(call, flags: int) -> None:
    try:
        call(flags)
    except libvirt.libvirtError as exc:
        if not is_code(exc, libvirt.VIR_ERR_OPERATION_INVALID) or "already" not in str(exc):
            raise


def _needs_running(call) -> None:
    try:
        call()
    except libvirt.libvirtError as exc:
        if is_code(exc, libvirt.VIR_ERR_OPERATION_INVALID):
            raise HypervisorError("the guest is off") from exc
        raise
