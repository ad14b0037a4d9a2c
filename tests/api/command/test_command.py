"""The command as a process: it serves, tells, refuses and ends as it should."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.api.conftest import free_port

LINE_SECONDS = 30


@dataclass
class Home:
    """A state directory of a simulated cloud, and the command on it."""

    state: Path
    port: int

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "cloudd", *words, "--simulated", "--state-dir", str(self.state), "--listen", f"127.0.0.1:{self.port}"]

    def run(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state", free_port())


@pytest.fixture
def served(home: Home) -> Iterator["subprocess.Popen[str]"]:
    """The daemon, ready: it says so on its standard error."""
    process = subprocess.Popen(home.argv("serve"), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "cloudd is ready" in line:
            break
    else:
        pytest.fail(f"cloudd ended with {process.wait()}")
    yield process
    process.kill()
    process.wait()


def test_it_serves_without_any_configuration_and_ends_when_asked(home, served):
    clouds = yaml.safe_load((home.state / "clouds.yaml").read_text())["clouds"]
    assert set(clouds) == {"admin", "demo"} and clouds["demo"]["auth"]["auth_url"] == f"http://127.0.0.1:{home.port}/identity"
    assert home.run("jobs", "list").stdout == "created  kind  resource  state  step  %  error\nno job is waiting or running\n"
    served.send_signal(signal.SIGTERM)
    assert served.wait(LINE_SECONDS) == 0


def test_a_second_daemon_on_the_same_state_is_refused(home, served):
    second = home.run("serve")
    assert second.returncode == 1 and "another cloudd already runs on" in second.stderr and "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_told(home, served, tmp_path):
    other = Home(tmp_path / "other", home.port).run("serve")
    assert other.returncode == 1 and str(home.port) in other.stderr and "Traceback" not in other.stderr


@pytest.mark.parametrize(("variable", "text", "words"), [
    ("CLOUDD_QUOTA_CORES", "many", "it must be a whole number"),
    ("CLOUDD_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://u:***@127.0.0.1:1/x"),
    ("CLOUDD_POLICY_FILE", "/nonexistent/policy.yaml", "/nonexistent/policy.yaml"),
    ("CLOUDD_COMPUTE_DRIVER", "vmware", "no such driver"),
])
def test_what_cannot_be_used_is_one_clear_line(home, variable, text, words):
    if variable == "CLOUDD_COMPUTE_DRIVER":
        argv = [word for word in home.argv("serve") if word != "--simulated"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, variable: text, "CLOUDD_NETWORK_DRIVER": "simulated"})
    else:
        done = home.run("serve", **{variable: text})
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr and "hunter2" not in done.stderr


def test_effective_values_and_the_schema_are_shown(home):
    shown = home.run("config", "show", CLOUDD_IDENTITY_ADMIN_PASSWORD="hunter2").stdout
    assert "admin_password = ***" in shown and "hunter2" not in shown and f"listen = 127.0.0.1:{home.port}" in shown
    assert home.run("db", "upgrade").stdout.startswith("the database is at schema")
    assert home.run("jobs", "list", "--all").stdout.endswith("no jobs\n")


async def test_the_version_is_there_at_once_and_loads_nothing():
    code = "import sys; sys.argv[1:] = ['version']; from cloudd.__main__ import main; main(); " \
           "import json; print(json.dumps([name for name in ('aiohttp', 'sqlalchemy', 'uvloop') if name in sys.modules]))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    version, loaded = (await process.communicate())[0].decode().splitlines()
    assert version.startswith("cloudd ") and json.loads(loaded) == []
