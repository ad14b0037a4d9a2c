"""What opens encrypted volumes, in libvirt's memory: never on its disk, never in a domain's XML, and gone when the disk goes.

libvirt hands a value on to QEMU sealed with a key of that QEMU's own, so it is in no argument either.
"""

from collections.abc import Iterable
from xml.etree import ElementTree as ET

import libvirt

from cloudd.drivers.hypervisor.base import DiskSpec, require_key
from cloudd.drivers.hypervisor.libvirt.errors import is_code
from cloudd.drivers.hypervisor.libvirt.volume_xml import secret_id
from cloudd.drivers.volume.base import Connection, Passphrase

OURS = "/cloudd"
"""libvirt wants what a secret is for to look like a path."""


def hand_over(conn: libvirt.virConnect, server_id: str, disks: Iterable[DiskSpec]) -> None:
    """What opens these disks, before libvirt hears of them."""
    for disk in disks:
        require_key(disk)
        if disk.connection is not None:
            open_by(conn, server_id, disk.connection, disk.passphrase)


def open_by(conn: libvirt.virConnect, server_id: str, told: Connection, passphrase: Passphrase | None) -> None:
    if told.encryption is None or passphrase is None:
        return
    root = ET.Element("secret", ephemeral="yes", private="yes")
    ET.SubElement(root, "uuid").text = secret_id(server_id, told.volume_id, told.encryption)
    ET.SubElement(ET.SubElement(root, "usage", type="volume"), "volume").text = _usage(server_id, told.volume_id, told.encryption.key_id)
    conn.secretDefineXML(ET.tostring(root, encoding="unicode"), 0).setValue(passphrase.value, 0)


def forget(conn: libvirt.virConnect, server_id: str, volume_id: str = "", keep: Iterable[str] = ()) -> None:
    """Those of a server's volume, or of all that it has; `keep`: ids of secrets."""
    kept, beginning = frozenset(keep), _usage(server_id, volume_id, "") if volume_id else f"{OURS}/{server_id}/"
    for secret in _all(conn):
        try:
            if secret.usageID().startswith(beginning) and secret.UUIDString() not in kept:
                secret.undefine()
        except libvirt.libvirtError as exc:
            if not is_code(exc, libvirt.VIR_ERR_NO_SECRET):          # it went while we looked
                raise


def _all(conn: libvirt.virConnect) -> list[libvirt.virSecret]:
    try:
        return conn.listAllSecrets(0)
    except libvirt.libvirtError as exc:
        if is_code(exc, libvirt.VIR_ERR_NO_SUPPORT):                 # libvirt without its part for secrets
            return []
        raise


def _usage(server_id: str, volume_id: str, key_id: str) -> str:
    return f"{OURS}/{server_id}/{volume_id}/{key_id}"
