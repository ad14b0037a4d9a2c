"""What a driver is told when it is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class HypervisorConfig:
    cloud_id: str                    # tells several clouds on one hypervisor apart
    instances_dir: str
    cache_dir: str                   # on the same file system as instances_dir
    run_dir: str                     # unix sockets; at most 50 characters long, since socket paths are short
    uri: str = "qemu:///system"
    virt_type: str = "auto"          # auto, kvm, qemu
    machine: str = "pc"
    cpu_mode: str = "auto"           # auto, host-model, host-passthrough, maximum, custom, none, or a model
    cpu_model: str = ""              # for custom
    disk_cache: str = "auto"         # auto, none, writeback, writethrough, unsafe, directsync
    tb_cache_mib: int = 32           # translated code each emulated guest may keep
    image_cache_max_bytes: int = 50 * 1024**3
    threads: int = 12                # blocking calls at once
    boot_seconds: float = 0.05       # simulated guests: from start to login prompt
