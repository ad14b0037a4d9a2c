"""A PostgreSQL server of the tests' own, from Debian's binaries, in a temporary directory."""

import os
import pwd
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SECONDS = 60


def _run(*command: object) -> None:
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def server() -> Iterator[str]:
    """A running server; yields the URL without a database's name. Stopped and deleted at the end of the block."""
    if not BINARIES:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    programs = BINARIES[-1]
    with tempfile.TemporaryDirectory(prefix="cloudd-postgres-") as name:
        directory = Path(name)                                # not pytest's, which only its owner may enter
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        data = directory / "data"
        _run(programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-p {port} -k {directory} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=40"
        _run(programs / "pg_ctl", "-D", data, "-w", "-l", directory / "log", "-o", options, "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def create(url: str, name: str) -> str:
    """A new database on a running server; its URL."""
    port = url.rsplit(":", 1)[1]
    _run(BINARIES[-1] / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "postgres", name)
    return f"{url}/{name}"
