"""A PostgreSQL server of the tests' own, from Debian's binaries, in a temporary directory."""

import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SECONDS = 60


def _run(*command: object) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, cwd="/")


@dataclass(frozen=True)
class Server:
    """A server on a port of loopback; `url` is without a database's name. It may be stopped and started again."""

    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.directory} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=40"
        self._control("-w", "-l", self.directory / "log", "-o", options, "start")

    def stop(self) -> None:
        """At once, as when it crashes."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: object) -> None:
        _run(BINARIES[-1] / "pg_ctl", "-D", self.directory / "data", *arguments)

    def create(self, name: str) -> str:
        """A new database; its URL."""
        return create(self.url, name)


@contextmanager
def server() -> Iterator[Server]:
    """A running server; stopped and deleted at the end of the block."""
    if not BINARIES:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="cloudd-postgres-") as name:
        directory = Path(name)                                # not pytest's, which only its owner may enter
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        _run(BINARIES[-1] / "initdb", "-D", directory / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
             "--no-sync")
        made = Server(directory, port)
        made.start()
        try:
            yield made
        finally:
            made.stop()


def create(url: str, name: str) -> str:
    """A new database on a running server; its URL."""
    port = url.rsplit(":", 1)[1]
    _run(BINARIES[-1] / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "postgres", name)
    return f"{url}/{name}"
