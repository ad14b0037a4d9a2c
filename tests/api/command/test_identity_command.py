"""`cloudd identity`: the way back in for whoever has the host, and new keys; the daemon running or not."""

import contextlib
import json
import os
import sqlite3
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.api.command.test_command import Home
from tests.api.conftest import free_port

SPOILT, NEW = "somebody-elses-password", "the-operators-new-password"


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setenv("CLOUDD_IDENTITY_BCRYPT_ROUNDS", "4")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state", free_port())


class Daemon:
    """A served cloud that can be stopped, and its administrator."""

    def __init__(self, home: Home):
        self.home, self.process = home, None

    def __enter__(self) -> "Daemon":
        self.process = subprocess.Popen(self.home.argv("serve"), stderr=subprocess.PIPE, text=True)
        assert any("cloudd is ready" in line for line in iter(self.process.stderr.readline, "")), "cloudd ended"
        self.reader = threading.Thread(target=self.process.stderr.read)            # a full pipe would stop it
        self.reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stderr.close()

    def call(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, dict, dict]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.home.port}/identity/v3{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(answer.headers), json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, dict(refused.headers), json.loads(refused.read() or b"{}")

    def log_in(self, password: str, scope: object = None) -> tuple[int, str]:
        scope = scope or {"project": {"name": "admin", "domain": {"id": "default"}}}
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        status, headers, _ = self.call("POST", "/auth/tokens", body={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
        return status, headers.get("X-Subject-Token", "")


def password_of(home: Home) -> str:
    return yaml.safe_load((home.state / "clouds.yaml").read_text())["clouds"]["admin"]["auth"]["password"]


def spoil(cloud: Daemon, password: str) -> str:
    """All that can go wrong with an administrator; the token that did it, which cannot undo it."""
    _, token = cloud.log_in(password)
    own = cloud.call("GET", "/auth/tokens", token) and cloud.call("GET", "/users?name=admin", token)[2]["users"][0]["id"]
    _, _, roles = cloud.call("GET", "/roles?name=admin", token)
    role = roles["roles"][0]["id"]
    _, _, projects = cloud.call("GET", "/projects?name=admin", token)
    project = projects["projects"][0]["id"]
    options = {"lock_password": True, "multi_factor_auth_rules": [["password", "totp"]]}
    assert cloud.call("PATCH", f"/users/{own}", token, {"user": {"password": SPOILT, "options": options}})[0] == 200
    status, token = cloud.log_in(SPOILT)
    assert status == 401
    return f"{own} {role} {project}"


def check_whole(cloud: Daemon, home: Home, password: str) -> None:
    assert password_of(home) == password
    assert cloud.log_in(SPOILT)[0] == 401
    for scope in ({"project": {"name": "admin", "domain": {"id": "default"}}}, {"domain": {"id": "default"}}, {"system": {"all": True}}):
        status, token = cloud.log_in(password, scope)
        assert status == 201, scope
        _, _, shown = cloud.call("GET", "/users?name=admin", token)
        assert shown["users"][0]["enabled"] and shown["users"][0]["options"] == {}
    for name in ("clouds.yaml", "admin-openrc", "passwords/admin"):
        assert (home.state / name).stat().st_mode & 0o777 == 0o600


def test_a_lost_password_while_the_daemon_runs(home):
    with Daemon(home) as cloud:
        _, other = cloud.log_in(password_of(home))
        spoil(cloud, password_of(home))
        done = home.run("identity", "bootstrap")
        assert done.returncode == 0, done.stderr
        assert "new password" in done.stdout and password_of(home) not in done.stdout
        check_whole(cloud, home, password_of(home))
        assert cloud.call("GET", "/auth/projects", other)[0] == 401                # tokens of before are void, at once
        again = home.run("identity", "bootstrap", "--password-file", "/dev/null")
        assert again.returncode == 1 and "no password in /dev/null" in again.stderr
        _, token = cloud.log_in(password_of(home))
        (home.state / "wanted").write_text(NEW + "\n")
        assert home.run("identity", "bootstrap", "--password-file", str(home.state / "wanted")).returncode == 0
        assert cloud.call("GET", "/auth/projects", token)[0] == 401
        check_whole(cloud, home, NEW)
    told = home.run("audit", "--event", "identity.bootstrap").stdout.splitlines()
    assert len(told) == 3 and "success" in told[1] and "host" in told[1]


def test_an_administrator_who_is_gone_or_has_no_roles_while_it_is_stopped(home):
    with Daemon(home) as cloud:
        _, token = cloud.log_in(password_of(home))
        own = cloud.call("GET", "/users?name=admin", token)[2]["users"][0]["id"]
        other = {"user": {"name": "other", "password": SPOILT}}
        other_id = cloud.call("POST", "/users", token, other)[2]["user"]["id"]
        role = cloud.call("GET", "/roles?name=admin", token)[2]["roles"][0]["id"]
        cloud.call("PUT", f"/system/users/{other_id}/roles/{role}", token)
        user = {"name": "other", "domain": {"id": "default"}, "password": SPOILT}
        _, headers, _ = cloud.call("POST", "/auth/tokens", body={"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"system": {"all": True}}}})
        token = headers["X-Subject-Token"]
        assert cloud.call("DELETE", f"/users/{own}", token)[0] == 204
        project = cloud.call("GET", "/projects?name=admin", token)[2]["projects"][0]["id"]
        assert cloud.call("PATCH", f"/projects/{project}", token, {"project": {"enabled": False}})[0] == 200
    for _ in range(2):
        done = home.run("identity", "bootstrap")
        assert done.returncode == 0, done.stderr
    with Daemon(home) as cloud:
        check_whole(cloud, home, password_of(home))


def test_a_cloud_that_was_never_started(home):
    assert home.run("db", "upgrade").returncode == 0
    done = home.run("identity", "bootstrap")
    assert done.returncode == 0, done.stderr
    password = password_of(home)
    with Daemon(home) as cloud:
        check_whole(cloud, home, password)


def test_new_token_keys(home):
    with Daemon(home) as cloud:
        _, token = cloud.log_in(password_of(home))
        done = home.run("identity", "keys", "rotate")
        assert done.returncode == 0 and "the primary token key is now 2" in done.stdout, done.stderr
        assert cloud.call("GET", "/auth/projects", token)[0] == 200
        status, new = cloud.log_in(password_of(home))
        assert status == 201 and cloud.call("GET", "/auth/projects", new)[0] == 200
    assert "identity.keys.rotated" in home.run("audit", "--event", "identity.keys").stdout


def credentials(cloud: Daemon, token: str) -> dict[str, str]:
    return {row["id"]: row["blob"] for row in cloud.call("GET", "/credentials", token)[2]["credentials"]}


def keys_of(home: Home) -> set[int]:
    return {int(path.name) for path in (home.state / "credential-keys").iterdir() if path.name.isdigit()}


def test_new_credential_keys_killed_at_any_moment(home):
    with Daemon(home) as cloud:
        _, token = cloud.log_in(password_of(home))
        for number in range(250):
            body = {"credential": {"type": "cert", "blob": f"secret {number}", "user_id": "x"}}
            body["credential"].pop("user_id")
            assert cloud.call("POST", "/credentials", token, body)[0] == 201
        before, domain = credentials(cloud, token), cloud.call("POST", "/domains", token, {"domain": {"name": "d"}})[2]["domain"]["id"]
        config = {"config": {"identity": {"driver": "sql"}, "ldap": {"password": "of the directory"}}}
        assert cloud.call("PUT", f"/domains/{domain}/config", token, config)[0] == 201
        for kill_after in (0, 1, 2, 3):                                           # changes seen in the directory before the kill
            kill_during_rotation(home, kill_after)
            assert credentials(cloud, token) == before
        kill_during_resealing(home)
        assert credentials(cloud, token) == before
        done = home.run("identity", "credential-keys", "migrate")
        assert done.returncode == 0, done.stderr
        assert len(keys_of(home)) == 3
        done = home.run("identity", "credential-keys", "rotate")
        assert "secrets sealed with it: 251" in done.stdout, done.stderr
        assert len(keys_of(home)) == 3 and credentials(cloud, token) == before
        assert cloud.call("POST", "/credentials", token, {"credential": {"type": "cert", "blob": "late"}})[0] == 201
    (home.state / "credential-keys" / str(max(keys_of(home)))).unlink()
    lost = home.run("identity", "credential-keys", "rotate")
    assert lost.returncode == 1 and "252 secrets cannot be opened" in lost.stderr and "no key was deleted" in lost.stderr


def kill_during_rotation(home: Home, changes: int) -> None:
    """Start a rotation, and kill it when the key directory has changed so many times."""
    directory = home.state / "credential-keys"
    process = subprocess.Popen(home.argv("identity", "credential-keys", "rotate"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen, count = os.stat(directory).st_mtime_ns, 0
    while process.poll() is None and count <= changes:
        moment = os.stat(directory).st_mtime_ns
        count, seen = count + (moment != seen), moment
    process.kill()
    process.wait()


def kill_during_resealing(home: Home) -> None:
    """Start a rotation, and kill it when the first secrets have been sealed again."""
    with contextlib.closing(sqlite3.connect(home.state / "cloudd.db", timeout=20)) as database:
        def sealed() -> set[str]:
            return {blob for blob, in database.execute("SELECT encrypted_blob FROM identity_credentials")}
        before = sealed()
        process = subprocess.Popen(home.argv("identity", "credential-keys", "rotate"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        while process.poll() is None and sealed() == before:
            pass
        process.kill()
        process.wait()
