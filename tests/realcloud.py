"""A whole real cloud, sealed off: the daemon, a libvirt of its own and the far end of the external network live in one network
namespace without a way out, the dataplane in a second one. Each of them can be ended and begun again; nothing stays behind."""

import contextlib
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.names import Names, short_cloud

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 60
LOOK_SECONDS = 0.05
LIBVIRT_FOLDERS = ("run/libvirt", "var/lib/libvirt", "var/cache/libvirt", "etc/libvirt", "var/log/libvirt")
QEMU_CONF = (ROOT / "etc/make/qemu.conf").read_text() + "remember_owner = 0\n"          # as `make run` has it
# a private mount namespace, so that this libvirt shares no file with the host's; virtlogd goes on when libvirtd is ended
LIBVIRT_SCRIPT = """
set -e
mount --make-rprivate /
for folder in {folders}; do mkdir -p /$folder; mount --bind {state}/$folder /$folder; done
kill -0 "$(cat {state}/virtlogd.pid)" 2>/dev/null || virtlogd -d -p {state}/virtlogd.pid
exec libvirtd -p {state}/libvirtd.pid
"""


class NotReady(Exception):
    """A process of the cloud ended, or does not answer in time."""


def wait(condition: Callable[[], bool], process: "subprocess.Popen[bytes] | None", what: str) -> None:
    """Until the condition holds. Raises NotReady when the process ended, or after a minute without."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            raise NotReady(f"{what} ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise NotReady(f"{what} is not ready after {READY_SECONDS} s")
        time.sleep(LOOK_SECONDS)


def end(pids: Iterable[int], number: int = signal.SIGTERM) -> None:
    """End processes that are no children of ours, and wait until they are gone."""
    pids = list(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    wait(lambda: not any(runs(pid) for pid in pids), None, f"the end of {pids}")


def runs(pid: int) -> bool:
    """Whether there is such a process; one that only waits to be buried is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_in(file: Path) -> list[int]:
    """The running process that a pid file names, if any."""
    try:
        pid = int(file.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return [pid] if runs(pid) else []


# -- namespaces -------------------------------------------------------------------------------------------------------


def make_namespace(name: str) -> None:
    netns.create(name)


def drop_namespace(name: str) -> None:
    """A namespace, and first whatever still runs in it: it would live on unseen."""
    if netns.exists(name):
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout.split()
        end((int(pid) for pid in found), signal.SIGKILL)
    netns.remove(name)


def connect(namespace: str, address: str, port: int, timeout: float = 5) -> socket.socket:
    """A TCP connection from inside a namespace. Raises OSError."""
    with netns.inside(namespace):
        made = socket.socket()
    made.settimeout(timeout)
    try:
        made.connect((address, port))
    except OSError:
        made.close()
        raise
    return made


# -- libvirt ----------------------------------------------------------------------------------------------------------


@dataclass
class Libvirt:
    """libvirtd and virtlogd of its own, their files below `state`; guests go on while libvirtd is stopped."""

    state: Path
    enter: list[str]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def socket(self) -> Path:
        return self.state / "run/libvirt/libvirt-sock"

    def start(self) -> None:
        for folder in LIBVIRT_FOLDERS:
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        shutil.copytree("/etc/libvirt", self.state / "etc/libvirt", dirs_exist_ok=True, ignore=lambda *_: {"qemu"})
        (self.state / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
        (self.state / "etc/libvirt/libvirtd.conf").write_text('unix_sock_group = "root"\nauth_unix_rw = "none"\n')
        script = LIBVIRT_SCRIPT.format(state=self.state, folders=" ".join(LIBVIRT_FOLDERS))
        self.socket.unlink(missing_ok=True)
        with (self.state / "libvirtd.log").open("ab") as log:
            self.process = subprocess.Popen([*self.enter, "unshare", "--mount", "sh", "-c", script], stdout=log, stderr=log)
        wait(self.answers, self.process, f"libvirtd (see {self.state}/libvirtd.log)")

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as door:
            return door.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def guests(self) -> dict[str, int]:
        """QEMU's process of each running domain, by the domain's name (its pid file is named after it; `driver` is libvirt's own)."""
        return {file.stem: pid for file in (self.state / "run/libvirt/qemu").glob("*.pid") if file.stem != "driver" for pid in pid_in(file)}

    def close(self) -> None:
        end(self.guests().values())
        self.stop()
        end(pid_in(self.state / "virtlogd.pid"))

    def lose_power(self) -> None:
        """As a host's crash does it: guests and daemons are gone at once, and with them all that was in memory."""
        guests = list(self.guests().values())
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None
        end([*guests, *pid_in(self.state / "virtlogd.pid")], signal.SIGKILL)
        shutil.rmtree(self.state / "run", ignore_errors=True)
        (self.state / "virtlogd.pid").unlink(missing_ok=True)


# -- the daemon -------------------------------------------------------------------------------------------------------


@dataclass
class DaemonProcess:
    """`cloudd serve` in a process of its own, over a state directory that outlives it."""

    enter: list[str]
    state: Path
    port: int
    log: Path
    options: list[str] = field(default_factory=list)
    variables: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def command(self, verb: str, *more: str) -> list[str]:
        return [*self.enter, sys.executable, "-m", "cloudd", verb, "--state-dir", str(self.state),
                "--listen", f"127.0.0.1:{self.port}", *self.options, *more]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def start(self, ready: bool = True) -> None:
        """Start it, and wait until it is healthy; or only until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command("serve"), cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait(lambda: self.health() in ((200,) if ready else (200, 503)), self.process, f"cloudd (see {self.log})")

    def health(self) -> int:
        """The status that /healthz answers with; 0 when nothing does."""
        try:
            with contextlib.closing(connect(self.namespace, "127.0.0.1", self.port, 30)) as door:
                connection = http.client.HTTPConnection("127.0.0.1", self.port)
                connection.sock = door
                connection.request("GET", "/healthz")
                return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0

    def init(self, *more: str) -> str:
        """`cloudd init`; what it said. Raises NotReady."""
        done = subprocess.run(self.command("init", *more), cwd=ROOT, env=self.environment, capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise NotReady(f"cloudd init: {done.stdout}{done.stderr}")
        return done.stdout

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def stop(self) -> int | None:
        """A clean stop; the status that it ended with."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


# -- all of it --------------------------------------------------------------------------------------------------------


@dataclass
class RealCloud:
    """The machine that a test plays with: `start` brings all of it up, `close` takes all of it away."""

    work: Path
    name: str
    port: int = 5000
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.host, self.node, self.state = f"{self.name}-host", f"{self.name}-node", self.work / "state"
        self.state.mkdir(parents=True, exist_ok=True)
        self.work.chmod(0o711)                       # QEMU and dnsmasq run as users of their own
        # the daemon makes namespaces that others must see, so it may not get a mount namespace of its own, as by `ip netns exec`
        self.enter = ["nsenter", f"--net={netns.path(self.host)}"]
        self.libvirt = Libvirt(self.work / "libvirt", ["ip", "netns", "exec", self.host])
        self.config = self.state / "cloudd.conf"
        self.daemon = DaemonProcess(self.enter, self.state, self.port, self.work / "cloudd.log",
                                    ["--config", str(self.config)], self.variables, self.host)

    def settings(self) -> str:
        """What differs from the defaults: everything in namespaces, no packet leaves, disks that need survive no power cut."""
        return (f"[jobs]\npatience = 5\n\n[network]\nnamespace = {self.node}\noutbound = off\n\n[compute]\n"
                f"libvirt_uri = qemu:///system?socket={self.libvirt.socket}\nvirt_type = qemu\ndisk_cache_mode = unsafe\n")

    def start(self) -> None:
        self.config.write_text(self.settings())
        for name in (self.host, self.node):
            make_namespace(name)
        self.libvirt.start()
        self.daemon.start()

    def close(self) -> None:
        self.daemon.kill()
        self.libvirt.close()
        self.drop_dataplane()
        drop_namespace(self.host)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def lose_power(self) -> None:
        """The host stops where it is; what comes back is a machine with the same disk and nothing in its kernel."""
        self.daemon.kill()
        self.libvirt.lose_power()
        self.drop_dataplane()
        drop_namespace(self.host)
        make_namespace(self.host)

    def drop_dataplane(self) -> None:
        for name in (*self.own_namespaces(), self.node):
            drop_namespace(name)

    def own_namespaces(self) -> list[str]:
        """Those of this cloud's networks and routers."""
        names = Names(short_cloud(self._digest()))
        return [name for name in netns.names() if names.namespace_owner(name)]

    @property
    def run_dir(self) -> Path:
        """Where the daemon puts sockets when the state directory's path is too long for them."""
        return Path("/run") / f"cloudd-{self._digest()}"

    def _digest(self) -> str:
        """What the daemon calls itself where names are short."""
        return hashlib.sha256(str(self.state.absolute()).encode()).hexdigest()[:12]


@contextlib.contextmanager
def running(cloud: RealCloud) -> Iterator[RealCloud]:
    """The cloud, started; gone after the block."""
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.close()
