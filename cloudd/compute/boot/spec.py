"""A server's rows as the hypervisor driver wants to hear them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity, network
from cloudd.compute.boot import hardware
from cloudd.compute.config import CONFIG
from cloudd.compute.models import BlockDevice, Server, ServerPort
from cloudd.compute.models.servers import metadata_of
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.ids import whole
from cloudd.drivers.hypervisor.base import (
    Capabilities,
    CpuTopology,
    DiskFile,
    DiskKind,
    DiskSpec,
    DomainNotes,
    DomainSpec,
    KernelBoot,
    MachineCaps,
    NicSpec,
    volume_disk,
)
from cloudd.drivers.volume.base import Connection
from cloudd.network import PortView

KINDS = {"root": DiskKind.ROOT, "rescue": DiskKind.ROOT, "swap": DiskKind.SWAP, "config": DiskKind.CONFIG}
NO_VOLUMES: Mapping[str, Connection] = MappingProxyType({})
IDE_DISKS = 2                                                  # of four places; an ISO and a config drive may need two


@dataclass(frozen=True)
class Boot:
    """Everything that a server's domain, disks and metadata are made from, read in one transaction."""

    server: Server
    disks: tuple[BlockDevice, ...]
    ports: tuple[tuple[ServerPort, PortView], ...]
    metadata: dict[str, str]
    project_name: str
    user_name: str

    @property
    def properties(self) -> dict[str, str]:
        """Of the image."""
        return self.server.image.get("properties") or {}

    @property
    def extra_specs(self) -> dict[str, str]:
        return self.server.flavor.get("extra_specs") or {}

    def hint(self, name: str, default: str = "") -> str:
        """What the flavor (`hw:cpu_cores`) or the image (`hw_cpu_cores`) says; the flavor goes first."""
        return hardware.Hints(self.extra_specs, self.properties).get(name, default)

    @property
    def is_iso(self) -> bool:
        return self.server.image.get("disk_format") == "iso"


async def load(tx: AsyncSession, server_id: str, *, whole: bool = True) -> Boot:
    """Read a server with all that belongs to it; not `whole`: with its disks only, which is what disks are made from."""
    server = await tx.get_one(Server, server_id)
    query = select(BlockDevice).where(BlockDevice.server_id == server_id).order_by(BlockDevice.number)
    disks = tuple((await tx.execute(query)).scalars())
    if not whole:
        return Boot(server, disks, (), {}, "", "")
    rows = select(ServerPort).where(ServerPort.server_id == server_id).order_by(ServerPort.number)
    ports = list((await tx.execute(rows)).scalars())
    views = await network.port_views(tx, [row.port_id for row in ports])
    project, user = await identity.project(tx, server.project_id), await identity.user(tx, server.user_id)
    metadata = (await metadata_of(tx, [server_id])).get(server_id, {})
    return Boot(server, disks, tuple((row, views[row.port_id]) for row in ports if row.port_id in views), metadata,
                project.name if project else "", user.name if user else "")


def disks(boot: Boot, files: Mapping[str, DiskFile], volumes: Mapping[str, Connection], *, rescue: bool) -> tuple[DiskSpec, ...]:
    """The domain's disks in order; in a rescue the rescue disk boots, and the server's own come after it.

    `volumes`: what its volumes are opened by, as of now.
    """
    specs = []
    if rescue and "rescue" in files:
        specs.append(_disk(boot, "rescue", files["rescue"], boot_index=0))
    if "iso" in files:
        specs.append(_cdrom(boot, "iso", files["iso"], boot_index=None if rescue else 0))
    for row in boot.disks:
        if row.volume_id in volumes:
            specs.append(volume(row, volumes[row.volume_id]))
        elif row.volume_id is None and row.name in files:
            first = row.boot_index == 0 and not rescue and "iso" not in files
            index = 0 if first else 1 if row.boot_index == 0 else None
            specs.append(_disk(boot, row.name, files[row.name], boot_index=index, row=row))
    if "config" in files:
        specs.append(_cdrom(boot, "config", files["config"]))
    return tuple(specs)


def volume(row: BlockDevice, connection: Connection) -> DiskSpec:
    return volume_disk(connection, bus=row.disk_bus or "")


