"""A cloud for one run, sealed off: the daemon, a libvirt of its own and the far end of the external network live in one network
namespace without a way out, the dataplane in a second one. Nothing of it stays behind."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
LIBVIRT_FOLDERS = ("run/libvirt", "var/lib/libvirt", "etc/libvirt", "var/log/libvirt")

QEMU_CONF = 'security_driver = "none"\nuser = "root"\ngroup = "root"\ndynamic_ownership = 0\nremember_owner = 0\n'
# a private mount namespace, so that this libvirt shares no file with the host's
LIBVIRT_SCRIPT = """
set -e
mount --make-rprivate /
for folder in {folders}; do mkdir -p /$folder; mount --bind {state}/$folder /$folder; done
virtlogd -d -p {state}/virtlogd.pid
exec libvirtd -p {state}/libvirtd.pid
"""


@dataclass(frozen=True)
class Own:
    """A running cloud: how to enter the place from which its floating addresses are reached, and its clouds.yaml."""

    enter: list[str]
    clouds: Path


@contextmanager
def running(work: Path, port: int, simulated: bool, image: Path) -> Iterator[Own]:
    """The cloud, ready; gone afterwards. `work` keeps its state and logs."""
    state = work / "state"
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        enter: list[str] = []
        if not simulated:
            host, node = f"conf-host-{port}", f"conf-node-{port}"
            for name in (host, node):
                stack.enter_context(namespace(name))
            enter = ["ip", "netns", "exec", host]
            socket = stack.enter_context(libvirt(work / "libvirt", enter))
            (state / "cloudd.conf").write_text(settings(node, socket))
        stack.enter_context(daemon(enter, work, state, port, simulated, image))
        yield Own(enter, state / "clouds.yaml")


def settings(node: str, socket: Path) -> str:
    """What differs from the defaults: everything in namespaces, no packet leaves, disks that need not survive a power cut."""
    return (f"[network]\nnamespace = {node}\noutbound = off\n\n"
            f"[compute]\nlibvirt_uri = qemu:///system?socket={socket}\nvirt_type = qemu\ndisk_cache_mode = unsafe\n")


@contextmanager
def namespace(name: str) -> Iterator[None]:
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


@contextmanager
def libvirt(state: Path, enter: list[str]) -> Iterator[Path]:
    """libvirtd and virtlogd inside the namespace; the path of its socket."""
    for folder in LIBVIRT_FOLDERS:
        (state / folder).mkdir(parents=True, exist_ok=True)
    shutil.copytree("/etc/libvirt", state / "etc/libvirt", dirs_exist_ok=True)
    shutil.rmtree(state / "etc/libvirt/qemu", ignore_errors=True)
    (state / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    (state / "etc/libvirt/libvirtd.conf").write_text('unix_sock_group = "root"\nauth_unix_rw = "none"\n')
    script = LIBVIRT_SCRIPT.format(state=state, folders=" ".join(LIBVIRT_FOLDERS))
    socket = state / "run/libvirt/libvirt-sock"
    with (state / "libvirtd.log").open("wb") as log:
        process = subprocess.Popen([*enter, "unshare", "--mount", "sh", "-c", script], stdout=log, stderr=log)
    try:
        wait(socket.exists, process, f"libvirtd; see {state}/libvirtd.log")
        yield socket
    finally:
        stop_guests(state / "run/libvirt/qemu")
        process.terminate()
        process.wait(30)
        end(state / "virtlogd.pid")


def stop_guests(folder: Path) -> None:
    """Guests that tests left running; each QEMU's pid file is named after its domain."""
    for file in folder.glob("*.pid"):
        end(file)


def end(pid_file: Path) -> None:
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        os.kill(int(pid_file.read_text()), 15)


@contextmanager
def daemon(enter: list[str], work: Path, state: Path, port: int, simulated: bool, image: Path) -> Iterator[None]:
    """`cloudd serve` until the block ends, filled by `cloudd init`."""
    base = [sys.executable, "-m", "cloudd"]
    environment = {**os.environ, "CLOUDD_IDENTITY_BCRYPT_ROUNDS": "4"}    # Tempest makes some hundred users
    options = ["--state-dir", str(state), "--listen", f"127.0.0.1:{port}", *(["--simulated"] if simulated else [])]
    if not simulated:
        options += ["--config", str(state / "cloudd.conf")]
    with (work / "cloudd.log").open("wb") as log:
        process = subprocess.Popen([*enter, *base, "serve", *options], cwd=ROOT, env=environment, stdout=log,
                                   stderr=subprocess.STDOUT)
    try:
        healthy = [*enter, sys.executable, __file__, f"http://127.0.0.1:{port}/healthz"]
        wait(lambda: subprocess.run(healthy, check=False).returncode == 0, process, f"cloudd; see {work}/cloudd.log")
        init = [*enter, *base, "init", *options, "--no-guest", "--guest-image", str(image)]
        subprocess.run(init, cwd=ROOT, env=environment, check=True)
        yield
    finally:
        process.terminate()
        process.wait(60)


def wait(condition: Callable[[], bool], process: subprocess.Popen[bytes], what: str) -> None:
    """Until the condition holds; a process that ended, or a minute without, is an error."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            raise SystemExit(f"conformance: {what} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"conformance: {what} is not ready after {READY_SECONDS} s")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1]) else 1)
