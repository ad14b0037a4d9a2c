"""Network namespaces, and working inside them from threads.

A namespace is named as `ip netns` names it; the empty name is the process's own. A worker thread enters one, works
and always comes back; the main thread never moves, which is why /proc/self (the main thread) stands for home.
"""

import asyncio
import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from cloudd.core.kernel.netlink import IPRoute, NetlinkError
from cloudd.core.work.threads import Elastic
from cloudd.drivers.network.base import NetworkDriverError

RUN = Path("/run/netns")
HOME = "/proc/self/ns/net"
CLONE_NEWNET = 0x40000000
WORKERS = 4

libc = ctypes.CDLL(None, use_errno=True)

P = ParamSpec("P")
T = TypeVar("T")


def path(namespace: str) -> str:
    return str(RUN / namespace) if namespace else HOME


def exists(namespace: str) -> bool:
    """Whether there is such a namespace; a plain file left over in /run/netns is none."""
    if not namespace:
        return True
    try:
        return os.stat(path(namespace)).st_dev == os.stat(HOME).st_dev
    except FileNotFoundError:
        return False


def identity(namespace: str) -> int:
    """The namespace's inode: what /proc/PID/ns/net of a process inside it shows."""
    return os.stat(path(namespace)).st_ino


def names() -> list[str]:
    return sorted(os.listdir(RUN)) if RUN.is_dir() else []


def create(namespace: str) -> bool:
    """Make the namespace if it is not there; tell whether it was made. Its loopback is up."""
    if exists(namespace):
        return False
    if (RUN / namespace).exists():
        remove(namespace)
    command(["ip", "netns", "add", namespace])
    with route(namespace) as ip:
        ip.link("set", index=1, state="up")
    return True


def remove(namespace: str) -> None:
    if (RUN / namespace).exists():
        command(["ip", "netns", "delete", namespace])


def command(argv: list[str]) -> str:
    """Run a host's tool; its complaint becomes the error."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NetworkDriverError(f"`{' '.join(argv)}` failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def switch(fd: int) -> None:
    if libc.setns(fd, CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Be in the namespace, in this thread only. For worker threads."""
    if not namespace:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path(namespace), os.O_RDONLY | os.O_CLOEXEC)
        try:
            switch(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            switch(home)
    finally:
        os.close(home)


@contextmanager
def route(namespace: str) -> Iterator[IPRoute]:
    """A netlink socket of the namespace. Only its making happens inside: several can be open at once."""
    with inside(namespace):
        ip = IPRoute()
    try:
        yield ip
    finally:
        ip.close()


def sysctl(key: str, value: int | str) -> None:
    """Set a setting of the namespace that this thread is in. Slashes part the key: interface names may have dots."""
    file = Path("/proc/sys/net") / key
    try:
        if file.read_text().strip() != str(value):
            file.write_text(f"{value}\n")
    except OSError as exc:
        raise NetworkDriverError(f"cannot set net/{key} to {value}: {exc}") from exc


def peek(key: str) -> str | None:
    """A setting's value here, None where the kernel has no such setting."""
    file = Path("/proc/sys/net") / key
    return file.read_text().strip() if file.exists() else None


class Workers:
    """The few threads in which everything that blocks is done."""

    def __init__(self) -> None:
        self.pool = Elastic("network", WORKERS)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` in a thread, at home; errors of the kernel become the driver's."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, lambda: translated(work, *args, **kwargs))

    def close(self) -> None:
        self.pool.shutdown(wait=True)


def translated(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except NetworkDriverError:
        raise
    except (OSError, NetlinkError, ValueError) as exc:          # ValueError: what is no address, MAC or network
        raise NetworkDriverError(f"{work.__name__}: {exc}") from exc