def _disk(boot: Boot, name: str, file: DiskFile, *, boot_index: int | None = None, row: BlockDevice | None = None) -> DiskSpec:
    properties = boot.properties
    if name == "rescue":
        properties = (boot.server.system_metadata.get("rescue_image") or {}).get("properties") or {}
    bus = (row.disk_bus if row else None) or properties.get("hw_rescue_bus" if name == "rescue" else "hw_disk_bus") or ""
    kind = KINDS.get(name, DiskKind.EPHEMERAL)
    return DiskSpec(id=name, path=file.path, format=file.format, kind=kind, bus=bus, boot_index=boot_index,
                    serial=boot.server.id if name == "root" else "")


def _cdrom(boot: Boot, name: str, file: DiskFile, *, boot_index: int | None = None) -> DiskSpec:
    return DiskSpec(id=name, path=file.path, format=file.format, kind=KINDS.get(name, DiskKind.ROOT), device="cdrom",
                    bus=boot.properties.get("hw_cdrom_bus") or "", boot_index=boot_index, readonly=True)


def nic(boot: Boot, view: PortView) -> NicSpec:
    model = boot.properties.get("hw_vif_model") or "virtio"
    multi = boot.hint("hw_vif_multiqueue_enabled").lower() in hardware.TRUE
    queues = min(boot.server.vcpus, 8) if multi and model == "virtio" else 1
    return NicSpec(port_id=view.id, mac=view.mac_address, tap=view.tap, model=model, mtu=view.mtu, queues=queues)


def domain(boot: Boot, files: Mapping[str, DiskFile], volumes: Mapping[str, Connection] = NO_VOLUMES, *,
           rescue: bool = False) -> DomainSpec:
    """The whole domain."""
    server, properties = boot.server, boot.properties
    specs = boot.extra_specs
    return DomainSpec(
        server_id=server.id, name=CONFIG.instance_name(server.number), vcpus=server.vcpus, memory_mb=server.memory_mb,
        disks=disks(boot, files, volumes, rescue=rescue), nics=tuple(nic(boot, view) for _, view in boot.ports),
        machine=boot.hint("hw_machine_type"), firmware=properties.get("hw_firmware_type") or "bios",
        topology=_topology(boot), cpu_shares=_number(specs.get("quota:cpu_shares")),
        video=properties.get("hw_video_model") or "virtio", serial_ports=_serial_ports(boot),
        rng=str(specs.get("hw_rng:allowed", "true")).lower() not in hardware.FALSE,
        guest_agent=str(properties.get("hw_qemu_guest_agent", "true")).lower() not in hardware.FALSE,
        kernel=_kernel(boot, files), utc_clock=properties.get("os_type") != "windows",
        hardware=hardware.of(specs, properties), notes=_notes(boot))


def _notes(boot: Boot) -> DomainNotes:
    server = boot.server
    return DomainNotes(display_name=server.name, flavor=server.flavor.get("name", ""), project_id=server.project_id,
                       project_name=boot.project_name, user_id=server.user_id, user_name=boot.user_name,
                       image_id=server.image_id or "", created=clock.iso(server.created_at) or "")


def _serial_ports(boot: Boot) -> int:
    """As the image says, else as the flavor does, which is the most that it may say."""
    return _number(boot.properties.get("hw_serial_port_count")) or _number(boot.extra_specs.get("hw:serial_port_count")) or 1


def _number(text: Any) -> int | None:
    return whole(text) or None


def _topology(boot: Boot) -> CpuTopology | None:
    """Sockets, cores and threads as asked or bounded; None, where nothing is said: one socket each."""
    return topology(boot.server.vcpus, hardware.Hints(boot.extra_specs, boot.properties))


