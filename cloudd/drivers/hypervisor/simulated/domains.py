"""What a simulated hypervisor knows about its domains, kept in one small file each."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cloudd.drivers.hypervisor.base import DiskSpec, DomainSpec, DomainState, NicSpec, with_targets
from cloudd.drivers.volume.base import Beneath, Connection, Encryption, Kind, Limits

LIVE = (DomainState.RUNNING, DomainState.PAUSED)


@dataclass
class Devices:
    disks: dict[str, dict] = field(default_factory=dict)         # by id: what DiskSpec says
    nics: dict[str, dict] = field(default_factory=dict)          # by port

    @classmethod
    def of(cls, spec: DomainSpec, machine: str) -> "Devices":
        disks = with_targets(spec.disks, machine)
        return cls({disk.id: kept(disk) for disk in disks}, {nic.port_id: asdict(nic) for nic in spec.nics})

    def copy(self) -> "Devices":
        return Devices(dict(self.disks), dict(self.nics))

    def targets(self) -> set[str]:
        return {disk["target"] for disk in self.disks.values()}


@dataclass
class Domain:
    server_id: str
    name: str
    vcpus: int
    memory_mb: int
    machine: str
    serial: bool
    vnc: bool
    agent: bool
    config: Devices
    live: Devices | None = None                                  # while it runs, or while its memory is saved
    state: DomainState = DomainState.SHUTOFF
    held: bool = False                                           # stands still for a moment; whoever looks sees it run
    booted: bool = False                                         # its login prompt is there
    stopping: bool = False                                       # the power button was pressed
    started: float = 0.0

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    def views(self) -> tuple[Devices, ...]:
        """Where a device goes to: the next start's devices, and at once those of a guest that runs."""
        return (self.config, self.live) if self.is_live and self.live is not None else (self.config,)

    def disk(self, disk_id: str) -> DiskSpec | None:
        found = self.views()[-1].disks.get(disk_id)
        return revived(found) if found else None

    def change(self, disk_id: str, change: Callable[[Connection], Connection]) -> None:
        """The connection of a volume, now and at the next start."""
        for view in self.views():
            if (found := view.disks.get(disk_id)) is not None and (disk := revived(found)).connection is not None:
                to = change(disk.connection)
                view.disks[disk_id] = kept(replace(disk, connection=to, path=to.path, format=to.format))


def kept(disk: DiskSpec) -> dict:
    """As it lies in a file: without what opens it."""
    return asdict(replace(disk, passphrase=None))


def revived(found: dict) -> DiskSpec:
    disk, told = DiskSpec(**found), found.get("connection")
    if told is None:
        return disk
    return replace(disk, connection=Connection(**{
        **told, "kind": Kind(told["kind"]), "beneath": tuple(Beneath(**layer) for layer in told["beneath"]),
        "encryption": Encryption(**told["encryption"]) if told["encryption"] else None, "limits": Limits(**told["limits"]),
        "hosts": tuple(told["hosts"])}))


def updated(old: Domain | None, spec: DomainSpec, machine: str) -> Domain:
    """The domain after `define`: a running one goes on with what it has."""
    new = Domain(spec.server_id, spec.name, spec.vcpus, spec.memory_mb, machine, spec.serial_ports > 0, spec.vnc,
                 spec.guest_agent, Devices.of(spec, machine))
    if old is not None:
        new.live, new.state, new.booted = old.live, old.state, old.booted
        new.stopping, new.started = old.stopping, old.started
    return new


def add_nic(domain: Domain, nic: NicSpec) -> None:
    for view in domain.views():
        view.nics.setdefault(nic.port_id, asdict(nic))


def add_disk(domain: Domain, disk: DiskSpec) -> None:
    for view in domain.views():
        view.disks.setdefault(disk.id, kept(disk))


class Register:
    """The domains of one state directory."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.domains: dict[str, Domain] = {}

    def open(self) -> None:
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for path in self._folder.glob("*.json"):
            told = json.loads(path.read_text())
            told["state"] = DomainState(told["state"])
            told["config"] = Devices(**told["config"])
            told["live"] = Devices(**told["live"]) if told["live"] else None
            self.domains[told["server_id"]] = Domain(**told)

    def save(self, domain: Domain) -> None:
        self.domains[domain.server_id] = domain
        path = self._folder / f"{domain.server_id}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(domain)))
        os.replace(part, path)

    def forget(self, server_id: str) -> None:
        self.domains.pop(server_id, None)
        (self._folder / f"{server_id}.json").unlink(missing_ok=True)
