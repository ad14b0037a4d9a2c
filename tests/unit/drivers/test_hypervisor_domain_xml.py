"""Domain XML against saved files. To save them anew after a wanted change: HV_SAVE_XML=1, then read the difference."""

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from lxml import etree

from cloudd.drivers.hypervisor.base import (
    CpuTopology,
    DiskKind,
    DiskSpec,
    DomainNotes,
    DomainSpec,
    Hardware,
    HypervisorError,
    KernelBoot,
    NicSpec,
    target_name,
    volume_disk,
    with_targets,
)
from cloudd.drivers.hypervisor.libvirt.domain_xml import Facts, Paths, disk, domain, nic, printable
from cloudd.drivers.hypervisor.libvirt.volume_xml import moved, paths
from cloudd.drivers.volume.base import Beneath, Connection, Encryption, Kind, Limits, Passphrase

SAVED = Path(__file__).parent / "test_hypervisor_xml"
ID = "7a1c5d3e-0000-4000-8000-000000000001"
EMULATED = Facts("cloud-1", "qemu", "x86_64", "pc", "maximum", "", "none", "virtio", 32)
KVM = replace(EMULATED, virt_type="kvm", cpu_mode="host-model")
PATHS = Paths("/run/cloudd/x.vnc", ("/run/cloudd/x.s0", "/run/cloudd/x.s1"), "/var/lib/cloudd/instances/x/console.log")
ROOT = DiskSpec("root", "/i/x/root", "qcow2", boot_index=0)
CONFIG = DiskSpec("config", "/i/x/config", "raw", DiskKind.CONFIG, device="cdrom")
VOLUME = DiskSpec("7a1c5d3e-0000-4000-8000-00000000000f", "/v/volume-f", "raw", DiskKind.VOLUME,
                  serial="7a1c5d3e-0000-4000-8000-00000000000f")
KEY = Encryption(key_id="7a1c5d3e-0000-4000-8000-000000000bad")
VOLUMES = [
    volume_disk(Connection("7a1c5d3e-0000-4000-8000-000000000010", Kind.FILE, "/v/3.qcow2", "qcow2", 1 << 30,
                           (Beneath("/v/2.qcow2", "qcow2"), Beneath("/v/1.raw", "raw")), encryption=KEY, limits=Limits(
                               total_iops_sec=100, total_iops_sec_max=200, total_iops_sec_max_length=5)),
                Passphrase(b"canary"), boot_index=0),
    volume_disk(Connection("7a1c5d3e-0000-4000-8000-000000000011", Kind.BLOCK, "/dev/vg/volume-11", "raw", 1 << 30, shareable=True,
                           discard=False, cache="directsync"), bus="scsi"),
    volume_disk(Connection("7a1c5d3e-0000-4000-8000-000000000012", Kind.RBD, "volumes/volume-12", "raw", 1 << 30, cache="writeback",
                           hosts=("[fd00::1]:6789", "mon.example"), user="cinder",
                           secret_id="7a1c5d3e-0000-4000-8000-00000000cef0")),
    volume_disk(Connection("7a1c5d3e-0000-4000-8000-000000000013", Kind.FILE, "/v/13.raw", "raw", 1 << 30, read_only=True,
                           io="io_uring")),
    volume_disk(Connection("7a1c5d3e-0000-4000-8000-000000000014", Kind.FILE, "/v/14.raw", "raw", 1 << 30), bus="ide"),
]
NIC = NicSpec("7a1c5d3e-0000-4000-8000-00000000000a", "fa:16:3e:00:00:01", "tap7a1c5d3e-00", mtu=1450)
PLAIN = DomainSpec(ID, "instance-00000001", 1, 512, (ROOT, CONFIG), (NIC,), version="1.0",
                   notes=DomainNotes("web", "m1.small", "p1", "demo", "u1", "alice", "img", "2026-01-01T00:00:00Z"))

CASES = {
    "plain": (PLAIN, EMULATED),
    "kvm": (replace(PLAIN, vcpus=4, topology=CpuTopology(1, 2, 2), cpu_shares=2048), KVM),
    "q35-uefi": (replace(PLAIN, machine="q35", firmware="uefi", disks=(ROOT, CONFIG, VOLUME)), KVM),
    "kernel": (replace(PLAIN, kernel=KernelBoot("/i/x/kernel", "/i/x/ramdisk", "root=/dev/vda console=ttyS0")), EMULATED),
    "headless": (replace(PLAIN, vnc=False, rng=False, balloon=False, guest_agent=False, serial_ports=2, nics=()), EMULATED),
    "windows": (replace(PLAIN, utc_clock=False, video="qxl", nics=(replace(NIC, model="e1000", queues=2),)),
                replace(KVM, cpu_mode="custom", cpu_model="Nehalem")),
    "hardware": (replace(PLAIN, video="vga", disks=(replace(ROOT, bus="scsi"),), hardware=Hardware(
        "reset", "lsilogic", boot_menu=True, hpet=True, pmu=False, hide_hypervisor=True, pointer="virtio", video_ram_mb=32)), KVM),
    "volumes": (replace(PLAIN, disks=tuple(VOLUMES)), EMULATED),
    "block-device": (replace(PLAIN, disks=(replace(VOLUME, path="/dev/vg/volume-f", boot_index=0, bus="scsi"),)), EMULATED),
}


