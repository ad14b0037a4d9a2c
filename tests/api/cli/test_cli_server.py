"""`openstack server ...`: making, showing and removing servers."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from openstack_cli import Cli

Later = Callable[..., None]
Boot = Callable[..., dict]
RUNNING = 1                                             # the command names power states in tables, not in JSON


@pytest.fixture
def boot(demo: Cli, image: str, flavor: str, network: str, later: Later) -> Boot:
    """`boot(name, *options)`: a server of the demo project, ACTIVE; gone at the end of the test."""
    def make(name: str, *options: object, nic: tuple[str, ...] | None = None) -> dict:
        later(demo, "server delete --wait", name)
        nics = ("--network", network) if nic is None else nic
        return demo.json("server create --wait", "--image", image, "--flavor", flavor, *nics, *options, name)
    return make


def addresses(server: dict) -> list[str]:
    return [address for network in server["addresses"].values() for address in network]


def test_create_list_show_delete(demo: Cli, boot: Boot, name: str, image: str, network: str) -> None:
    server = boot(name, "--property", "role=web", "--property", "tier=2")
    assert server["status"] == "ACTIVE" and server["name"] == name and server["OS-EXT-STS:power_state"] == RUNNING
    assert server["OS-EXT-STS:task_state"] is None and server["OS-EXT-STS:vm_state"] == "active"
    assert len(addresses(server)) == 1 and addresses(server)[0].startswith("10.77.0.")
    assert server["image"].endswith(f"({image})") and server["properties"] == {"role": "web", "tier": "2"}
    row = next(row for row in demo.json("server list") if row["ID"] == server["id"])
    assert row["Name"] == name and row["Status"] == "ACTIVE" and row["Networks"] == {"cli-network": addresses(server)}
    assert [one["Name"] for one in demo.json("server list --status ACTIVE", "--name", name)] == [name]
    demo("server set --property tier=3", "--name", name + "-new", server["id"])
    shown = demo.json("server show", server["id"])
    assert shown["name"] == name + "-new" and shown["properties"]["tier"] == "3"
    demo("server unset --property tier", server["id"])
    assert shown["flavor"]["name"] == "cli-tiny" if isinstance(shown["flavor"], dict) else "cli-tiny" in shown["flavor"]
    port = ("port list", "--network", network, "--fixed-ip", f"ip-address={addresses(server)[0]}")
    assert len(demo.json(*port)) == 1 and demo.json(*port) == demo.json("port list --server", server["id"])
    demo("server delete --wait", server["id"])
    assert "No Server found" in demo.fails("server show", server["id"])
    assert demo.json(*port) == []


def test_boot_from_a_port(demo: Cli, boot: Boot, name: str, network: str, later: Later) -> None:
    port = demo.json("port create", "--network", network, name)
    later(demo, "port delete", port["id"])
    server = boot(name, nic=("--port", port["id"]))
    assert addresses(server) == [port["fixed_ips"][0]["ip_address"]]
    shown = demo.json("port show", port["id"])
    assert shown["device_id"] == server["id"] and shown["device_owner"].startswith("compute:") and shown["status"] == "ACTIVE"
    demo("server delete --wait", server["id"])
    assert demo.json("port show", port["id"])["device_id"] == ""     # it was the user's, and stays


def test_nic_with_an_address(boot: Boot, name: str, network: str) -> None:
    server = boot(name, nic=("--nic", f"net-id={network},v4-fixed-ip=10.77.0.200"))
    assert addresses(server) == ["10.77.0.200"]


def test_key_group_user_data_and_config_drive(demo: Cli, boot: Boot, name: str, tmp_path: Path, later: Later) -> None:
    demo("keypair create", name)
    later(demo, "keypair delete", name)
    demo("security group create", name)
    later(demo, "security group delete", name)
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\ntrue\n")
    server = boot(name, "--key-name", name, "--security-group", name, "--user-data", script, "--use-config-drive")
    assert server["key_name"] == name and server["config_drive"] in (True, "True")
    assert [group["name"] for group in server["security_groups"]] == [name]


def test_user_data_comes_back_to_administrators(admin: Cli, boot: Boot, name: str, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\ntrue\n")
    server = boot(name, "--user-data", script)
    shown = admin.json("--os-compute-api-version 2.3 server show", server["id"])
    assert base64.b64decode(shown["OS-EXT-SRV-ATTR:user_data"]) == script.read_bytes()


def test_several_at_once(demo: Cli, boot: Boot, name: str, later: Later) -> None:
    for number in (1, 2):
        later(demo, "server delete --wait", f"{name}-{number}")
    boot(name, "--min", 2, "--max", 2)
    rows = demo.json("server list", "--name", f"{name}-")
    assert sorted(row["Name"] for row in rows) == [f"{name}-1", f"{name}-2"]
    assert {row["Status"] for row in rows} == {"ACTIVE"}


@pytest.mark.parametrize("command, states", [
    (("stop",), ("SHUTOFF",)), (("stop", "start"), ("SHUTOFF", "ACTIVE")),
    (("pause", "unpause"), ("PAUSED", "ACTIVE")), (("suspend", "resume"), ("SUSPENDED", "ACTIVE"))])
def test_power(demo: Cli, boot: Boot, name: str, command: tuple[str, ...], states: tuple[str, ...]) -> None:
    server = boot(name)["id"]
    for one, state in zip(command, states, strict=True):
        demo(f"server {one}", server)
        reaches(demo, server, state)


def reaches(cli: Cli, server: str, state: str) -> None:
    """Looks until the server is in that state, as a user would; each look is a command."""
    for _ in range(100):
        shown = cli.json("server show", server)
        if shown["status"] == state and shown["OS-EXT-STS:task_state"] is None:
            return
    pytest.fail(f"{server} is {shown['status']}, not {state}")


def test_actions_that_a_state_forbids(demo: Cli, boot: Boot, name: str) -> None:
    server = boot(name)["id"]
    for action in ("start", "unpause", "resume"):
        assert "409" in demo.fails(f"server {action}", server)


@pytest.mark.parametrize("kind", ["--soft", "--hard"])
def test_reboot(demo: Cli, boot: Boot, name: str, kind: str) -> None:
    server = boot(name)["id"]
    demo("server reboot --wait", kind, server)
    reaches(demo, server, "ACTIVE")


def test_lock(demo: Cli, boot: Boot, name: str) -> None:
    server = boot(name)["id"]
    demo("server lock", server)
    assert demo.json("server show", server)["locked"] is True
    demo("server unlock", server)
    assert demo.json("server show", server)["locked"] is False


def test_a_lock_by_an_administrator_holds(admin: Cli, demo: Cli, boot: Boot, name: str) -> None:
    server = boot(name)["id"]
    admin("server lock", server)
    assert "409" in demo.fails("server stop", server)
    assert "403" in demo.fails("server unlock", server)
    admin("server unlock", server)


def test_rebuild(demo: Cli, boot: Boot, name: str, image: str) -> None:
    server = boot(name)
    printed = demo("server rebuild --wait --property again=yes -f json", "--image", image, server["id"])
    said, rebuilt = printed.split("\n", 1)              # the command says so before the JSON
    assert said == "Complete" and json.loads(rebuilt)["id"] == server["id"]
    shown = demo.json("server show", server["id"])
    assert shown["status"] == "ACTIVE" and addresses(shown) == addresses(server)
    assert shown["properties"] == {"again": "yes"}


def test_floating_ip(demo: Cli, boot: Boot, name: str, network: str, external: str, later: Later) -> None:
    router = demo.value("router create", "id", "--external-gateway", external, name)
    later(demo, "router delete", router)
    demo("router add subnet", router, "cli-subnet")
    later(demo, "router remove subnet", router, "cli-subnet")
    server = boot(name)["id"]
    address = demo.value("floating ip create", "floating_ip_address", external)
    later(demo, "floating ip delete", address)
    demo("server add floating ip", server, address)
    assert address in addresses(demo.json("server show", server))
    demo("server remove floating ip", server, address)
    assert address not in addresses(demo.json("server show", server))


def test_console(demo: Cli, boot: Boot, name: str) -> None:
    server = boot(name)["id"]
    assert demo("console log show", server).strip()
    assert len(demo("console log show --lines 1", server).strip().splitlines()) == 1
    for option, kind in (("--novnc", "novnc"), ("--serial", "serial")):
        console = demo.json("console url show", option, server)
        assert console["type"] == kind and "token" in console["url"]


def test_events(demo: Cli, boot: Boot, name: str) -> None:
    server = boot(name)["id"]
    demo("server stop", server)
    reaches(demo, server, "SHUTOFF")
    rows = demo.json("server event list", server)
    assert [row["Action"] for row in rows] == ["stop", "create"]
    shown = demo.json("server event show", server, rows[1]["Request ID"])
    assert shown["action"] == "create" and shown["events"]
    assert {event["result"] for event in shown["events"]} == {"Success"}


def test_ssh(demo: Cli, boot: Boot, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends in ssh; a stand-in for ssh keeps what it was called with."""
    said = tmp_path / "arguments"
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" > {said}\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    server = boot(name)
    demo("server ssh --private", server["id"], "--", "-l", "cirros")
    assert addresses(server)[0] in said.read_text() and "-l cirros" in said.read_text()


