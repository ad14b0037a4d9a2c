"""Whether hardware virtualisation really works, found out by trying.

A /dev/kvm node proves nothing: on some machines guests are made and then never run. So once per boot of this machine a
boot sector is started under KVM; it says one letter on its serial line. What was found is kept in a file.
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
# A boot sector, from its source (GNU as, linked at 0x7c00). Real mode alone is not enough of a test: there are machines
# where it runs and everything later hangs, so it also takes timer interrupts and enters 64-bit mode with paging.
#
#           .code16                                            mov %cr4,%eax; or $0x20,%al; mov %eax,%cr4
#           cli; xor %ax,%ax; mov %ax,%ds; mov %ax,%ss         mov $0xc0000080,%ecx; rdmsr; or $0x100,%ax; wrmsr
#           mov $0x7c00,%sp; sti                               lgdt gdtr
#           mov 0x46c,%al; add $4,%al                          mov %cr0,%eax; or $0x80000001,%eax; mov %eax,%cr0
#     tick: hlt; cmp %al,0x46c; jne tick   # four ticks        ljmp $8,$long
#           cli                                                .code64
#           mov $0x1000,%edi; mov %edi,%cr3              long: mov $50000000,%ecx
#           push %ds; pop %es; xor %eax,%eax             spin: dec %ecx; jnz spin
#           mov $3072,%cx; cld; rep stosl                      mov $0x3f8,%dx; mov $'K',%al; out %al,%dx
#           movl $0x2003,0x1000                          stop: hlt; jmp stop
#           movl $0x3003,0x2000                                .balign 8
#           movl $0x83,0x3000                            gdt:  .quad 0, 0x00209a0000000000
#                                                        gdtr: .word 15; .long gdt
CODE = bytes.fromhex(
    "fa31c08ed88ed0bc007cfba06c040404f438066c0475f9fa66bf001000000f22df1e076631c0b9000cfc66f3ab66c70600100320000066c7"
    "0600200330000066c7060030830000000f20e00c200f22e066b9800000c00f320d00010f300f0116987c0f20c0660d010000800f22c0ea73"
    "7c0800b980f0fa02ffc975fc66baf803b04beef4ebfd6690000000000000000000000000009a20000f00887c0000")
DOMAIN = """<domain type='{kind}'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/>
<target dev='hda' bus='ide'/></disk>
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
    answer = runs(conn, folder, "kvm", f"cloudd-probe-{cloud_id[:8]}")
    found = "kvm" if answer else "qemu"
    if found == "qemu":
        LOG.warning("KVM is offered but its guests do not run; guests are emulated, which is slow")
    if answer is None:                               # libvirt's refusal may be mended in the meantime: ask again at the next start
        return found
    memory.write_text(json.dumps({**machine, "found": found}))
    return found


def _remembered(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def runs(conn: libvirt.virConnect, folder: Path, kind: str, name: str) -> bool | None:
    """Whether a guest of this kind executes its first instructions; None when libvirt starts none."""
    disk, output = folder / ".probe-disk", folder / ".probe-output"
    disk.write_bytes(CODE.ljust(510, b"\0") + b"\x55\xaa" + bytes(64 * 512))
    output.unlink(missing_ok=True)
    domain = None
    try:
        _end(_leftover(conn, name))
        domain = conn.createXML(DOMAIN.format(kind=kind, name=name, disk=disk, output=output),
                                libvirt.VIR_DOMAIN_START_AUTODESTROY)
        return _said_it(output)
    except libvirt.libvirtError as exc:
        LOG.warning("no guest could be made to try virtualisation", kind=kind, reason=exc.get_error_message())
        return None
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
