"""libvirt's errors, told in the few kinds that cloudd knows."""

import libvirt

from cloudd.drivers.hypervisor.base import DomainNotFound, HypervisorDown, HypervisorError, Unsupported

CANNOT = frozenset({
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED, libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED})
GONE = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_AUTH_FAILED})
TRANSPORT = frozenset({libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC})
TRANSPORT_CODES = frozenset({libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_RPC})


def is_code(error: libvirt.libvirtError, *codes: int) -> bool:
    return error.get_error_code() in codes


def meaning(error: libvirt.libvirtError, server_id: str | None = None) -> HypervisorError:
    """The exception to raise in the place of `error`."""
    code, message = error.get_error_code(), error.get_error_message() or str(error)
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return DomainNotFound(server_id or "?")
    if code in GONE or (error.get_error_domain() in TRANSPORT and code in TRANSPORT_CODES):
        return HypervisorDown(f"libvirt is out of reach: {message}")
    if code in CANNOT:
        return Unsupported(message)
    return HypervisorError(message)