def test_what_is_wrong_is_said(demo: Cli, name: str, image: str, flavor: str, network: str) -> None:
    wrong = [("--image", "nothing", "--flavor", flavor, "--network", network),
             ("--image", image, "--flavor", "nothing", "--network", network),
             ("--image", image, "--flavor", flavor, "--network", "nothing"),
             ("--image", image, "--flavor", flavor, "--network", network, "--key-name", "nothing"),
             ("--image", image, "--flavor", flavor, "--network", network, "--security-group", "nothing")]
    for options in wrong:
        assert "nothing" in demo.fails("server create", *options, name)
    assert demo.json("server list", "--name", name) == []


def test_quota_stops_a_server(admin: Cli, demo: Cli, name: str, image: str, flavor: str, network: str, later: Later) -> None:
    project = demo.value("token issue", "project_id")
    later(admin, "quota set --instances 10", project)
    admin("quota set --instances 0", project)
    said = demo.fails("server create", "--image", image, "--flavor", flavor, "--network", network, name)
    assert "Quota exceeded for instances" in said and "403" in said
    assert demo.json("server list", "--name", name) == []


def test_other_projects_servers(admin: Cli, boot: Boot, demo: Cli, name: str) -> None:
    server = boot(name)["id"]
    assert server not in [row["ID"] for row in admin.json("server list")]
    assert server in [row["ID"] for row in admin.json("server list --all-projects")]
