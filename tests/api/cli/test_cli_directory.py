"""`openstack` and keystoneclient on a domain whose users come from an LDAP directory."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from keystoneauth1 import loading, session
from keystoneclient.v3 import client
from openstack_cli import Cli

from tests import slapd
from tests.api.conftest import free_port

DOMAIN = "cli-directory"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slapd.Slapd]:
    with slapd.server(tmp_path_factory.mktemp("cli-slapd"), free_port(), free_port()) as running:
        alice = running.person("alice", "alice-pass")
        running.person("bob", "bob-pass")
        running.party("staff", alice)
        yield running


@pytest.fixture(scope="module")
def domain(admin: Cli, directory: slapd.Slapd, state_dir: Path) -> Iterator[str]:
    """The domain, configured with keystoneclient."""
    made = admin.value("domain create", "id", DOMAIN)
    auth = yaml.safe_load((state_dir / "clouds.yaml").read_text())["clouds"]["admin"]["auth"]
    keystone = client.Client(session=session.Session(auth=loading.get_plugin_loader("password").load_from_options(**auth)),
                             endpoint_override=f"{auth['auth_url']}/v3")
    config = keystone.domain_configs.create(made, {"identity": {"driver": "ldap"}, "ldap": slapd.options(directory)})
    assert config.ldap["url"] == directory.url and "password" not in config.ldap
    keystone.domain_configs.update(made, {"ldap": {"use_tls": True, "tls_cacertfile": str(directory.ca)}})
    yield made
    keystone.domain_configs.delete(made)


@pytest.fixture
def as_alice(state_dir: Path, domain: str, tmp_path: Path) -> Iterator[Cli]:
    """A `clouds.yaml` of hers."""
    clouds = yaml.safe_load((state_dir / "clouds.yaml").read_text())
    auth = {"auth_url": clouds["clouds"]["admin"]["auth"]["auth_url"], "username": "alice", "password": "alice-pass",
            "user_domain_name": DOMAIN, "project_name": "cli-web", "project_domain_name": DOMAIN}
    clouds["clouds"]["alice"] = {**clouds["clouds"]["admin"], "auth": auth}
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    kept, os.environ["OS_CLIENT_CONFIG_FILE"] = os.environ["OS_CLIENT_CONFIG_FILE"], str(tmp_path / "clouds.yaml")
    yield Cli("alice")
    os.environ["OS_CLIENT_CONFIG_FILE"] = kept


def test_users_and_groups(admin: Cli, domain: str) -> None:
    users = {user["Name"]: user["ID"] for user in admin.json("user list --domain", DOMAIN)}
    assert set(users) == {"alice", "bob"}
    shown = admin.json("user show alice --domain", DOMAIN)
    assert shown["id"] == users["alice"] and shown["email"] == "alice@example.org" and shown["enabled"] is True
    assert [group["Name"] for group in admin.json("group list --domain", DOMAIN)] == ["staff"]
    assert [user["Name"] for user in admin.json("user list --group staff --domain", domain)] == ["alice"]
    assert [group["Name"] for group in admin.json(f"group list --user alice --user-domain {DOMAIN} --domain", DOMAIN)] == ["staff"]
    assert "alice in group staff" in admin(f"group contains user --group-domain {DOMAIN} --user-domain {DOMAIN} staff alice")
    assert " in group" not in admin(f"group contains user --group-domain {DOMAIN} --user-domain {DOMAIN} staff bob")


def test_roles_and_a_login(admin: Cli, domain: str, as_alice: Cli) -> None:
    admin("project create cli-web --domain", DOMAIN)
    admin(f"role add --group staff --group-domain {DOMAIN} --project cli-web --project-domain {DOMAIN} member")
    given = admin.json(f"role assignment list --names --effective --user alice --user-domain {DOMAIN}")
    assert ("alice@cli-directory", "cli-web@cli-directory", "member") in {
        (each["User"], each["Project"], each["Role"]) for each in given}
    assert as_alice.json("token issue")["user_id"] == admin.json("user show alice --domain", DOMAIN)["id"]
    assert [project["Name"] for project in as_alice.json("project list --my-projects")] == ["cli-web"]
    as_alice("network create cli-of-alice")
    as_alice("network delete cli-of-alice")


def test_it_is_read_only(admin: Cli, domain: str) -> None:
    for line in (f"user create new --domain {DOMAIN}", f"group create new --domain {DOMAIN}",
                 f"user set --email x@y alice --domain {DOMAIN}", f"user delete --domain {DOMAIN} alice",
                 f"group delete --domain {DOMAIN} staff",
                 f"group add user --group-domain {DOMAIN} --user-domain {DOMAIN} staff bob"):
        told = admin.fails(line)
        assert "403" in told or "read-only" in told or "of 1" in told, told
    assert {user["Name"] for user in admin.json("user list --domain", DOMAIN)} == {"alice", "bob"}
