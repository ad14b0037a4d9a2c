"""Where a server's files and sockets lie: one directory a server, named by its id.

QEMU runs as a user of its own where libvirt is set up so. It may go through these directories as a member of their group, and
nobody else may: who may open which file libvirt sees to.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cloudd.core.disks.files import SAFE
from cloudd.drivers.hypervisor.base import HypervisorConfig, HypervisorError

SOCKET_DIR_LIMIT = 60                # sun_path holds 107 bytes: the directory, a UUID, a suffix


@dataclass(frozen=True)
class Layout:
    instances: Path
    cache: Path
    run: Path

    @classmethod
    def of(cls, config: HypervisorConfig) -> "Layout":
        if len(config.run_dir) > SOCKET_DIR_LIMIT:
            raise HypervisorError(f"run_dir {config.run_dir} is too long for unix sockets: at most {SOCKET_DIR_LIMIT} characters")
        return cls(Path(config.instances_dir), Path(config.cache_dir), Path(config.run_dir))

    def make(self) -> None:
        for path in (self.instances, self.cache, self.run):
            path.mkdir(mode=0o710, parents=True, exist_ok=True)
        if self.instances.stat().st_dev != self.cache.stat().st_dev:
            raise HypervisorError(f"{self.cache} must be on the file system of {self.instances}: disks hold images by hard links")

    def admit(self, group: int) -> None:
        """Let the group that QEMU runs in through, also to the servers that were there before it was told; make its sockets."""
        for path in (self.instances, self.cache, self.run, *(entry for entry in self.instances.iterdir() if entry.is_dir())):
            os.chown(path, -1, group)
            path.chmod(0o770 if path == self.run else 0o710)

    def server(self, server_id: str) -> Path:
        return self.instances / safe(server_id)

    def file(self, server_id: str, name: str) -> Path:
        return self.server(server_id) / safe(name)

    def base_of(self, server_id: str, name: str) -> Path:
        """The server's own link to the cached image beneath a disk; a dot keeps it apart from disk names."""
        return self.server(server_id) / f"{safe(name)}.base"

    def console_log(self, server_id: str) -> Path:
        return self.server(server_id) / "console.log"

    def serial_socket(self, server_id: str, port: int = 0) -> Path:
        return self.run / f"{safe(server_id)}.s{port}"

    def vnc_socket(self, server_id: str) -> Path:
        return self.run / f"{safe(server_id)}.vnc"

    def owners(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self.instances.iterdir() if entry.is_dir() and SAFE.fullmatch(entry.name))

    def disk_files(self, server_id: str) -> tuple[Path, ...]:
        folder = self.server(server_id)
        if not folder.is_dir():
            return ()
        return tuple(sorted(path for path in folder.iterdir() if SAFE.fullmatch(path.name)))

    def delete(self, server_id: str, name: str | None) -> None:
        if name is None:
            shutil.rmtree(self.server(server_id), ignore_errors=True)
            return
        self.file(server_id, name).unlink(missing_ok=True)
        self.base_of(server_id, name).unlink(missing_ok=True)

    def forget_sockets(self, server_id: str) -> None:
        for path in self.run.glob(f"{safe(server_id)}.*"):
            path.unlink(missing_ok=True)

    def forget_logs(self, server_id: str) -> None:
        for path in self.server(server_id).glob("console.log*"):
            path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """A server's directory, in the group of the one that it lies in, whatever the umask."""
    if not path.is_dir():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        group = path.parent.stat().st_gid
        if path.stat().st_gid != group:
            os.chown(path, -1, group)
        path.chmod(0o710)


def safe(name: str) -> str:
    """Ids and names become parts of paths: nothing but letters, digits, dash and underscore."""
    if not SAFE.fullmatch(name):
        raise HypervisorError(f"{name!r} cannot name a file")
    return name


def tail(path: Path, max_bytes: int) -> bytes:
    """The end of a log, reaching back into the file that it was rotated to."""
    text = _end_of(path, max_bytes)
    if len(text) < max_bytes:
        text = _end_of(path.with_name(path.name + ".0"), max_bytes - len(text)) + text
    return text


def _end_of(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - max_bytes))
            return file.read(max_bytes)
    except FileNotFoundError:
        return b""
