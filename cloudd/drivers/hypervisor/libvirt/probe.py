"""Whether hardware virtualisation really works, found out by trying.

A /dev/kvm node proves nothing: on some machines guests are made and then never run. So once per boot of this machine a
512-byte boot sector is started under KVM; it says one letter on its serial line. What was found is kept in a file.
"""

import json
import os
import time
from pathlib import Path

import libvirt

from cloudd.core import log
from cloudd.drivers.hypervisor.libvirt import host

LOG = log.get("cloudd.hypervisor.probe")
SECONDS = 5.0
LETTER = b"K"
# mov dx,0x3f8; mov al,'K'; out dx,al; cli; hlt; jmp -3
CODE = bytes([0xBA, 0xF8, 0x03, 0xB0, LETTER[0], 0xEE, 0xFA, 0xF4, 0xEB, 0xFD])
DOMAIN = """<domain type='kvm'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
<target dev='hda' bus='ide'/><readonly/></disk>
<controller type='usb' model='none'/><memballoon model='none'/>
<serial type='file'><source path='{output}'/></serial></devices></domain>"""


def virt_type(conn: libvirt.virConnect, wanted: str, folder: Path, cloud_id: str) -> str:
    """kvm or qemu, as configured or as found."""
    if wanted != "auto":
        return wanted
    if not os.path.exists("/dev/kvm") or not host.kvm_is_offered(conn):
        return "qemu"
    memory = folder / ".virt-type"
    machine = {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "qemu": conn.getVersion()}
    known = _remembered(memory)
    if {key: known.get(key) for key in machine} == machine and known.get("found") in ("kvm", "qemu"):
        return known["found"]
    found = "kvm" if _try(conn, folder, f"cloudd-probe-{cloud_id[:8]}") else "qemu"
    if found == "qemu":
        LOG.warning("KVM is offered but its guests do not run; guests are emulated, which is slow")
    memory.write_text(json.dumps({**machine, "found": found}))
    return found


def _remembered(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _try(conn: libvirt.virConnect, folder: Path, name: str) -> bool:
    disk, output = folder / ".probe-disk", folder / ".probe-output"
    disk.write_bytes(CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes(64 * 512))
    output.unlink(missing_ok=True)
    domain = None
    try:
        _end(_leftover(conn, name))
        domain = conn.createXML(DOMAIN.format(name=name, disk=disk, output=output), libvirt.VIR_DOMAIN_START_AUTODESTROY)
        return _said_it(output)
    except libvirt.libvirtError as exc:
        LOG.info("KVM refused a guest", reason=exc.get_error_message())
        return False
    finally:
        _end(domain)
        disk.unlink(missing_ok=True)
        output.unlink(missing_ok=True)


def _said_it(output: Path) -> bool:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if output.exists() and LETTER in output.read_bytes():
            return True
        time.sleep(0.05)
    return False


def _leftover(conn: libvirt.virConnect, name: str) -> libvirt.virDomain | None:
    try:
        return conn.lookupByName(name)
    except libvirt.libvirtError:
        return None


def _end(domain: libvirt.virDomain | None) -> None:
    if domain is None:
        return
    try:
        domain.destroy()
    except libvirt.libvirtError as exc:
        LOG.warning("the guest that tried KVM could not be ended", reason=exc.get_error_message())
