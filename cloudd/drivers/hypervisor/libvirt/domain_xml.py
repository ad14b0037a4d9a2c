"""A DomainSpec as libvirt's XML. Pure: the same spec and the same facts give the same text."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from cloudd.drivers.hypervisor.base import DiskKind, DiskSpec, DomainSpec, NicSpec, with_targets
from cloudd.drivers.hypervisor.libvirt import volume_xml
from cloudd.drivers.hypervisor.libvirt.volume_xml import DIRECT

NAMESPACE = "urn:cloudd:guest:1"
PCIE_PORTS = 24                # about a third for what it has; new ones need a port that was there at the start
BOOT_MENU_MS = "3000"
VRAM_MODELS = frozenset({"vga", "qxl", "bochs"})
DISK_ALIAS = "ua-disk-"

ET.register_namespace("cloudd", NAMESPACE)


@dataclass(frozen=True)
class Facts:
    """What the machine and the configuration say about every domain."""

    cloud_id: str
    virt_type: str                   # kvm, qemu
    arch: str
    machine: str
    cpu_mode: str                    # "" leaves the CPU to the hypervisor
    cpu_model: str
    disk_cache: str
    video: str
    tb_cache_mib: int                # 0: the hypervisor knows no such setting


@dataclass(frozen=True)
class Paths:
    """Where this domain's sockets and log are."""

    vnc: str
    serial: tuple[str, ...]
    log: str


def disk_alias(disk_id: str) -> str:
    return f"{DISK_ALIAS}{disk_id}"


def disk_of_alias(alias: str) -> str:
    """Its id; empty for what is no disk."""
    return alias.removeprefix(DISK_ALIAS) if alias.startswith(DISK_ALIAS) else ""


def nic_alias(port_id: str) -> str:
    return f"ua-nic-{port_id}"


def domain(spec: DomainSpec, facts: Facts, paths: Paths) -> str:
    root = ET.Element("domain", type=facts.virt_type)
    machine = spec.machine or facts.machine
    _text(root, "name", spec.name)
    _text(root, "uuid", spec.server_id)
    root.append(_notes(spec, facts))
    _text(root, "memory", spec.memory_mb, unit="MiB")
    _text(root, "vcpu", spec.vcpus, placement="static")
    if spec.cpu_shares is not None:
        _text(_sub(root, "cputune"), "shares", spec.cpu_shares)
    root.append(_sysinfo(spec))
    root.append(_os(spec, facts, machine))
    root.append(_features(spec, facts))
    root.append(_cpu(spec, facts))
    root.append(_clock(spec, facts))
    for event, action in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(root, event, action)
    power = _sub(root, "pm")
    _sub(power, "suspend-to-mem", enabled="no")
    _sub(power, "suspend-to-disk", enabled="no")
    root.append(_devices(spec, facts, paths, machine))
    return _write(root)


def disk(spec: DiskSpec, facts: Facts, server_id: str) -> str:
    """One disk, for hot plug; its bus and target are known by now."""
    return _write(_disk(spec, facts, server_id))


def nic(spec: NicSpec) -> str:
    return _write(_nic(spec))


def _write(element: ET.Element) -> str:
    ET.indent(element)
    return ET.tostring(element, encoding="unicode")


def _sub(parent: ET.Element, tag: str, **attributes: str) -> ET.Element:
    return ET.SubElement(parent, tag, attributes)