def topology(vcpus: int, hints: hardware.Hints) -> CpuTopology | None:
    """As Nova chooses: within the largest counts (`hw_cpu_max_sockets`), with as many of the wanted ones as can be had, rather
    sockets than cores than threads. Raises BadRequest when the largest counts leave no way."""
    parts = ("sockets", "cores", "threads")
    wanted, most = ([hints.number(f"hw_cpu_{prefix}{name}") for name in parts] for prefix in ("", "max_"))
    if not any(wanted) and not any(most):
        return None
    ways = [(sockets, cores, vcpus // sockets // cores) for sockets in _divisors(vcpus) for cores in _divisors(vcpus // sockets)]
    ways = [way for way in ways if all(limit is None or count <= limit for count, limit in zip(way, most, strict=True))]
    if not ways:
        limits = ", ".join(f"{limit} {name}" for name, limit in zip(parts, most, strict=True) if limit)
        raise BadRequest(f"{vcpus} vCPUs cannot be had with at most {limits} (hw_cpu_max_...).")
    return CpuTopology(*max(ways, key=lambda way: (sum(count == want for count, want in zip(way, wanted, strict=True)), way)))


def _divisors(number: int) -> list[int]:
    return [count for count in range(1, number + 1) if number % count == 0]


def _kernel(boot: Boot, files: Mapping[str, DiskFile]) -> KernelBoot | None:
    if "kernel" not in files:
        return None
    line = boot.properties.get("os_command_line") or "root=/dev/vda console=tty0 console=ttyS0"
    return KernelBoot(files["kernel"].path, files["ramdisk"].path if "ramdisk" in files else "", line)


def require_possible(caps: Capabilities, flavor: Mapping[str, Any], properties: Mapping[str, str]) -> None:
    """Raise BadRequest for what an image or flavor asks and this hypervisor cannot do."""
    if flavor["vcpus"] > caps.max_vcpus:
        raise BadRequest(f"Flavor {flavor['name']} has {flavor['vcpus']} vCPUs; a guest here can have {caps.max_vcpus} at most.")
    hardware.require(flavor, properties)
    hints = hardware.Hints(flavor.get("extra_specs") or {}, properties)
    topology(flavor["vcpus"], hints)
    arch = properties.get("architecture") or properties.get("hw_architecture")
    if arch and arch != caps.arch and not (arch in ("i686", "i386") and caps.arch == "x86_64"):
        raise BadRequest(f"The image is for {arch}, this host is {caps.arch}.")
    if properties.get("hw_emulation_architecture", caps.arch) != caps.arch:
        raise BadRequest(f"The image has hw_emulation_architecture = {properties['hw_emulation_architecture']}; this host is "
                         f"{caps.arch} and emulates no other.")
    name = hints.get("hw_machine_type")
    if name and name not in caps.machine_types:
        raise BadRequest(f"The machine type {name} was asked for (hw_machine_type), which this hypervisor does not have; it has: "
                         f"{', '.join(caps.machine_types)}.")
    _require_devices(caps, caps.machine(name), properties)
    _require_serial_ports(caps, flavor, properties)


def _require_devices(caps: Capabilities, machine: MachineCaps, properties: Mapping[str, str]) -> None:
    known = {"hw_disk_bus": machine.disk_buses, "hw_rescue_bus": machine.disk_buses,
             "hw_cdrom_bus": tuple(bus for bus in machine.disk_buses if bus != "virtio"), "hw_vif_model": caps.nic_models,
             "hw_video_model": machine.video_models, "hw_firmware_type": ("bios", "uefi") if machine.uefi else ("bios",)}
    for name, values in known.items():
        if properties.get(name) and properties[name] not in values:
            raise BadRequest(f"The image has {name} = {properties[name]}, which this hypervisor does not have for machines of type "
                             f"{machine.kind}; it has: {', '.join(values)}.")


def _require_serial_ports(caps: Capabilities, flavor: Mapping[str, Any], properties: Mapping[str, str]) -> None:
    """The flavor's number is the most that an image may ask for."""
    allowed = (flavor.get("extra_specs") or {}).get("hw:serial_port_count")
    wanted = properties.get("hw_serial_port_count")
    if wanted and allowed and int(wanted) > int(allowed):
        raise BadRequest(f"The image has hw_serial_port_count = {wanted}; flavor {flavor['name']} allows {allowed} "
                         "(hw:serial_port_count).")
    if int(wanted or allowed or 0) > caps.serial_ports:
        raise BadRequest(f"{wanted or allowed} serial ports were asked for (hw_serial_port_count); a guest here can have "
                         f"{caps.serial_ports}.")


def require_disks(caps: Capabilities | None, flavor: Mapping[str, Any], properties: Mapping[str, str],
                  asked: Iterable[tuple[str | None, str]]) -> None:
    """Raise BadRequest for a bus or kind of device that is named for one disk and that the server's machine has not."""
    if caps is None:
        return
    machine = caps.machine(hardware.Hints(flavor.get("extra_specs") or {}, properties).get("hw_machine_type"))
    buses, ide = machine.disk_buses, 0
    for bus, kind in asked:
        if bus and bus not in buses:
            raise BadRequest(f"Block Device Mapping is Invalid: disk_bus {bus} is not there for machines of type "
                             f"{machine.kind}; there are: {', '.join(buses)}.")
        if kind != "disk":
            raise BadRequest(f"Block Device Mapping is Invalid: device_type {kind} is not served here for local disks; use disk.")
        ide += (bus or properties.get("hw_disk_bus")) == "ide"
    if ide > IDE_DISKS:
        raise BadRequest(f"Block Device Mapping is Invalid: {ide} disks on bus ide; there is room for {IDE_DISKS} beside two CDs.")
