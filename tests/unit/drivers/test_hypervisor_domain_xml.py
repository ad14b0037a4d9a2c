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
    with_targets,
)
from cloudd.drivers.hypervisor.libvirt.domain_xml import Facts, Paths, disk, domain, nic, printable

SAVED = Path(__file__).parent / "test_hypervisor_xml"
ID = "7a1c5d3e-0000-4000-8000-000000000001"
EMULATED = Facts("cloud-1", "qemu", "x86_64", "pc", "maximum", "", "none", "virtio", 32)
KVM = replace(EMULATED, virt_type="kvm", cpu_mode="host-model")
PATHS = Paths("/run/cloudd/x.vnc", ("/run/cloudd/x.s0", "/run/cloudd/x.s1"), "/var/lib/cloudd/instances/x/console.log")
ROOT = DiskSpec("root", "/i/x/root", "qcow2", boot_index=0)
CONFIG = DiskSpec("config", "/i/x/config", "raw", DiskKind.CONFIG, device="cdrom")
VOLUME = DiskSpec("7a1c5d3e-0000-4000-8000-00000000000f", "/v/volume-f", "raw", DiskKind.VOLUME,
                  serial="7a1c5d3e-0000-4000-8000-00000000000f")
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
    element = ET.fromstring(disk(replace(VOLUME, bus="virtio", target="vdb"), EMULATED))
    assert element.find("alias").get("name") == f"ua-disk-{VOLUME.id}" and element.find("driver").get("io") == "native"
