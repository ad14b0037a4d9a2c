"""What opens encrypted volumes comes into libvirt before it hears of the disk, and goes with it; and what libvirt is told of layers."""

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from cloudd.drivers.hypervisor.base import HypervisorError, volume_disk
from cloudd.drivers.hypervisor.libvirt import attachments, secrets
from cloudd.drivers.hypervisor.libvirt.volume_xml import secret_id
from cloudd.drivers.volume.base import Beneath, Connection, Encryption, Kind, Passphrase

SERVER, OTHER = "7a1c5d3e-0000-4000-8000-000000000001", "7a1c5d3e-0000-4000-8000-000000000002"
SCHEMAS = Path("/usr/share/libvirt/schemas")
KEY = Passphrase(b"canary")
VOLUME = Connection("7a1c5d3e-0000-4000-8000-000000000010", Kind.FILE, "/v/2.qcow2", "qcow2", 1 << 30, (Beneath("/v/1.raw", "raw"),),
                    encryption=Encryption(key_id="7a1c5d3e-0000-4000-8000-000000000bad"))


class Secret:
    def __init__(self, libvirtd, xml):
        root = etree.fromstring(xml)
        self.libvirtd, self.xml, self.uuid, self.usage = libvirtd, xml, root.findtext("uuid"), root.findtext("usage/volume")
        self.value = None

    def setValue(self, value, flags):
        self.value = value

    def usageID(self):
        return self.usage

    def UUIDString(self):
        return self.uuid

    def undefine(self):
        del self.libvirtd.all[self.uuid]


class Libvirtd:
    def __init__(self):
        self.all = {}

    def secretDefineXML(self, xml, flags):
        made = Secret(self, xml)
        return self.all.setdefault(made.uuid, made)

    def listAllSecrets(self, flags):
        return list(self.all.values())


def allowed(name: str, xml: str) -> None:
    if not (SCHEMAS / name).exists():
        pytest.skip("libvirt's schemas are not installed")
    etree.RelaxNG(etree.parse(SCHEMAS / name)).assertValid(etree.fromstring(xml))


def test_a_secret_is_in_memory_only_and_cannot_be_read():
    libvirtd = Libvirtd()
    secrets.hand_over(libvirtd, SERVER, [volume_disk(VOLUME, KEY)])
    (secret,) = libvirtd.all.values()
    root = etree.fromstring(secret.xml)
    assert (root.get("ephemeral"), root.get("private"), secret.value) == ("yes", "yes", b"canary") and "canary" not in secret.xml
    allowed("secret.rng", secret.xml)


def test_an_encrypted_volume_without_its_passphrase_is_refused_and_one_in_clear_needs_none():
    libvirtd = Libvirtd()
    with pytest.raises(HypervisorError, match="passphrase"):
        secrets.hand_over(libvirtd, SERVER, [volume_disk(VOLUME)])
    secrets.hand_over(libvirtd, SERVER, [volume_disk(replace(VOLUME, encryption=None))])
    assert not libvirtd.all


def test_a_secret_goes_with_its_disk_or_its_server_and_no_other_does():
    libvirtd = Libvirtd()
    for server_id in (SERVER, OTHER):
        for volume_id in (VOLUME.volume_id, VOLUME.volume_id[:-1] + "1"):
            secrets.hand_over(libvirtd, server_id, [volume_disk(replace(VOLUME, volume_id=volume_id), KEY)])
    assert len(libvirtd.all) == 4
    secrets.forget(libvirtd, SERVER, VOLUME.volume_id)
    assert len(libvirtd.all) == 3
    secrets.forget(libvirtd, OTHER)
    assert [secret.usage.split("/")[2:4] for secret in libvirtd.all.values()] == [[SERVER, VOLUME.volume_id[:-1] + "1"]]


def test_a_volume_that_moved_to_another_key_keeps_that_one():
    libvirtd, new = Libvirtd(), replace(VOLUME, encryption=Encryption(key_id="another"))
    secrets.hand_over(libvirtd, SERVER, [volume_disk(VOLUME, KEY), volume_disk(new, KEY)])
    kept = secret_id(SERVER, VOLUME.volume_id, new.encryption)
    secrets.forget(libvirtd, SERVER, VOLUME.volume_id, keep=[kept])
    assert list(libvirtd.all) == [kept]


def test_what_is_told_of_a_switch_names_every_disk_and_the_key():
    xml = attachments.order(SERVER, ["vda", "vdb"], {"vdb": VOLUME})
    allowed("domainsnapshot.rng", xml)
    disks = {disk.get("name"): disk for disk in etree.fromstring(xml).iter("disk")}
    assert disks["vda"].get("snapshot") == "no" and disks["vdb"].find("source").get("file") == "/v/2.qcow2"
    assert disks["vdb"].find("source/encryption/secret").get("uuid") == secret_id(SERVER, VOLUME.volume_id, VOLUME.encryption)
