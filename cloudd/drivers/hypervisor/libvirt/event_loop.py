"""libvirt's own event loop, in one thread for the whole process: it carries every connection's replies and events."""

import threading

import libvirt

from cloudd.core import log

LOG = log.get("cloudd.hypervisor.libvirt")
_started = threading.Lock()
_running = False


def ensure_running() -> None:
    """Before the first connection is opened; a second loop cannot be registered."""
    global _running
    with _started:
        if _running:
            return
        libvirt.registerErrorHandler(lambda context, error: None, None)      # it would print to stderr; we raise instead
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_turn, name="libvirt-events", daemon=True).start()
        _running = True


def _turn() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as exc:
            LOG.error("libvirt's event loop stumbled", error=str(exc))
