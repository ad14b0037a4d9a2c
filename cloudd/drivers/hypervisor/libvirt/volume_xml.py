"""A volume driver's connection as libvirt's XML: where the disk lies, how it is opened, and all that it stands on. Pure.

Each layer is written out with its format down to the last, below which an empty element says that there is nothing. So neither
libvirt nor QEMU looks into a file to find out what it is, and what a guest has written into one is never believed.
"""

import uuid
from dataclasses import asdict
from xml.etree import ElementTree as ET

from cloudd.drivers.hypervisor.base import Unsupported
from cloudd.drivers.volume.base import Connection, Encryption, Kind, Limits

DIRECT = frozenset({"none", "directsync"})
SECRETS = uuid.UUID("0f0e61c5-0f5c-4a36-93f5-8a6f41d3b1c5")
PLACE = ("driver", "source", "backingStore", "mirror", "shareable", "readonly", "encryption")
"""What of a disk says where it lies and how it is opened; all else is how its guest sees it."""


def secret_id(server_id: str, volume_id: str, encryption: Encryption) -> str:
    """One for each guest, so that it goes with the guest's disk, and for each key, so that a copy may have another."""
    return str(uuid.uuid5(SECRETS, f"{server_id}/{volume_id}/{encryption.key_id}"))


def place(element: ET.Element, server_id: str, told: Connection) -> None:
    """Into a <disk>, in place of what it had."""
    for tag in PLACE:
        for old in element.findall(tag):
            element.remove(old)
    element.set("type", _type_of(told.kind))
    driver = ET.SubElement(element, "driver", name="qemu", type=told.format, cache=told.cache,
                           discard="unmap" if told.discard else "ignore")
    if told.kind is not Kind.RBD:
        driver.set("io", told.io or ("native" if told.cache in DIRECT else "threads"))
    element.append(source(server_id, told))
    _beneath(element, server_id, told)
    if told.shareable:
        ET.SubElement(element, "shareable")
    if told.read_only:
        ET.SubElement(element, "readonly")


def source(server_id: str, told: Connection) -> ET.Element:
    attribute = "dev" if told.kind is Kind.BLOCK else "file"
    made = _rbd(told) if told.kind is Kind.RBD else ET.Element("source", {attribute: told.path})
    _encryption(made, server_id, told)
    return made


def _rbd(told: Connection) -> ET.Element:
    made = ET.Element("source", protocol="rbd", name=told.path)
    for host in told.hosts:
        name, colon, port = host.rpartition(":")
        ET.SubElement(made, "host", {"name": name.strip("[]"), "port": port} if colon else {"name": host})
    if told.user:
        auth = ET.SubElement(made, "auth", username=told.user)
        ET.SubElement(auth, "secret", type="ceph", uuid=told.secret_id)
    return made


def _beneath(element: ET.Element, server_id: str, told: Connection) -> None:
    for layer in told.beneath:
        block = layer.path.startswith("/dev/")
        element = ET.SubElement(element, "backingStore", type="block" if block else "file")
        ET.SubElement(element, "format", type=layer.format)
        _encryption(ET.SubElement(element, "source", {"dev" if block else "file": layer.path}), server_id, told)
    ET.SubElement(element, "backingStore")


def _encryption(made: ET.Element, server_id: str, told: Connection) -> None:
    """All layers of a volume have its key. Of plain ones and of LUKS 2 the volume driver gives a device that is open already."""
    if told.encryption is None:
        return
    if told.encryption.provider != "luks":
        raise Unsupported(f"QEMU does not open volumes that are encrypted by {told.encryption.provider}")
    secret = ET.SubElement(ET.SubElement(made, "encryption", format="luks"), "secret", type="passphrase")
    secret.set("uuid", secret_id(server_id, told.volume_id, told.encryption))


def iotune(limits: Limits) -> ET.Element | None:
    """Absent when there is no limit."""
    made = ET.Element("iotune")
    for name, value in parameters(limits).items():
        if value:
            ET.SubElement(made, name).text = str(value)
    return made if len(made) else None


def parameters(limits: Limits) -> dict[str, int]:
    """By libvirt's names, which are the ones that we have."""
    return asdict(limits)


def wwn(volume_id: str, bus: str) -> str:
    """Of IDE, which shows 20 characters of a serial number only. On SCSI it would take the place of the whole id in names of disks,
    and libvirt has it on no other bus."""
    digits = volume_id.replace("-", "")[:16].lower()
    return digits if bus == "ide" and len(digits) == 16 and not set(digits) - set("0123456789abcdef") else ""


def moved(config: ET.Element, live: ET.Element) -> ET.Element:
    """The disk of the next start, lying where that of the running guest lies now. Numbers of layers are of one run only."""
    made = ET.fromstring(ET.tostring(config))
    for tag in PLACE:
        for old in made.findall(tag):
            made.remove(old)
        made.extend(ET.fromstring(ET.tostring(new)) for new in live.findall(tag) if tag != "mirror")
    made.set("type", live.get("type", "file"))
    for layer in made.iter():
        if layer.tag in ("source", "backingStore"):
            layer.attrib.pop("index", None)
    return made


def paths(element: ET.Element) -> tuple[str, ...]:
    """Of a <disk>: its layers, the one that is written first."""
    found, layer = [], element
    while layer is not None and (at := layer.find("source")) is not None:
        found.append(path(at))
        layer = layer.find("backingStore")
    return tuple(found)


def path(at: ET.Element | None) -> str:
    return "" if at is None else at.get("file") or at.get("dev") or at.get("name") or ""


def _type_of(kind: Kind) -> str:
    return {Kind.FILE: "file", Kind.BLOCK: "block", Kind.RBD: "network"}[kind]