@pytest.mark.parametrize("name", CASES)
def test_against_saved(name):
    spec, facts = CASES[name]
    text = domain(spec, facts, PATHS) + "\n"
    path = SAVED / f"{name}.xml"
    if os.environ.get("HV_SAVE_XML"):
        SAVED.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.fixture(scope="module")
def schema():
    """libvirt's own."""
    return etree.RelaxNG(etree.parse("/usr/share/libvirt/schemas/domain.rng"))


@pytest.mark.parametrize("name", CASES)
def test_libvirts_schema_allows_it(name, schema):
    spec, facts = CASES[name]
    schema.assertValid(etree.fromstring(domain(spec, facts, PATHS)))


def test_targets_are_told_before_and_kept():
    disks = (ROOT, CONFIG, VOLUME, replace(VOLUME, id="other", target="vdb"))
    assert [one.target for one in with_targets(disks, "pc")] == ["vda", "hda", "vdc", "vdb"]
    assert [one.bus for one in with_targets(disks, "pc-q35-7.2")] == ["virtio", "scsi", "virtio", "virtio"]
    assert with_targets(with_targets(disks, "pc"), "pc") == with_targets(disks, "pc")


def test_target_names_go_past_z():
    taken = {f"vd{chr(97 + number)}" for number in range(26)}
    assert target_name("virtio", taken) == "vdaa"
    with pytest.raises(HypervisorError):
        target_name("virtio", taken | {f"vd{a}{b}" for a in map(chr, range(97, 123)) for b in map(chr, range(97, 123))})


@pytest.mark.parametrize("evil", ["</name><evil/>", "a\x00b\x1bc", "\ud800", "\uffff", "'\"&<>]]>"])
def test_whatever_users_call_their_servers_it_is_xml(evil):
    notes = replace(PLAIN.notes, display_name=evil, project_name=evil, user_name=evil, flavor=evil, project_id=evil)
    root = ET.fromstring(domain(replace(PLAIN, notes=notes), EMULATED, PATHS))
    assert [child.tag for child in root if child.tag == "name"] == ["name"] and root.findtext("name") == PLAIN.name
    assert root.find(".//evil") is None


def test_printable_keeps_what_is_readable():
    assert printable("naïve 名前") == "naïve 名前"


def test_single_devices_for_hot_plug():
    assert ET.fromstring(nic(NIC)).find("target").get("dev") == NIC.tap
    element = ET.fromstring(disk(replace(VOLUME, bus="virtio", target="vdb"), EMULATED, ID))
    assert element.find("alias").get("name") == f"ua-disk-{VOLUME.id}" and element.find("driver").get("io") == "native"


def test_an_encryption_that_qemu_does_not_open_is_refused():
    told = replace(VOLUMES[0].connection, encryption=replace(KEY, provider="luks2"))
    with pytest.raises(HypervisorError, match="luks2"):
        disk(volume_disk(told, Passphrase(b"canary"), target="vda", bus="virtio"), EMULATED, ID)


def test_what_opens_a_volume_is_printed_nowhere():
    assert "canary" not in repr(VOLUMES[0]) + domain(replace(PLAIN, disks=tuple(VOLUMES)), EMULATED, PATHS)


def test_the_next_start_lies_where_the_guest_is_now_and_is_else_as_it_was():
    config = ET.fromstring(disk(replace(VOLUMES[0], target="vda", bus="virtio"), EMULATED, ID))
    live = ET.fromstring("<disk type='block'><driver name='qemu' type='raw'/><source dev='/dev/vg/x' index='5'/>"
                         "<backingStore type='file' index='3'><format type='qcow2'/><source file='/v/a'/><backingStore/></backingStore>"
                         "<mirror type='file'/><target dev='vda'/></disk>")
    new = moved(config, live)
    assert paths(new) == ("/dev/vg/x", "/v/a") and new.get("type") == "block" and new.find("mirror") is None
    assert not any(layer.get("index") for layer in new.iter())
    for tag in ("target", "serial", "iotune", "boot", "alias"):
        assert ET.tostring(new.find(tag)).split() == ET.tostring(config.find(tag)).split()
