"""`cloudd key-manager rewrap`: a new master key; the daemon running or not, killed at any moment."""

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cloudd.keymanager.master import MasterFile
from tests.api.command.test_command import Home
from tests.api.command.test_identity_command import Daemon, password_of
from tests.api.conftest import free_port

PROJECTS = 5
SHOWN = re.compile(r"the master key is now ([0-9a-f]{32})")


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setenv("CLOUDD_IDENTITY_BCRYPT_ROUNDS", "4")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state", free_port())


class Keys:
    """The key manager of a served cloud, as its administrator uses it."""

    def __init__(self, cloud: Daemon):
        self.cloud = cloud
        self.status, self.token = cloud.log_in(password_of(cloud.home))
        self.file = MasterFile(cloud.home.state / "key-manager" / "master.key")

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, bytes]:
        asked = urllib.request.Request(
            path if path.startswith("http") else f"http://127.0.0.1:{self.cloud.home.port}/key-manager/v1{path}", method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json", "Accept": "*/*", "X-Auth-Token": token or self.token})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read()

    def store(self, text: str, token: str = "") -> str:
        status, body = self.ask("POST", "/secrets", {"payload": text, "payload_content_type": "text/plain"}, token)
        assert status == 201, body
        return json.loads(body)["secret_ref"]

    def fill(self) -> dict[str, tuple[str, str]]:
        """A secret in each of many projects: its address, and a token for it, by what is in it."""
        made = {}
        own = self.cloud.call("GET", "/users?name=admin", self.token)[2]["users"][0]["id"]
        role = self.cloud.call("GET", "/roles?name=admin", self.token)[2]["roles"][0]["id"]
        for number in range(PROJECTS):
            project = self.cloud.call("POST", "/projects", self.token, {"project": {"name": f"p{number}"}})[2]["project"]["id"]
            self.cloud.call("PUT", f"/projects/{project}/users/{own}/roles/{role}", self.token)
            token = self.cloud.log_in(password_of(self.cloud.home), {"project": {"id": project}})[1]
            made[f"secret {number}"] = (self.store(f"secret {number}", token), token)
        return made

    def check(self, made: dict[str, tuple[str, str]]) -> None:
        """All of them open."""
        for text, (ref, token) in made.items():
            assert self.ask("GET", f"{ref}/payload", token=token) == (200, text.encode()), text


def in_force(home: Home) -> tuple[str, set[str]]:
    """The master key in force, and those that the projects' keys are wrapped with."""
    with contextlib.closing(sqlite3.connect(home.state / "cloudd.db", timeout=20)) as database:
        force = database.execute("SELECT fingerprint FROM keymanager_master_key").fetchone()[0]
        return force, {row[0] for row in database.execute("SELECT master FROM keymanager_project_keys")}


def test_a_new_master_key_killed_at_any_moment(home):
    with Daemon(home) as cloud:
        keys = Keys(cloud)
        made = keys.fill()
        seen = {next(iter(keys.file.keys()))}
        for moment in ("first write", "commit", "last write"):
            kill_during_rewrap(home, keys.file, moment)
            force, wrapped = in_force(home)
            assert wrapped == {force} <= set(keys.file.keys()), moment       # all or nothing, and its key is on disk
            keys.check(made)
            made |= {f"after {moment}": (keys.store(f"after {moment}"), keys.token)}
            done = home.run("key-manager", "rewrap")
            assert done.returncode == 0 and f"keys of projects wrapped with it: {PROJECTS + 1}" in done.stdout, done.stderr
            force, wrapped = in_force(home)
            assert SHOWN.search(done.stdout)[1] == force
            assert list(keys.file.keys()) == [force] and wrapped == {force} and force not in seen
            seen.add(force)
            keys.check(made)
    with Daemon(home) as cloud:
        Keys(cloud).check({text: pair for text, pair in list(made.items())[:5]})
    told = home.run("audit", "--event", "keymanager.master_key").stdout
    assert told.count("keymanager.master_key.changed") >= 3 and "host" in told


def kill_during_rewrap(home: Home, file: MasterFile, moment: str) -> None:
    """Start it, and kill it when the file of the key has been written once, when the change is committed, or when all is done; each of
    its moments for sure: tests/fault/test_rewrap.py."""
    before, force = os.stat(file.path).st_ino, in_force(home)[0]
    process = subprocess.Popen(home.argv("key-manager", "rewrap"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def reached() -> bool:
        if moment == "commit":
            return in_force(home)[0] != force
        written = os.stat(file.path).st_ino != before
        return written if moment == "first write" else written and len(file.keys()) == 1
    while process.poll() is None and not reached():
        pass
    process.kill()
    process.wait()


def test_no_request_fails_while_the_master_key_is_changed(home):
    with Daemon(home) as cloud:
        keys = Keys(cloud)
        ref, failed, done = keys.store("x"), [], threading.Event()

        def ask() -> None:
            while not done.is_set():
                answer = keys.ask("GET", f"{ref}/payload")
                if answer != (200, b"x"):
                    failed.append(answer)
                keys.store("y")
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(3):
                assert home.run("key-manager", "rewrap").returncode == 0
        finally:
            done.set()
            asking.join()
        assert not failed, failed[:3]


def test_what_cannot_be_done_changes_nothing(home):
    assert home.run("db", "upgrade").returncode == 0
    early = home.run("key-manager", "rewrap")
    assert early.returncode == 1 and "is not there" in early.stderr
    with Daemon(home) as cloud:
        keys = Keys(cloud)
        ref = keys.store("x")
        kept = keys.file.path.read_bytes()
        keys.file.path.unlink()
        gone = home.run("key-manager", "rewrap")
        assert gone.returncode == 1 and f"bring {keys.file.path} back" in gone.stderr
        keys.file.make()
        other = home.run("key-manager", "rewrap")
        assert other.returncode == 1 and "the database wants" in other.stderr and "Nothing was changed" in other.stderr
        keys.file.path.write_bytes(kept)
        with keys.file.alone():
            busy = home.run("key-manager", "rewrap")
        assert busy.returncode == 1 and "another process" in busy.stderr
        assert keys.ask("GET", f"{ref}/payload") == (200, b"x")
        assert home.run("doctor").stdout.count("which is in force") == 1
