"""The unmodified `openstack` command against a daemon of its own over simulated drivers.

The command runs inside this process, since starting Python for each of some two hundred calls would take minutes; it gets
nothing but its arguments, an environment and clouds.yaml, as from a shell.
"""

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openstack_cli import Cli, Failed

from tests.api.conftest import free_port

ROOT = Path(__file__).resolve().parents[3]
PORT = free_port()
READY_SECONDS = 30
LONGEST_PAUSE = 0.05


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The daemon, ready, and its state directory."""
    state = tmp_path_factory.mktemp("cli")
    command = [sys.executable, "-m", "cloudd", "serve", "--simulated", "--state-dir", str(state), "--listen",
               f"127.0.0.1:{PORT}"]
    with (state / "daemon.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CLOUDD_IDENTITY_BCRYPT_ROUNDS": "4"}, stdout=log,
                                   stderr=subprocess.STDOUT)
    try:
        wait_ready(process, state)
        yield state
    finally:
        process.terminate()
        process.wait(30)


def wait_ready(process: subprocess.Popen[bytes], state: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not healthy():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            pytest.fail(f"cloudd ended with status {process.returncode}:\n{(state / 'daemon.log').read_text()[-4000:]}")
        if time.monotonic() > deadline:
            pytest.fail(f"cloudd is not ready after {READY_SECONDS} s:\n{(state / 'daemon.log').read_text()[-4000:]}")
    assert (state / "clouds.yaml").is_file()


def healthy() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthz", timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session", autouse=True)
def environment(state_dir: Path) -> Iterator[None]:
    """No setting of the caller's shell, and waits of the client (5 s between two looks) cut short."""
    kept = dict(os.environ)
    pause = time.sleep
    for name in [name for name in os.environ if name.startswith("OS_")]:
        del os.environ[name]
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(state_dir / "clouds.yaml")
    time.sleep = lambda seconds: pause(min(seconds, LONGEST_PAUSE))
    yield
    time.sleep = pause
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="session")
def admin() -> Cli:
    return Cli("admin")


@pytest.fixture(scope="session")
def demo() -> Cli:
    return Cli("demo")


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"cli-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def later() -> Iterator[Callable[..., None]]:
    """`later(cli, "network delete", id)`: run at the end of the test, last first; what is gone already is fine."""
    todo: list[tuple[Cli, str, tuple[object, ...]]] = []
    yield lambda cli, line, *more: todo.append((cli, line, more))
    for cli, line, more in reversed(todo):
        with contextlib.suppress(Failed):
            cli(line, *more)


@pytest.fixture(scope="session")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk image of 8 MB."""
    path = tmp_path_factory.mktemp("image") / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "8M"], check=True)
    return path


@pytest.fixture(scope="session")
def image(admin: Cli, qcow2: Path) -> str:
    """A public image to boot from; its id."""
    return admin.value("image create --public --disk-format qcow2 --container-format bare cli-image", "id", "--file", qcow2)


@pytest.fixture(scope="session")
def flavor(admin: Cli) -> str:
    return admin.value("flavor create --ram 128 --disk 1 --vcpus 1 cli-tiny", "id")


@pytest.fixture(scope="session")
def external(admin: Cli) -> str:
    """The id of an external network."""
    network = admin.value("network create --external cli-external", "id")
    admin("subnet create --no-dhcp --subnet-range 172.30.0.0/24 cli-external", "--network", network)
    return network


@pytest.fixture(scope="session")
def network(demo: Cli) -> str:
    """A network of the demo project with one subnet; its id."""
    network = demo.value("network create cli-network", "id")
    demo("subnet create --subnet-range 10.77.0.0/24 cli-subnet", "--network", network)
    return network
