"""What the settings and the hypervisor say, held once for the whole module: logic has no other way to them than this."""

from dataclasses import dataclass
from typing import Any

from cloudd.core.module import DriverError
from cloudd.drivers.hypervisor.base import Capabilities


@dataclass
class Config:
    """Filled by ComputeModule: `from_settings` when it opens, the machine's size from the driver."""

    host: str = "localhost"
    node: str = "localhost"
    zone: str = "nova"
    template: str = "instance-%08x"
    vcpus: int = 0
    memory_mb: int = 0
    disk_gb: int = 0
    cpu_ratio: float = 16.0
    ram_ratio: float = 1.0
    disk_ratio: float = 1.0
    reserved_memory_mb: int = 512
    reserved_disk_gb: int = 1
    shutdown_timeout: int = 60
    force_config_drive: bool = False
    resume_guests: bool = True
    dns_domain: str = ""
    address: str = "127.0.0.1"
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 0
    caps: Capabilities | None = None

    def from_settings(self, settings: Any, host: str) -> None:
        options = settings.compute
        self.host = self.node = options.host_name or host
        self.zone, self.template = options.default_availability_zone, options.instance_name_template
        self.cpu_ratio, self.ram_ratio, self.disk_ratio = (options.cpu_allocation_ratio, options.ram_allocation_ratio,
                                                           options.disk_allocation_ratio)
        self.reserved_memory_mb = options.reserved_host_memory_mb
        self.reserved_disk_gb = -(-options.reserved_host_disk_mb // 1024)
        self.shutdown_timeout, self.force_config_drive = options.shutdown_timeout, options.force_config_drive
        self.resume_guests, self.dns_domain = options.resume_guests, settings.network.dns_domain
        try:
            self.instance_name(1)
        except (TypeError, ValueError) as exc:
            raise DriverError(f"[compute] instance_name_template = {self.template}: it must have one number in it, as "
                              "instance-%08x") from exc

    def instance_name(self, number: int) -> str:
        """The domain's name of a server: `instance-0000002a`."""
        return self.template % number


CONFIG = Config()
