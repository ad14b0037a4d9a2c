"""One dnsmasq process per network (DHCP, DNS) or router (router advertisements).

A process outlives the daemon. What it runs with can be told from its command line, which names its configuration file,
and the file is named by its content: a process with the right file in the right namespace is left alone.
"""

import hashlib
import os
import select
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cloudd.drivers.network.base import NetworkDriverError
from cloudd.drivers.network.linux import netns

STOP_SECONDS = 3


@dataclass(frozen=True)
class Instance:
    """What one dnsmasq is to serve."""

    folder: Path
    namespace: str
    config: tuple[str, ...]                          # lines that need a restart
    hosts: tuple[str, ...] = ()                      # read again on SIGHUP
    options: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    leases: tuple[tuple[str, str], ...] = ()         # (address, mac) that it may lease


def reachable_by_others(folder: Path) -> bool:
    """Whether a process without privileges can read files in the folder."""
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def ensure(instance: Instance, binary: str, user: str) -> int:
    """Make it run with these files; its process id (blocking)."""
    folder = instance.folder
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    text = "\n".join([*instance.config, *common(folder, user)]) + "\n"
    config = folder / f"dnsmasq-{hashlib.sha256(text.encode()).hexdigest()[:16]}.conf"
    write(config, text)
    changed = [write(folder / name, "".join(f"{line}\n" for line in lines)) for name, lines in
               (("hosts", instance.hosts), ("options", instance.options), ("names", instance.names))]
    pid = running(folder)
    if pid and fits(pid, config, instance.namespace) and not leased_to_others(instance):
        remember_leases(instance)
        if any(changed):
            os.kill(pid, signal.SIGHUP)
        return pid
    stop(folder)
    return start(instance, config, binary)


def common(folder: Path, user: str) -> list[str]:
    """dnsmasq changes its directory, so all paths are absolute."""
    return [
        "bind-dynamic", "except-interface=lo", "no-hosts", "no-ping", "leasefile-ro", "dhcp-authoritative",
        "dhcp-lease-max=65535", "quiet-dhcp", "quiet-dhcp6", "quiet-ra", f"user={user}",
        f"pid-file={folder}/pid", f"dhcp-hostsfile={folder}/hosts", f"dhcp-optsfile={folder}/options",
        f"addn-hosts={folder}/names",
    ]


def write(file: Path, text: str) -> bool:
    """Write a file whole or not at all; True when it changed."""
    if file.exists() and file.read_text() == text:
        return False
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(file)
    return True


def start(instance: Instance, config: Path, binary: str) -> int:
    for old in instance.folder.glob("dnsmasq-*.conf"):
        if old != config:
            old.unlink()
    (instance.folder / "leased").unlink(missing_ok=True)
    remember_leases(instance)
    with netns.inside(instance.namespace):           # a child is born where its parent thread is
        done = subprocess.run([binary, f"--conf-file={config}"], capture_output=True, text=True, check=False, close_fds=True)
    pid = running(instance.folder)
    if done.returncode or pid is None:
        raise NetworkDriverError(f"dnsmasq in {instance.namespace} did not start: {done.stderr.strip()}")
    return pid


def leased_to_others(instance: Instance) -> bool:
    """Whether an address now belongs to another MAC than the one it was given to since the process started.

    dnsmasq holds on to the lease of a port that is gone and would refuse the address to the next one; a restarted
    process has no leases and, being authoritative, confirms those of its clients.
    """
    past = dict(remembered(instance.folder))
    return any(past.get(address, mac) != mac for address, mac in instance.leases)


def remembered(folder: Path) -> list[tuple[str, str]]:
    file = folder / "leased"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[0], line.split()[1]) for line in lines]


def remember_leases(instance: Instance) -> None:
    all_of_them = dict(remembered(instance.folder)) | dict(instance.leases)
    write(instance.folder / "leased", "".join(f"{address} {mac}\n" for address, mac in sorted(all_of_them.items())))


def running(folder: Path) -> int | None:
    """The living process of this folder, if any."""
    try:
        pid = int((folder / "pid").read_text())
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if f"--conf-file={folder}/".encode() in line else None


def fits(pid: int, config: Path, namespace: str) -> bool:
    try:
        return str(config).encode() in Path(f"/proc/{pid}/cmdline").read_bytes() and lives_in(pid, namespace)
    except OSError:
        return False


def lives_in(pid: int, namespace: str) -> bool:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino == netns.identity(namespace)
    except OSError:
        return False


def stop(folder: Path) -> None:
    """End the folder's process, if there is one, and wait for its end."""
    pid = running(folder)
    if pid is None:
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], STOP_SECONDS)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def remove(folder: Path) -> None:
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)