def _text(parent: ET.Element, tag: str, text: object, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = printable(str(text))


def printable(text: str) -> str:
    """Names come from users, and XML takes no control characters at all."""
    return "".join(letter if letter >= " " and letter not in "\ufffe\uffff" and not "\ud800" <= letter <= "\udfff" else " "
                   for letter in text)


def _notes(spec: DomainSpec, facts: Facts) -> ET.Element:
    """The cloud's mark, by which `list` knows its own, and what an operator may want to read in `virsh dumpxml`."""
    metadata = ET.Element("metadata")
    guest = ET.SubElement(metadata, f"{{{NAMESPACE}}}guest", cloud=facts.cloud_id)
    notes = spec.notes
    for tag, value in (("name", notes.display_name), ("flavor", notes.flavor), ("image", notes.image_id),
                       ("created", notes.created)):
        if value:
            ET.SubElement(guest, f"{{{NAMESPACE}}}{tag}").text = printable(value)
    for tag, key, name in (("project", notes.project_id, notes.project_name), ("user", notes.user_id, notes.user_name)):
        if key:
            ET.SubElement(guest, f"{{{NAMESPACE}}}{tag}", id=printable(key)).text = printable(name)
    return metadata


def _sysinfo(spec: DomainSpec) -> ET.Element:
    """cloud-init and others know an OpenStack guest by these words."""
    sysinfo = ET.Element("sysinfo", type="smbios")
    system = _sub(sysinfo, "system")
    for name, value in (("manufacturer", "OpenStack Foundation"), ("product", "OpenStack Nova"), ("version", spec.version or "1"),
                        ("serial", spec.server_id), ("uuid", spec.server_id), ("family", "Virtual Machine")):
        _text(system, "entry", value, name=name)
    return sysinfo


def _os(spec: DomainSpec, facts: Facts, machine: str) -> ET.Element:
    system = ET.Element("os")
    if spec.firmware == "uefi":
        system.set("firmware", "efi")
    _text(system, "type", "hvm", arch=facts.arch, machine=machine)
    if spec.firmware == "uefi":
        _sub(system, "loader", secure="no")
    if spec.kernel is not None:
        _text(system, "kernel", spec.kernel.kernel)
        if spec.kernel.ramdisk:
            _text(system, "initrd", spec.kernel.ramdisk)
        if spec.kernel.cmdline:
            _text(system, "cmdline", spec.kernel.cmdline)
    if spec.hardware.boot_menu:
        _sub(system, "bootmenu", enable="yes", timeout=BOOT_MENU_MS)
    _sub(system, "smbios", mode="sysinfo")
    return system


def _features(spec: DomainSpec, facts: Facts) -> ET.Element:
    features = ET.Element("features")
    _sub(features, "acpi")
    _sub(features, "apic")
    if spec.hardware.pmu is not None:
        _sub(features, "pmu", state="on" if spec.hardware.pmu else "off")
    if spec.hardware.hide_hypervisor and facts.virt_type == "kvm":
        _sub(_sub(features, "kvm"), "hidden", state="on")
    if facts.virt_type == "qemu" and facts.tb_cache_mib:
        _text(_sub(features, "tcg"), "tb-cache", facts.tb_cache_mib, unit="MiB")
    return features


def _cpu(spec: DomainSpec, facts: Facts) -> ET.Element:
    cpu = ET.Element("cpu")
    if facts.cpu_mode:
        cpu.set("mode", facts.cpu_mode)
    if facts.cpu_mode == "custom":
        cpu.set("match", "exact")
        _text(cpu, "model", facts.cpu_model, fallback="allow")
    topology = spec.topology
    sockets, cores, threads = (topology.sockets, topology.cores, topology.threads) if topology else (spec.vcpus, 1, 1)
    _sub(cpu, "topology", sockets=str(sockets), cores=str(cores), threads=str(threads))
    return cpu


def _clock(spec: DomainSpec, facts: Facts) -> ET.Element:
    clock = ET.Element("clock", offset="utc" if spec.utc_clock else "localtime")
    if facts.virt_type == "kvm":
        _sub(clock, "timer", name="pit", tickpolicy="delay")
        _sub(clock, "timer", name="rtc", tickpolicy="catchup")
        _sub(clock, "timer", name="hpet", present="yes" if spec.hardware.hpet else "no")
        if not spec.utc_clock:
            _sub(clock, "timer", name="hypervclock", present="yes")
    elif spec.hardware.hpet:
        _sub(clock, "timer", name="hpet", present="yes")
    return clock


def _devices(spec: DomainSpec, facts: Facts, paths: Paths, machine: str) -> ET.Element:
    devices = ET.Element("devices")
    disks = with_targets(spec.disks, machine)
    for one in disks:
        devices.append(_disk(one, facts, spec.server_id))
    _controllers(devices, spec, disks, machine)
    for card in spec.nics:
        devices.append(_nic(card))
    for number, path in enumerate(paths.serial[:spec.serial_ports]):
        devices.append(_serial(number, path, paths.log if number == 0 else ""))
    if spec.guest_agent:
        channel = _sub(devices, "channel", type="unix")
        _sub(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    _screen(devices, spec, facts, paths)
    _small_devices(devices, spec)
    return devices


def _controllers(devices: ET.Element, spec: DomainSpec, disks: Iterable[DiskSpec], machine: str) -> None:
    _sub(devices, "controller", type="usb", model="qemu-xhci")       # UHCI would keep an idle emulated guest busy
    if any(one.bus == "scsi" for one in disks):
        _sub(devices, "controller", type="scsi", index="0", model=spec.hardware.scsi_model)
    if "q35" in machine:
        _sub(devices, "controller", type="pci", index="0", model="pcie-root")
        for number in range(1, PCIE_PORTS + 1):
            _sub(devices, "controller", type="pci", index=str(number), model="pcie-root-port")


def _disk(spec: DiskSpec, facts: Facts, server_id: str) -> ET.Element:
    if spec.connection is not None:
        element = ET.Element("disk", device=spec.device)
        volume_xml.place(element, server_id, spec.connection)
        if (limits := volume_xml.iotune(spec.connection.limits)) is not None:
            element.append(limits)
    else:
        element = _own_disk(spec, facts)
    _sub(element, "target", dev=spec.target, bus=spec.bus)
    if spec.serial:
        _text(element, "serial", spec.serial)
    if spec.connection is not None and (name := volume_xml.wwn(spec.id, spec.bus)):
        _text(element, "wwn", name)
    if spec.boot_index is not None:
        _sub(element, "boot", order=str(spec.boot_index + 1))
    _sub(element, "alias", name=disk_alias(spec.id))
    return element


def _own_disk(spec: DiskSpec, facts: Facts) -> ET.Element:
    """A file that lies with its server, as it is opened."""
    block_device = spec.path.startswith("/dev/")
    element = ET.Element("disk", type="block" if block_device else "file", device=spec.device)
    cache = spec.cache or facts.disk_cache
    driver = _sub(element, "driver", name="qemu", type=spec.format, cache=cache)
    if spec.format == "raw" and spec.kind is DiskKind.VOLUME and cache in DIRECT:
        driver.set("io", "native")
    if spec.device == "disk":
        driver.set("discard", "unmap")
    source = _sub(element, "source")
    source.set("dev" if block_device else "file", spec.path)
    if spec.readonly or spec.device == "cdrom":
        _sub(element, "readonly")
    return element


def _nic(spec: NicSpec) -> ET.Element:
    """A bare tap: no bridge and no script, since the network driver takes it into the dataplane."""
    element = ET.Element("interface", type="ethernet")
    _sub(element, "mac", address=spec.mac)
    _sub(element, "target", dev=spec.tap)
    _sub(element, "model", type=spec.model)
    if spec.queues > 1 and spec.model == "virtio":
        _sub(element, "driver", queues=str(spec.queues))
    _sub(element, "mtu", size=str(spec.mtu))
    _sub(element, "alias", name=nic_alias(spec.port_id))
    _sub(element, "rom", enabled="no")                   # guests boot from disks; looking for PXE takes seconds
    return element


def _serial(number: int, path: str, log: str) -> ET.Element:
    element = ET.Element("serial", type="unix")
    _sub(element, "source", mode="bind", path=path)
    if log:
        _sub(element, "log", file=log, append="on")
    _sub(element, "target", port=str(number))
    return element


def _screen(devices: ET.Element, spec: DomainSpec, facts: Facts, paths: Paths) -> None:
    video = spec.video or facts.video
    if spec.vnc:
        if spec.hardware.pointer:
            _sub(devices, "input", type="tablet", bus=spec.hardware.pointer)
        _sub(_sub(devices, "graphics", type="vnc"), "listen", type="socket", socket=paths.vnc)
    model = _sub(_sub(devices, "video"), "model", type=video if spec.vnc or spec.video else "none")
    if spec.hardware.video_ram_mb and model.get("type") in VRAM_MODELS:
        model.set("vram", str(spec.hardware.video_ram_mb * 1024))


def _small_devices(devices: ET.Element, spec: DomainSpec) -> None:
    if spec.hardware.watchdog:
        _sub(devices, "watchdog", model="i6300esb", action=spec.hardware.watchdog)
    balloon = _sub(devices, "memballoon", model="virtio" if spec.balloon else "none")
    if spec.balloon:
        _sub(balloon, "stats", period="10")
    if spec.rng:
        _text(_sub(devices, "rng", model="virtio"), "backend", "/dev/urandom", model="random")
